"""Answers as people write them, made comparable; and the answers a model chooses from.

Two forms of an answer. `normalize` is ours: it makes "Two", "two." and "2" one
answer, for the answer space and for the clean scores. `normalize_official` is
that of the published VQA evaluator with every oddity, for scores that are
compared with papers.

An answer file is UTF-8 text with one answer a line; the line number, from 0, is
the answer's id. Answers may hold spaces and commas: "book, scissors".
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from shared.errors import AppError
from shared.text.vocabulary import MOST_CHARACTERS, Listed, clean

MIN_VOTES = 4  # the least number of people of whom any three can outvote one left out
_FULL_SCORE = 3  # people who must agree, Antol et al. 2015
_CACHED_GIVEN = 2**19  # questions: all that people answered to each
_CACHED = 2**17  # answers; those of a data set repeat, ten people's to a question

_ARTICLES = frozenset(("a", "an", "the"))
_NUMBER_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
_NUMBERS = {word: str(n) for n, word in enumerate(_NUMBER_WORDS.split())}
_OFFICIAL_NUMBERS = dict(list(_NUMBERS.items())[:11]) | {
    "none": "0",  # NOTE: whatever the question
}

# The evaluator's table writes these from spellings that lack one apostrophe:
# "dont", and both "couldnt've" and "couldn'tve".
_CONTRACTIONS = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't
    hadn't've hasn't haven't he'd he'd've he's how'd how'll how's isn't it'd it'd've
    it'll ma'am mightn't mightn't've might've mustn't must've needn't not've o'clock
    oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've
    somebody'll somebody's someone'd someone'd've someone'll someone's something'd
    something'd've something'll that's there'd there'd've there're there's they'd
    they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
    what're what's what've when's where'd where's where've who'd who'd've who'll who's
    who've why'll why're why's won't would've wouldn't wouldn't've y'all y'all'll
    y'all'd've you'd you'd've you'll you're you've
"""
_WITHOUT_APOSTROPHE = {
    word[:place] + word[place + 1 :]: word
    for word in _CONTRACTIONS.split()
    for place, letter in enumerate(word)
    if letter == "'"
} | {
    # NOTE: the evaluator has this one the wrong way round. Its entries for "Im",
    # "Ive" and "Id've" are left out: it looks for them in lower-case text.
    "somebody'd": "somebodyd",
}
_OFFICIAL_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'


@lru_cache(maxsize=_CACHED)
def normalize_official(answer: str) -> str:
    """Normalise an answer exactly as the published VQA evaluator does.

    Lower case, without articles and most punctuation, number words up to ten as
    digits, apostrophes put back into "dont" and the like.

    Source: vqaEval.py of GT-Vision-Lab/VQA on GitHub.
    """
    text = answer.replace("\n", " ").replace("\t", " ").strip()
    # NOTE: one comma between digits ("1,000 x-rays") makes all punctuation vanish
    # instead of becoming a space; so does, for each sign, a space beside any of its
    # occurrences. Colons and apostrophes stay.
    glue = re.search(r"\d,\d", text) is not None
    plain = text
    for sign in _OFFICIAL_PUNCTUATION:
        spaced = f"{sign} " in text or f" {sign}" in text
        plain = plain.replace(sign, "" if glue or spaced else " ")
    # NOTE: a full stop stays before a digit, but goes after one: the evaluator's
    # lookbehind is misspelt. It also passes re.UNICODE as the count, which is 32.
    plain = re.sub(r"\.(?!\d)", "", plain, count=32)
    words = []
    for word in plain.lower().split():
        word = _OFFICIAL_NUMBERS.get(word, word)
        if word not in _ARTICLES:
            words.append(_WITHOUT_APOSTROPHE.get(word, word))
    return " ".join(words)


_TYPEWRITER = str.maketrans("\u2018\u2019\u02bc\u2010\u2011\u201a\uff0c", "'''--,,")
_KEPT_AT_ENDS = "%&"


