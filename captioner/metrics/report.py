"""How close captions come to what people wrote: BLEU, ROUGE-L, CIDEr-D and CHAIR.

The functions on words score from 0 to 1 (CIDEr-D from 0 to 10) and equal the
official COCO scorer on the same words. `score_captions` takes plain sentences
and reports everything times 100, as papers do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from captioner.metrics.bleu import bleu
from captioner.metrics.chair import Chair, chair
from captioner.metrics.photo_metrics import PHOTO_METRICS, score_each
from captioner.metrics.words import Words
from shared.errors import AppError
from shared.runs.scores import last_lines, refuse_unmatched
from shared.text.vocabulary import Units, are_glued, split_words

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

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self) | {"chair": self.chair and self.chair._asdict()}

    def __str__(self) -> str:
        fewest, most = self.references_per_image
        each = str(most) if fewest == most else f"{fewest} to {most}"
        lines = [
            f"{name:8} {score:6.1f}  of {_most(name)}"
            for name, score in self.scores.items()
        ]
        lines += [
            *([str(self.chair)] if self.chair else []),
            "",
            f"{self.images} images, {each} references each",
            f"{self.distinct_captions} different captions from "
            f"{self.distinct_words} words, {self.mean_length:.1f} words on average",
            *last_lines(self.protocol, self.warnings),
        ]
        return "\n".join(lines)


def score_captions(
    captions: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    official: bool = False,
    units: Units = "word",
) -> Report:
    """Score one caption for each image against what people wrote.

    Args:
        captions: image name -> sentence. An empty one scores 0.
        references: image name -> sentences, for the same images.
        official: use the tokeniser and the scorers of the COCO evaluation, and
            METEOR, through the package pycocoevalcap; needs Java.
        units: what counts as a word, see `shared.text.vocabulary.split_words`.

    Raises:
        AppError: if an image has no caption or no references, if a caption
            belongs to no image, or if `official` cannot run.
    """
    _check_images(captions, references)
    if official:
        tokeniser = "Stanford PTB tokeniser and scorers of pycocoevalcap"
        scores, hypotheses = _score_officially(captions, references, units)
    else:
        tokeniser = "Treebank words in lower case without punctuation"
        hypotheses = [split_words(captions[name], units) for name in references]
        texts = [[split_words(text, units) for text in r] for r in references.values()]
        scores = _score_words(hypotheses, texts)
    if units == "character":
        tokeniser += "; each character of a script without spaces is a word"
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
        chair=chair(captions, references) if units == "word" else None,
    )


def _most(name: str) -> int:
    """The highest score, times 100."""
    metric = PHOTO_METRICS.get(name)
    return round(100 * metric.most) if metric else 100


def _score_officially(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]], units: Units
) -> tuple[dict[str, float], list[list[str]]]:
    from captioner.metrics.official import score_officially

    if units == "character":  # which that tokeniser leaves as they are
        captions = {name: _spaced(text) for name, text in captions.items()}
        references = {n: [*map(_spaced, r)] for n, r in references.items()}
    return score_officially(captions, references)


def _score_words(
    hypotheses: Sequence[Words], references: Sequence[Sequence[Words]]
) -> dict[str, float]:
    scores = {
        f"BLEU-{n}": score for n, score in enumerate(bleu(hypotheses, references), 1)
    }
    for name in PHOTO_METRICS:
        each = score_each(name, hypotheses, references)
        scores[name] = sum(each) / len(each)
    return scores


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
    if units == "word" and 2 * sum(map(are_glued, texts)) > len(texts):
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
