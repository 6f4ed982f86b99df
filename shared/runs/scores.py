"""What reports of scores have in common, whatever is scored."""

from collections.abc import Mapping, Sequence

from shared.errors import AppError
from shared.runs.resampling import RESAMPLES, SHUFFLES, Difference

SHOWN = 3  # of the names that do not match
EXAMPLES = 5  # of the names that are listed with reasons


def refuse_unmatched(problems: Mapping[str, Sequence[str]], advice: str) -> None:
    """Refuse to score what does not belong together.

    Args:
        problems: what is wrong -> names of which it is wrong; empty if of none.
        advice: what is needed, and what to check.

    Raises:
        AppError: at the first problem that there is.
    """
    for problem, names in problems.items():
        if names:
            shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
            raise AppError(f"{problem}: {len(names)} ({shown}). {advice}")


def listed(title: str, items: Sequence[tuple[str, str]]) -> list[str]:
    """Warn of what is wrong with some names: how many, and the first with reasons."""
    if not items:
        return []
    lines = [f"warning: {title}: {len(items)}"]
    lines += [f"    {name}: {reason}" for name, reason in items[:EXAMPLES]]
    if len(items) > EXAMPLES:
        lines.append(f"    ... and {len(items) - EXAMPLES} more")
    return lines


def last_lines(protocol: str, warnings: Sequence[str]) -> list[str]:
    """End a printed report: how scores were computed, and reasons to doubt them."""
    return [f"protocol: {protocol}", *(f"warning: {text}" for text in warnings)]


def list_differences(differences: Mapping[str, Difference]) -> list[str]:
    """Print by how much each score is above that of what it is compared with."""
    if not differences:
        return []
    width = max(map(len, differences))
    return [
        "",
        "difference from --against, with 95 % confidence, and p of chance alone:",
        *(f"{name:{width}}  {found}" for name, found in differences.items()),
        f"(paired bootstrap, {RESAMPLES} samples; approximate randomisation, "
        f"{SHUFFLES} shuffles)",
    ]