@lru_cache(maxsize=_CACHED)
def normalize(answer: str) -> str:
    """Bring an answer into the one form in which answers are compared.

    >>> normalize(" The  Two dogs. ")
    '2 dogs'
    >>> normalize("Book,scissors")
    'book, scissors'

    Lower case, in Unicode's composed form (NFC), single spaces. Punctuation goes
    from the ends of words and stays within ("t-shirt", "10:30", "night_stand");
    commas stay between the items of a list. Articles go, and number words up to
    twenty become digits; "none" stays, and so does "one" after another word ("no
    one"). An answer that would vanish keeps its articles: the letter "a".

    Returns:
        "" if the answer holds neither letters nor digits.
    """
    text = unicodedata.normalize("NFC", clean(answer).lower()).translate(_TYPEWRITER)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)  # 1,000
    items = [_bare_words(item) for item in text.split(",")]
    kept = [[word for word in item if word not in _ARTICLES] for item in items]
    if not any(kept):
        kept = items
    return ", ".join(" ".join(_with_digits(words)) for words in kept if words)


def _bare_words(text: str) -> list[str]:
    """Words without punctuation at their ends."""
    words = []
    for word in text.split():
        first, last = 0, len(word)
        while first < last and _is_loose(word[first]):
            first += 1
        while first < last and _is_loose(word[last - 1]):
            last -= 1
        if any(map(str.isalnum, word)):
            words.append(word[first:last])
    return words


def _is_loose(letter: str) -> bool:
    return unicodedata.category(letter)[0] == "P" and letter not in _KEPT_AT_ENDS


def _with_digits(words: Sequence[str]) -> list[str]:
    return [
        word if place and word == "one" else _NUMBERS.get(word, word)
        for place, word in enumerate(words)
    ]


def vote_score(count: int, total: int) -> float:
    """Accuracy of an answer that `count` of `total` people gave, 0 to 1.

        with c others of the same opinion:  min(c / 3, 1)

    averaged over leaving out each person in turn, as the official accuracy of VQA
    does it: of ten people, 1 to 4 make 0.3, 0.6, 0.9 and 1. Fewer than `MIN_VOTES`
    people are not left out; the answer of the only one scores 1.

    Source: Antol et al. 2015, arXiv:1505.00468.
    """
    if total < MIN_VOTES:
        return count / total
    alike = count * min((count - 1) / _FULL_SCORE, 1.0)
    different = (total - count) * min(count / _FULL_SCORE, 1.0)
    return (alike + different) / total


def are_votes(answers: Iterable[Sequence[str]]) -> bool:
    """Say whether people's answers to a set of questions are votes.

    They are if most of the questions that have answers have `MIN_VOTES` or more, some
    of them alike. One odd question decides nothing.
    """
    sets = [given for given in answers if given]

    def agrees(given: Sequence[str]) -> bool:
        least = len(given)
        return len(set(given)) < least or len(set(map(normalize, given))) < least

    votes = sum(len(given) >= MIN_VOTES and agrees(given) for given in sets)
    return 2 * votes > len(sets)


