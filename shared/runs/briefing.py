"""What somebody should know before a training run begins. Needs no Keras."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Protocol

from shared.console.progress import counted

FEW = 30  # photos to choose by; on fewer, a score says little
SHOWN = 8


def warn_of_few(photos: int) -> str:
    """Say so if there are too few photos to choose by; else an empty text."""
    if photos >= FEW:
        return ""
    few = counted(photos, "photo is", "photos are")
    return (
        f"{few} too few to judge a model by: with others, its scores could be quite "
        f"different. From {FEW} on they begin to tell something; mark more photos as "
        '"dev".'
    )


def count_rare(counts: Mapping[str, int], known: Container[str]) -> Counter[str]:
    """Keep those of the counted words that are not known."""
    return Counter({word: n for word, n in counts.items() if word not in known})


def name_rare(what: str, counts: Counter[str], why: str) -> str:
    """Say what is not learnt, the commonest first; an empty text if that is nothing.

    Args:
        what: "word" or "answer".
        counts: how often each was seen.
        why: such as "seen less than 2 times".
    """
    if not counts:
        return ""
    shown = sorted(counts, key=lambda one: (-counts[one], one))[:SHOWN]
    names = ", ".join(f"{one} ({counts[one]})" for one in shown)
    more = " ..." if len(counts) > SHOWN else ""
    return (
        f"{counted(len(counts), f'{what} is', f'{what}s are')} not learnt ({why}), the "
        f"commonest with how often they were seen: {names}{more}."
    )


class Stage(Protocol):
    """A stage of a recipe."""

    @property
    def name(self) -> str:
        """What the recipe calls it."""

    @property
    def batch_size(self) -> int:
        """Photos in a step."""


def name_clipped(stages: Iterable[Stage], photos: int) -> list[str]:
    """Say which stages take all photos in one step, as they want more than there are.

    Args:
        photos: how many there are to learn from.
    """
    return [
        f"Stage {stage.name} has a batch_size of {stage.batch_size}, and learns from "
        f"{counted(photos, 'photo')}: each epoch is one step with all of them."
        for stage in stages
        if stage.batch_size > photos
    ]
