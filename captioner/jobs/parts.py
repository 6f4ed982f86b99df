"""Captions of more photos than one process can do, and their columns in Parquet."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from captioner.jobs.caption import Captioning
from captioner.photos.sources import find_shares
from shared.scale.cluster import check_installed
from shared.scale.output import PartedOutput
from shared.scale.parts import Parts
from shared.scale.run import ParallelJob
from shared.scale.stores import Place, to_place

_CAPTION = {"caption": str, "log_prob": float, "confidence": float, "unsure": bool}
_WORDS = [{"word": str, "prob": float, "attention": [float]}]
_CONCEPTS = [{"word": str, "there": float, "said": float}]


def columns(details: bool) -> dict[str, Any]:
    """Give the columns of records, as `shared.scale.tables` takes them."""
    more = {"words": _WORDS, "original": str} if details else {}
    return {
        "image": str,
        **_CAPTION,
        "captions": [_CAPTION | more],
        "doubted": [str],
        **({"concepts": _CONCEPTS} if details else {}),
        "error": str,
    }


def caption_in_parts(
    words: Sequence[str],
    find: Callable[[list[str]], list[Place]],
    work: Captioning,
    folder: Path,
    form: str,
    address: str | None,
    column: str | None = None,
    **rules: bool,
) -> ParallelJob:
    """Get ready to caption photos by workers.

    Args:
        words, find, column: see `captioner.photos.sources.find_shares`.
        work: how they are captioned.
        folder: for the parts; maybe an address in a store.
        form: of the parts, "jsonl" or "parquet".
        address: of a cluster, see `shared.scale.cluster.connected`.
        rules: `resume` and `overwrite`, see `shared.scale.output.PartedOutput`.

    Raises:
        AppError: if Ray is not installed, there are no photos, or the folder cannot be
            written.
    """
    check_installed()
    shares = find_shares(words, find, column)
    output = PartedOutput(
        Parts(to_place(folder), f".{form}", columns(work.details)),
        "captioner caption",
        "photos",
        shares,
        work.settings,
        batch=work.batch_size,
        **rules,
    )
    return ParallelJob(work, output, address)