class AnswerSpace(Listed):
    """The answers that a model chooses from, and their ids.

    Args:
        answers: in id order, each as `normalize` gives it, no repeats.

    Raises:
        ValueError: if there are none, one repeats or one is not normalised.
    """

    what = "a list of answers"

    def __init__(self, answers: Iterable[str]):
        self.answers = tuple(answers)
        super().__init__(self.answers)
        if not self.answers:
            raise ValueError("there are no answers")
        if len(self.ids) != len(self.answers):
            repeated = [a for a, n in Counter(self.answers).items() if n > 1]
            raise ValueError(f"each answer comes once. Repeated: {repeated[:5]}")
        broken = [a for a in self.answers if not a or normalize(a) != a]
        if broken:  # nobody's answer would ever equal it
            raise ValueError(f"an answer is not normalised. Received: {broken[:5]}")

    def __contains__(self, answer: str) -> bool:
        return normalize(answer) in self.ids

    @classmethod
    def from_answers(
        cls, answers: Iterable[Sequence[str]], size: int, min_count: int = 1
    ) -> "AnswerSpace":
        """Keep the answers that are the most common one of most questions.

        Args:
            answers: of each training question, what people answered, as written.
                Where several are most common, each of them counts.
            size: the most answers to keep, most frequent first.
            min_count: an answer to fewer questions is left out.

        Raises:
            ValueError: if `size` or `min_count` is less than 1.
            AppError: if no answer is left.
        """
        if size < 1 or min_count < 1:
            raise ValueError(
                "`size` and `min_count` must be at least 1. "
                f"Received: size={size}, min_count={min_count}"
            )
        counts = Counter(best for given in answers for best in most_common(given))
        frequent = [
            answer
            for answer, count in counts.items()
            if count >= min_count and len(answer) <= MOST_CHARACTERS
        ]
        if not frequent:
            raise AppError(
                f"No answer is left to choose from: of {len(counts)} different "
                f"answers, none belongs to {min_count} questions or more. Lower the "
                "least count, or check that the training questions have answers."
            )
        return cls(
            sorted(frequent, key=lambda answer: (-counts[answer], answer))[:size]
        )

    def encode(self, answers: Sequence[str]) -> int | None:
        """Find the id of the answer that most people gave.

        Of several, the most frequent in training.

        Returns:
            None if it is not in the space, or nobody answered.
        """
        return min(
            (self.ids[best] for best in most_common(answers) if best in self.ids),
            default=None,
        )

    def encode_soft(
        self, answers: Sequence[str], exact: bool = False
    ) -> dict[int, float]:
        """Score each known answer that somebody gave, as a training target.

            min(count / 3, 1)

        With fewer than three people, their share.

        Args:
            exact: what the official accuracy gives, see `vote_score`, instead.

        Returns:
            dict: id -> score above 0, at most 1. Empty if nobody's answer is known.
        """
        counts = _count(answers)
        total = counts.total()
        enough = min(_FULL_SCORE, total)
        return {
            self.ids[answer]: score
            for answer, count in counts.items()
            if answer in self.ids
            and (score := vote_score(count, total) if exact else min(count / enough, 1))
        }

    def ceiling(self, answers: Iterable[Sequence[str]]) -> float:
        """Highest accuracy that choosing from these answers allows, 0 to 1.

        Args:
            answers: of each question, what people answered. If they are votes, see
                `are_votes`, it is that by `vote_score` over the questions of
                `MIN_VOTES` people or more; else the share of those that have an
                accepted answer among these. Questions without answers are left out.
        """
        return self.ceilings(answers, [len(self)])[0]

    def ceilings(
        self, answers: Iterable[Sequence[str]], sizes: Sequence[int]
    ) -> list[float]:
        """Give the `ceiling` of the first so many of these answers, for each size."""
        given = [
            kept for texts in answers if (kept := [t for t in texts if normalize(t)])
        ]
        votes = are_votes(given)
        totals, questions = [0.0] * len(sizes), 0
        for texts in given:
            if votes and len(texts) < MIN_VOTES:
                continue
            questions += 1
            scores = self.encode_soft(texts, exact=True)
            for place, size in enumerate(sizes):
                known = (score for id_, score in scores.items() if id_ < size)
                best = max(known, default=0.0)
                totals[place] += best if votes else float(best > 0)
        return [total / questions if questions else 0.0 for total in totals]


def most_common(answers: Sequence[str]) -> list[str]:
    """The answers that most people gave, normalised, in the order given."""
    return list(_most_common(tuple(answers)))


@lru_cache(maxsize=_CACHED_GIVEN)
def _most_common(answers: tuple[str, ...]) -> tuple[str, ...]:
    counts: dict[str, int] = {}  # of millions of answers: Counter takes thrice as long
    for answer in map(normalize, answers):
        if answer:
            counts[answer] = counts.get(answer, 0) + 1
    most = max(counts.values(), default=0)
    return tuple(answer for answer, count in counts.items() if count == most)


def _count(answers: Sequence[str]) -> Counter[str]:
    counts = Counter(map(normalize, answers))
    del counts[""]
    return counts
