"""How close captions come to what people wrote: BLEU, ROUGE-L, CIDEr-D and CHAIR.

The functions on words score from 0 to 1 (CIDEr-D from 0 to 10) and equal the
official COCO scorer on the same words. `score_captions` takes plain sentences
and reports everything times 100, as papers do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from captioner.metrics.bleu import ORDERS, count_bleu, score_bleu
from captioner.metrics.chair import Chair, count_things, tally_chair
from captioner.metrics.diversity import (
    Diversity,
    NBest,
    measure_diversity,
    measure_nbest,
)
from captioner.metrics.photo_metrics import PHOTO_METRICS, score_each
from captioner.metrics.words import Words
from shared.errors import AppError
from shared.runs.resampling import (
    RESAMPLES,
    Difference,
    Interval,
    Tally,
    compare,
    find_intervals,
    tally_mean,
)
from shared.runs.scores import last_lines, refuse_unmatched
from shared.text.vocabulary import Units, find_glued, split_words

MIN_IMAGES = 50  # below this, document frequencies say little


@dataclass(frozen=True)
class Report:
    """Scores of a set of captions, and what one needs to know to compare them.

    Args:
        scores: name -> score times 100: CIDEr-D from 0 to 1000, others to 100.
        images: number of images scored.
        references_per_image: fewest and most.
        distinct_captions: number of different captions.
        distinct_words: number of different words in the captions.
        mean_length: words in a caption.
        protocol: how the scores were computed, in a sentence.
        warnings: reasons to doubt the scores or the captions.
        chair: how often captions name what is not there; None if they name nothing.
        diversity: how different the captions are.
        nbest: of several captions of an image; None if there is one of each.
        intervals: name -> 95 % confidence interval of the score, and of those of
            CHAIR; METEOR, which does not follow from counts, has none.
        tallies: name -> what the same follow from, images in the references' order.
    """

    scores: Mapping[str, float]
    images: int
    references_per_image: tuple[int, int]
    distinct_captions: int
    distinct_words: int
    mean_length: float
    protocol: str
    warnings: tuple[str, ...] = ()
    chair: Chair | None = None
    diversity: Diversity | None = None
    nbest: NBest | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    tallies: Mapping[str, Tally] = field(
        default_factory=dict, repr=False, compare=False
    )

    def to_dict(self) -> dict[str, Any]:
        """Everything but what is counted of each image, ready for JSON."""
        found = asdict(replace(self, tallies={}))
        del found["tallies"]
        for name in ("chair", "diversity", "nbest"):
            part = getattr(self, name)
            found[name] = part and part._asdict()
        return found

    def compare(self, other: "Report") -> dict[str, Difference]:
        """Compare each score with that of other captions of the same images.

        Raises:
            ValueError: if it is not of as many images.
        """
        shared = [name for name in self.tallies if name in other.tallies]
        return {n: compare(self.tallies[n], other.tallies[n]) for n in shared}

    def __str__(self) -> str:
        fewest, most = self.references_per_image
        each = str(most) if fewest == most else f"{fewest} to {most}"
        lines = [
            f"{name:8} {score:6.1f}  {f'of {_most(name)}':7}  {self._between(name)}"
            for name, score in self.scores.items()
        ]
        if self.chair:
            names = ("CHAIR-s", "CHAIR-i")
            rows = zip(str(self.chair).split("\n"), names, strict=True)
            lines += [f"{row}  {self._between(name)}" for row, name in rows]
        lines = [
            *map(str.rstrip, lines),
            f"in brackets: 95 % confidence, from {RESAMPLES} bootstrap samples of the "
            "images",
            "",
            f"{self.images} images, {each} references each",
            f"{self.distinct_captions} different captions from "
            f"{self.distinct_words} words, {self.mean_length:.1f} words on average",
            *(str(part) for part in (self.diversity, self.nbest) if part),
            *last_lines(self.protocol, self.warnings),
        ]
        return "\n".join(lines)

    def _between(self, name: str) -> str:
        """Write the interval of a score, if it has one."""
        if name not in self.intervals:
            return ""
        low, high = self.intervals[name]
        return f"({low:.1f} to {high:.1f})"


def score_captions(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    official: bool = False,
    units: Units = "word",
    learnt: Iterable[str] = (),
    several: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """Score one caption for each image against what people wrote.

    Args:
        captions: image name -> sentence. An empty one scores 0.
        references: image name -> sentences, for the same images.
        official: use the tokeniser and the scorers of the COCO evaluation, and
            METEOR, through the package pycocoevalcap; needs Java.
        units: what counts as a word, see `shared.text.vocabulary.split_words`.
        learnt: captions of training photos, to say how many captions are novel.
        several: image name -> all its captions, of which `captions` has one.

    Raises:
        AppError: if an image has no caption or no references, if a caption
            belongs to no image, or if `official` cannot run.
    """
    _check_images(captions, references)
    split = partial(split_words, units=units)
    scores: dict[str, float] = {}
    if official:
        tokeniser = "Stanford PTB tokeniser and scorers of pycocoevalcap"
        scores, hypotheses, texts = _score_officially(captions, references, units)
    else:
        tokeniser = "Treebank words in lower case without punctuation"
        hypotheses = [split(captions[name]) for name in references]
        texts = [[*map(split, sentences)] for sentences in references.values()]
    if units == "character":
        tokeniser += "; each character of a script without spaces is a word"
    tallies = tally_scores(hypotheses, texts)
    scores = scores or {name: tally.value for name, tally in tallies.items()}
    found = None
    if units == "word":
        things = count_things({name: captions[name] for name in references}, references)
        if found := Chair.of(things):
            tallies |= tally_chair(things)
    tallies = {name: _hundredfold(tally) for name, tally in tallies.items()}
    lengths = [len(sentences) for sentences in references.values()]
    distinct = len(set(map(tuple, hypotheses)))
    return Report(
        scores={name: 100 * score for name, score in scores.items()},
        images=len(references),
        references_per_image=(min(lengths), max(lengths)),
        distinct_captions=distinct,
        distinct_words=len({word for words in hypotheses for word in words}),
        mean_length=sum(map(len, hypotheses)) / len(hypotheses),
        protocol=f"{tokeniser}; corpus BLEU, closest reference length; ROUGE-L with "
        "beta 1.2; CIDEr-D with document frequencies from the references of these "
        f"{len(references)} images, 0 to 1000, as 100 times the official 0 to 10",
        warnings=(
            *_doubts(hypotheses, distinct),
            *_unspaced(references.values(), units),
        ),
        chair=found,
        diversity=measure_diversity(list(captions.values()), hypotheses, learnt),
        nbest=measure_nbest(
            [[*map(split, (several or {}).get(name, ()))] for name in references], texts
        ),
        intervals=find_intervals(tallies),
        tallies=tallies,
    )


def tally_scores(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> dict[str, Tally]:
    """Tally every metric: BLEU by what it counts, others by their scores of images."""
    counts = count_bleu(hypotheses, references)
    tallies = {f"BLEU-{n}": Tally(counts, partial(score_bleu, order=n)) for n in ORDERS}
    for name in PHOTO_METRICS:
        tallies[name] = tally_mean(score_each(name, hypotheses, references))
    return tallies


def _hundredfold(tally: Tally) -> Tally:
    return tally._replace(score=lambda sums: 100 * tally.score(sums))


def _most(name: str) -> int:
    """The highest score, times 100."""
    metric = PHOTO_METRICS.get(name)
    return round(100 * metric.most) if metric else 100


def _score_officially(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]], units: Units
) -> tuple[dict[str, float], list[list[str]], list[list[list[str]]]]:
    from captioner.metrics.official import score_officially

    if units == "character":  # which that tokeniser leaves as they are
        captions = {name: _spaced(text) for name, text in captions.items()}
        references = {n: [*map(_spaced, r)] for n, r in references.items()}
    return score_officially(captions, references)


def _check_images(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> None:
    if any(isinstance(sentences, str) for sentences in references.values()):
        raise ValueError("the references of an image are a list, not a string")
    problems = {
        "Images without a caption": [n for n in references if n not in captions],
        "Captions for unknown images": [n for n in captions if n not in references],
        "Images without references": [
            n for n, texts in references.items() if not texts
        ],
    }
    refuse_unmatched(
        problems,
        "Scores need one caption for every image. Received captions for "
        f"{len(captions)} images and references for {len(references)}; check that both "
        "use the same image names.",
    )
    if not references:
        raise AppError("There are no images to score.")


def _spaced(text: str) -> str:
    return " ".join(split_words(text, "character"))


def _unspaced(references: Iterable[Sequence[str]], units: Units) -> Iterator[str]:
    """Say if each caption counts as one word, because its script has no spaces."""
    texts = [text for sentences in references for text in sentences]
    if units == "word" and find_glued(texts):
        yield (
            "most references are in a script without spaces between words, such as "
            f"{texts[0][:20]!r}, so that a whole sentence counts as one word. Score "
            'its characters: `--units character`, or `[vocabulary] units = "character"`'
            " in the recipe of a model."
        )


def _doubts(hypotheses: Sequence[Words], distinct: int) -> Iterator[str]:
    images = len(hypotheses)
    if images < MIN_IMAGES:
        yield (
            f"CIDEr-D over {images} images means little (one image always scores "
            f"0): it weighs words by how few images they describe. Use {MIN_IMAGES} "
            "images or more."
        )
    if empty := sum(not words for words in hypotheses):
        yield f"captions without words, which score 0: {empty}."
    if images > 1 and distinct <= max(1, images // 20):
        yield (
            f"different captions for {images} images: only {distinct}. The model may "
            "be hardly trained, or not see its images."
        )
