"""How good a concept net is, on photos that did not teach it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared.concepts.calibrate import area_under_curve, reliability
from shared.concepts.regression import UNKNOWN
from shared.concepts.table import ConceptProbs, Table
from shared.concepts.words import PERSON

EDGES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
MENTIONED = 0.4  # the share of captions that makes a person the photo's
MAIN = 0.6  # the share that makes a thing the main one
TOLD = 0.4  # a probability above which somebody would rely on it
UNSEEN = 0.3  # a detector's score below which nobody is there


def judge(
    table: Table,
    seen: ConceptProbs,
    shares: np.ndarray,
    see: np.ndarray,
    scores: np.ndarray,
) -> dict[str, Any]:
    """Score what a net says of photos with captions.

    Args:
        seen: of the net.
        shares: float (photos, words), of captions that mention each word.
        see: float (photos, words), of `lessons.see_targets`.
        scores: float (photos, 80), of the teacher.

    Returns:
        figures, rounded, for `teach.json`.
    """
    said, there = seen
    words = [row.word for row in table]
    own = [i for i, row in enumerate(table) if row.things and not row.within]
    report: dict[str, Any] = {
        "photos": len(said),
        "said, reliability": _rounded(reliability(said, shares, EDGES)),
        "there, reliability of things": _rounded(
            reliability(there[:, own], see[:, own], EDGES)
        ),
        "there, reliability of others": _rounded(
            reliability(np.delete(there, own, 1), np.delete(see, own, 1), EDGES)
        ),
        "main thing in the top 3": {
            name: _find_main(probs[:, own], shares[:, own])
            for name, probs in (("said", said), ("there", there))
        },
    }
    if PERSON in words:
        place = words.index(PERSON)
        person = ConceptProbs(said[:, place], there[:, place])
        report["person"] = judge_person(person, shares[:, place], scores[:, 0])
    return report


def judge_person(
    seen: ConceptProbs, shares: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
    """Score "person" alone; all float (photos,); `shares` may be UNKNOWN.

    Nobody is there where no caption mentions anybody and the teacher sees nobody.
    """
    said, there = seen
    nobody = np.logical_and(shares <= 0, scores < UNSEEN)
    named = np.not_equal(shares, UNKNOWN)
    report: dict[str, Any] = {
        "photos without": int(nobody.sum()),
        "of these, said above 0.4": _mean(said[nobody] > TOLD),
        "of these, there above 0.4": _mean(there[nobody] > TOLD),
        "of these, mean of said and there": [_mean(said[nobody]), _mean(there[nobody])],
        "of others, said and there above 0.4": [
            _mean(said[~nobody] > TOLD),
            _mean(there[~nobody] > TOLD),
        ],
    }
    if named.any():
        truth = shares[named] >= MENTIONED
        report["area under the curve of said and there"] = [
            round(area_under_curve(probs[named], truth), 4) for probs in (said, there)
        ]
        bins = reliability(said[named], shares[named], EDGES)
        report["said, reliability"] = _rounded(bins)
    return report


def _find_main(probs: np.ndarray, shares: np.ndarray) -> list[float]:
    """Share of photos with a main thing that is among the top 3, and their number."""
    main = shares >= MAIN
    some = main.any(axis=1)
    top = np.argsort(-probs, axis=1)[:, :3]
    likely = np.take_along_axis(main & (probs > 0.1), top, axis=1)
    return [_mean(likely[some].max(axis=1)), int(some.sum())]


def _mean(numbers: np.ndarray) -> float:
    return round(float(numbers.mean()), 4) if len(numbers) else float("nan")


def _rounded(bins: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[round(a, 3), round(b, 3), int(n)] for a, b, n in bins]
