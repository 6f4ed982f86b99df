"""A fair comparison of cells: one budget, the same tries, several seeds.

A comparison is a folder: `results.jsonl`, a training a line, from which it goes on; and
`table.md`, `numbers.json` and `boxes.png`, written after each cell.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from rnn.comparing.captions import caption_task
from rnn.comparing.config import CompareConfig
from rnn.comparing.reports import write_reports
from rnn.comparing.tasks import Task, estimate_seconds, make_tasks
from rnn.training.texts import read_texts
from shared.config import read_config
from shared.console.progress import counted
from shared.data.captioned import read_datasets
from shared.errors import AppError
from shared.files.journal import Journal, Row
from shared.files.locks import ENDING
from shared.runs.folder import hold_run, sign

RESULTS = "results.jsonl"


class Trial(NamedTuple):
    """One training."""

    task: str
    cell: str
    rate: float
    seed: int

    @property
    def key(self) -> str:
        """A name for it."""
        return f"{self.task}, {self.cell}, rate {self.rate:.6g}, seed {self.seed}"


def compare(
    config: str,
    out: Path,
    *,
    text: Sequence[str] = (),
    data: Sequence[str] = (),
    announce: Callable[[str], None] = print,
) -> Path:
    """Compare cells, or go on with a comparison that was interrupted.

    Args:
        config: a recipe's name or file.
        out: the folder.
        text: to learn from, for a recipe with [text]; see
            `rnn.training.texts.read_texts`.
        data: photos with captions, for a recipe with [captions].
        announce: told what happens, and how long it still takes.

    Returns:
        the file of the table.

    Raises:
        AppError: if the recipe, the text or the folder is refused.
    """
    recipe = read_config(config, CompareConfig, "compare-")
    for task, given, option in (("text", text, "text"), ("captions", data, "data")):
        if getattr(recipe, task) and not given:
            raise AppError(
                f"{config} compares cells on {task}. Say which with --{option}, or "
                f"take [{task}] out of the recipe."
            )
    read = read_texts(text, announce) if recipe.text else None
    records = read_datasets(list(data)) if recipe.captions else []
    signature = sign(read or (), *((r.name, r.split, *r.captions) for r in records))
    with hold_run(out, "`rnn compare`", announce):
        journal = _open_journal(out, recipe, signature)
        tasks = make_tasks(recipe, read)
        if recipe.captions:
            tasks.append(caption_task(recipe.captions, data, records, out))
        Comparison(recipe, tasks, journal, announce).run()
    return out / "table.md"


class Comparison:
    """The trainings of a recipe: those that are done, and those that are left.

    Args:
        recipe: what is compared, and how often.
        tasks: on what.
        journal: has what is done; reports are written beside it.
        announce: told how far it is.
    """

    def __init__(
        self,
        recipe: CompareConfig,
        tasks: Sequence[Task],
        journal: Journal,
        announce: Callable[[str], None],
    ):
        self.recipe, self.announce = recipe, announce
        self.tasks, self._journal = tasks, journal
        self.units = {
            (task.name, cell): task.units(cell)
            for task in self.tasks
            for cell in recipe.cells
        }
        self.rates = draw_rates(recipe)
        known = self._journal.entries
        records = self._journal.records(known) if known else ()
        self.done: dict[str, dict[str, Any]] = {r["key"]: r for r in records}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        for record in self.done.values():
            self._seconds[record["task"]].append(record["seconds"])

    @property
    def count(self) -> int:
        """Trainings in all."""
        each = self.recipe.tries + self.recipe.seeds - 1
        return len(self.tasks) * len(self.recipe.cells) * each

    def run(self) -> None:
        """Do what is left, and write the reports."""
        if len(self.done) < self.count:
            self._say_before()
        try:
            if self.done:
                self._report()
            for task, cell in product(self.tasks, self.recipe.cells):
                known = len(self.done)
                for trial in self.trials(task, cell):
                    if trial.key not in self.done:
                        self._train(task, trial)
                if len(self.done) > known:
                    self._report()
        finally:
            self._journal.close()

    def _report(self) -> None:
        folder = self._journal.path.parent
        write_reports(folder, self.recipe, self.tasks, self.results())

    def trials(self, task: Task, cell: str) -> Iterator[Trial]:
        """Give a cell's trainings; the later ones depend on how the first went."""
        tries = [Trial(task.name, cell, rate, 1) for rate in self.rates]
        yield from tries
        best = self.best(task, tries)
        for seed in range(2, self.recipe.seeds + 1):
            yield best._replace(seed=seed)

    def best(self, task: Task, tries: Sequence[Trial]) -> Trial:
        """Give the best of some trainings that are done."""

        def rank(trial: Trial) -> float:
            score = self.done[trial.key]["score"]
            if score is None:  # it broke down
                return -np.inf
            return float(score if task.more else -score)

        return max(tries, key=rank)

    def results(self) -> list[dict[str, Any]]:
        """Give the records, in order; "chosen" are those of a cell's best rate."""
        found = []
        for task in self.tasks:
            for cell in self.recipe.cells:
                tries = [Trial(task.name, cell, rate, 1) for rate in self.rates]
                if any(trial.key not in self.done for trial in tries):
                    continue
                best = self.best(task, tries)
                for record in self.done.values():
                    if (record["task"], record["cell"]) == (task.name, cell):
                        chosen = record["rate"] == best.rate
                        found.append(record | {"chosen": chosen})
        return found

    def _train(self, task: Task, trial: Trial) -> None:
        units, started = self.units[task.name, trial.cell], time.monotonic()
        score = task.train(trial.cell, units, trial.rate, trial.seed, lambda: None)
        seconds = round(time.monotonic() - started, 1)
        record = {
            "key": trial.key,
            **trial._asdict(),
            "units": units,
            "score": score,
            "seconds": seconds,
        }
        self._journal.append([Row(trial.key, None, record)])
        self.done[trial.key] = record
        self._seconds[task.name].append(seconds)
        told = "broke down" if score is None else f"{task.score} {score:.4f}"
        self.announce(
            f"{len(self.done)} of {self.count}: {trial.key} ({units} units): {told}, "
            f"{seconds:.0f} s. {_time(self._left())} left."
        )

    def _say_before(self) -> None:
        """Say how long it takes, by first steps of what was never done."""
        for task in self.tasks:
            if not self._seconds[task.name]:
                cell = self.recipe.cells[0]
                seconds = estimate_seconds(task, cell, self.units[task.name, cell])
                self._seconds[task.name].append(seconds)
        self.announce(
            f"{counted(self.count, 'training')}, {len(self.done)} of them done. "
            f"About {_time(self._left())} to go."
        )

    def _left(self) -> float:
        each = self.count // len(self.tasks)
        done: dict[str, int] = defaultdict(int)
        for record in self.done.values():
            done[record["task"]] += 1
        return sum(
            (each - done[task.name]) * fmean(self._seconds[task.name])
            for task in self.tasks
            if self._seconds[task.name]
        )


def draw_rates(recipe: CompareConfig) -> list[float]:
    """Draw the learning rates, whose logarithms are uniform."""
    low, high = np.log(recipe.rates)
    draws = np.random.default_rng(recipe.seed).uniform(low, high, recipe.tries)
    return [float(f"{np.exp(draw):.4g}") for draw in draws]


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _open_journal(folder: Path, recipe: CompareConfig, signature: str) -> Journal:
    """Open the results of this very comparison, or begin them.

    Args:
        signature: of what is learnt from.

    Raises:
        AppError: if the folder holds something else.
    """
    settings = recipe.model_dump(mode="json") | {"data": signature[:16]}
    header = {"by": "rnn compare", "settings": settings}
    path = folder / RESULTS
    if path.exists():
        journal = Journal.read(path, header)
        if journal.header.get("settings") == settings:
            return journal
        raise AppError(
            f"{folder} holds a comparison with another recipe or other data. Give the "
            "same ones to go on with it, or another folder with --out."
        )
    if any(not file.name.endswith(ENDING) for file in folder.iterdir()):
        raise AppError(
            f"{folder} is not empty, and no comparison. Choose another folder with "
            "--out."
        )
    return Journal(path, header)
