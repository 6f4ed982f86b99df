"""How many processors there are for this process."""

import math
import os
import sys
from contextlib import suppress
from pathlib import Path

_GROUP = Path("/sys/fs/cgroup")  # of a container, as it sees it itself
_most = sys.maxsize


def usable_processors() -> int:
    """Count the processors that this process may use, at least 1.

    Those of the machine, less those that affinity (`taskset`) or Python's own
    `-X cpu_count` take away, and no more than the quota of a container is worth, or
    than `use_at_most` says.
    """
    if sys.version_info >= (3, 13):
        found = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):  # Linux
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    return max(1, min(found, _most, math.ceil(_quota())))


def use_at_most(count: int) -> None:
    """Let this process use fewer processors, as one of several that share them."""
    global _most
    _most = count


def _quota() -> float:
    """Processors that the control group may use in the mean; infinite if all."""
    with suppress(OSError, ValueError):  # version 2: "150000 100000", "max 100000"
        most, period = (_GROUP / "cpu.max").read_text().split()
        return int(most) / int(period)
    with suppress(OSError, ValueError):  # version 1, where -1 is no limit
        most, period = (
            (_GROUP / "cpu" / f"cpu.cfs_{name}_us").read_text()
            for name in ("quota", "period")
        )
        if int(most) > 0:
            return int(most) / int(period)
    return sys.maxsize
