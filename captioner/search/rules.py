"""What one search may find: a request in words becomes one in ids.

What is impossible is refused here, before any photo is read.
"""

import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from captioner.search.beam import BeamSearch
from captioner.search.config import DecodingConfig
from captioner.search.neutral import Neutral, make_neutral
from captioner.search.strategy import Strategy
from shared.config import revise_config
from shared.errors import AppError
from shared.text.english import forms, spelt_like
from shared.text.vocabulary import (
    BOS,
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Units,
    Vocabulary,
    split_words,
)

MOST_MUST_WORDS = 4  # the search keeps its beams for every subset of them
JOINING = ("and", "or", "of", "with")  # no "brown and brown"
COLORS = (
    *("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "tan"),
    *("golden", "black", "white", "gray", "grey"),
)


class Rules(NamedTuple):
    """One search: ids and numbers alone, so that it can be a key of a cache.

    Words are counted without eos. `no_repeat`, `joining_ids`, `once_ids`, `ending_ids`
    and `neutral` give way where nothing else is left; the other rules never do.

    Attributes:
        bos_id, eos_id, pad_id: the special tokens.
        max_words, min_words: length of a sequence.
        beam_size: sequences kept at each step, or drawn.
        strategy: how the search goes on.
        length_penalty: alpha of Wu et al. 2016, or "average".
        banned_ids: tokens that never occur, ascending.
        ending_ids: not the last token before eos, ascending.
        no_repeat: so many tokens in a row do not occur twice; 0 allows it.
        joining_ids: no token comes right after itself, nor after itself and one of
            these, ascending; None allows both.
        once_ids: of each group, tokens for the same thing, one occurs once at most.
        prefix_ids: how every sequence starts; may hold unk although it is banned.
        must_ids: of each group, one token or more occurs, in any order.
        color_ids: tokens that count less where the model gives them less probability
            than `colors`, ascending.
        neutral: when people are named neutrally; None is as the model says.
    """

    bos_id: int
    eos_id: int
    pad_id: int
    max_words: int
    min_words: int = 1
    beam_size: int = 1
    strategy: Strategy = BeamSearch()
    length_penalty: float | str = 0.0
    banned_ids: tuple[int, ...] = ()
    ending_ids: tuple[int, ...] = ()
    no_repeat: int = 0
    joining_ids: tuple[int, ...] | None = None
    once_ids: tuple[tuple[int, ...], ...] = ()
    prefix_ids: tuple[int, ...] = ()
    must_ids: tuple[tuple[int, ...], ...] = ()
    color_ids: tuple[int, ...] = ()
    colors: float = 0.0
    neutral: Neutral | None = None

    @property
    def width(self) -> int:
        """N, the second axis of the states that a search starts from."""
        return self.strategy.width(self)


def make_rules(decoding: DecodingConfig, vocabulary: Vocabulary) -> Rules:
    """Turn a request in words into one in ids.

    Words are matched as `split_words` writes them: in lower case, composed. One that
    the vocabulary does not know cannot be said, so it need not be banned; in the
    prefix it is read as unk.

    Raises:
        AppError: if no caption can be as requested.
    """
    decoding = revise_config(decoding, {}, "The request")  # copies are not checked
    decoding.strategy.check_request(decoding)
    known = vocabulary.words[len(SPECIAL_WORDS) :]
    units = vocabulary.units
    prefix = prefix_words(decoding, units)
    banned = _banned_words(decoding, {*known, *prefix}, units)
    _check_prefix(decoding, prefix, banned)
    must = _must_words(decoding, set(known), prefix, banned, units)
    _check_room(decoding.max_words, prefix, must)
    if banned >= set(known):
        raise AppError(
            f"All {len(known)} words that the model knows are banned, so it can say "
            "nothing. Ban fewer words."
        )

    def ids(words: Iterable[str]) -> tuple[int, ...]:
        return tuple(sorted({vocabulary.ids[w] for w in words if w in vocabulary}))

    endings = {_normal(word) for word in decoding.bad_endings} - {*SPECIAL_WORDS}
    wanted = {word for words in must for word in words}
    return Rules(
        bos_id=BOS,
        eos_id=EOS,
        pad_id=PAD,
        max_words=decoding.max_words,
        # Somebody who gives a prefix wants it continued.
        min_words=max(decoding.min_words, len(prefix) + 1 if prefix else 1),
        beam_size=decoding.beam_size,
        strategy=decoding.strategy.settle(len(vocabulary)),
        length_penalty=decoding.length_penalty,
        banned_ids=(UNK, *ids(banned)),
        ending_ids=ids(endings),
        no_repeat=decoding.no_repeat,
        joining_ids=ids(JOINING) if decoding.no_repeat and units == "word" else None,
        prefix_ids=tuple(vocabulary.to_ids(prefix)),
        must_ids=tuple(ids(words) for words in must),
        color_ids=ids({*COLORS} - wanted) if decoding.colors else (),
        colors=decoding.colors,
        neutral=make_neutral(decoding.neutral, vocabulary.ids, banned, wanted)
        if decoding.neutral
        else None,
    )


def prefix_words(decoding: DecodingConfig, units: Units = "word") -> list[str]:
    """Words that every caption starts with, as the model reads them: in lower case."""
    return split_words(decoding.prefix, units) if decoding.prefix else []


def _banned_words(
    decoding: DecodingConfig, sayable: set[str], units: Units
) -> set[str]:
    words = [_one_word(entry, "ban", units) for entry in decoding.ban]
    if decoding.inflections:
        return {form for word in words for form in forms(word, sayable)}
    return set(words)


def _check_prefix(
    decoding: DecodingConfig, prefix: list[str], banned: set[str]
) -> None:
    if decoding.prefix.strip() and not prefix:
        raise AppError(
            f'The prefix "{decoding.prefix}" holds no word. Type how the captions '
            "should start, or leave it out."
        )
    if len(prefix) >= decoding.max_words:
        raise AppError(
            f'The prefix "{decoding.prefix}" takes {len(prefix)} of max_words '
            f"{decoding.max_words}, and leaves no word to find. Shorten it, or give a "
            f"max_words of at least {len(prefix) + 1}."
        )
    both = [word for word in prefix if word in banned]
    if both:
        raise AppError(
            f'The prefix "{decoding.prefix}" has a banned word: {_quote(both)}. Change '
            f"the prefix, or do not ban {_quote(decoding.ban)}{_forms_hint(decoding)}."
        )


def _check_room(max_words: int, prefix: list[str], must: list[set[str]]) -> None:
    missing = [words for words in must if not words & set(prefix)]
    least = len(prefix) + len(missing)
    if least > max_words:
        raise AppError(
            f"max_words {max_words} is too few: the prefix takes {len(prefix)}, and "
            f"the must-words that it lacks take {len(missing)}. Give a max_words of at "
            f"least {least}, or ask for less."
        )


def _must_words(
    decoding: DecodingConfig,
    known: set[str],
    prefix: list[str],
    banned: set[str],
    units: Units,
) -> list[set[str]]:
    """For each must-word the words that will do, all known and none banned."""
    found: list[set[str]] = []
    entries = [_one_word(entry, "must", units) for entry in decoding.must]
    for word in dict.fromkeys(entries):
        wanted = forms(word, {*known, *prefix}) if decoding.inflections else {word}
        if word in banned or (wanted and wanted <= banned):
            raise AppError(
                f'"{word}" is both a must-word and banned by {_quote(decoding.ban)}'
                f"{_forms_hint(decoding)}. Take it off one of the two lists."
            )
        if wanted & (set(prefix) - known):
            continue  # said as typed, though the model does not know it
        wanted &= known - banned
        if not wanted:
            raise AppError(_unknown_word(word, known - banned))
        if wanted not in found:
            found.append(wanted)
    if len(found) > MOST_MUST_WORDS:
        raise AppError(
            f"{len(found)} must-words are too many: {_quote(decoding.must)}. Captions "
            f"can be searched for with at most {MOST_MUST_WORDS}. Leave some out."
        )
    return found


def _unknown_word(word: str, known: set[str]) -> str:
    near = list(dict.fromkeys([*sorted(forms(word, known)), *spelt_like(word, known)]))
    advice = (
        f"Words near it that the model knows: {_quote(near)}. Ask for one of them"
        if near
        else "No known word is near. Leave it out"
    )
    return (
        f'must "{word}": the model has not learnt this word, so it cannot say it. '
        f"{advice}, or train the model further on captions that have it."
    )


def _one_word(entry: str, key: str, units: Units) -> str:
    words = split_words(entry, units)
    if len(words) == 1:
        return words[0]
    what = f"is {len(words)} words here: {_quote(words)}" if words else "holds no word"
    raise AppError(f'{key} "{entry}" {what}. Give single words, each on its own.')


def _forms_hint(decoding: DecodingConfig) -> str:
    return ", all forms of each (inflections)" if decoding.inflections else ""


def _normal(word: str) -> str:
    return unicodedata.normalize("NFC", word).lower()


def _quote(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
