"""The loop over the stages of a run, whatever is learnt: saved, resumed, validated."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import keras
import numpy as np
from keras import ops

from shared.runs.ahead import Waited, ahead
from shared.runs.checkpoints import Progress, load_arrays, load_progress, save_arrays
from shared.runs.clipping import Flow, lasting_variables, read_flow, summarize
from shared.runs.folder import BEST, CHECKPOINT, Run
from shared.runs.recipes import RecipeConfig, StageConfig
from shared.runs.training import Scalars, interrupts_wait, run_epoch

EVERY = 25  # steps, of which TensorBoard is told

S = TypeVar("S", bound=StageConfig)
S_contra = TypeVar("S_contra", bound=StageConfig, contravariant=True)
B = TypeVar("B")


class Validated(NamedTuple):
    """What a validation found.

    Attributes:
        scores: for each file of `Task.kept`, how good its weights are: more is better.
            The first tells when a stage ends.
        record: figures for the history, such as "dev_accuracy"; numbers are logged.
    """

    scores: Sequence[float]
    record: Mapping[str, Any]


class Epochs(NamedTuple, Generic[B]):
    """What the epochs of a stage are made of.

    Attributes:
        steps: in an epoch.
        batches: gives the batches of an epoch by its seeds, from a step on; they are
            made in a thread of their own.
        step: trains on a batch; gives the loss.
        validate: judges the model as it is.
    """

    steps: int
    batches: Callable[[Sequence[int], int], Iterable[B]]
    step: Callable[[B], float]
    validate: Callable[[], Validated]


class Task(Protocol[S_contra]):
    """What is trained, and how a stage goes about it."""

    @property
    def model(self) -> keras.Model:
        """All that is saved in a checkpoint."""

    @property
    def kept(self) -> Mapping[str, Sequence[keras.Variable]]:
        """Variables by the file that keeps them as they were when they were best.

        The first is `shared.runs.folder.BEST` with all of the model; later ones hold
        parts of it, which are then used in place of the first's.
        """

    def prepare(self, stage: S_contra) -> None:
        """Compile the model for a stage; see `shared.runs.training.compile_model`."""

    def begin(self, stage: S_contra) -> Epochs[Any]:
        """Get ready for the epochs of a stage, with the weights it begins with."""


class Trainer(Generic[S]):
    """One run: a task, its stages, and the folder that it can be resumed from.

    Args:
        task: what is trained.
        recipe: its stages and seed.
        run: its folder has checkpoints and logs.
        signature: of what is learnt from, see `shared.runs.folder.sign`.
    """

    def __init__(
        self,
        task: Task[S],
        recipe: RecipeConfig[S],
        run: Run,
        signature: str = "",
    ):
        self.task = task
        self.recipe = recipe
        self.run = run
        self.progress = Progress(signature=signature)
        self._scalars = Scalars(run.folder / "logs")
        self._flows: list[Flow] = []  # of this epoch's steps

    def train(self) -> Progress:
        """Run all stages, or what is left of them; the model ends as the best."""
        checkpoint = self.run.folder / CHECKPOINT
        resumed = checkpoint.exists()
        if resumed:
            self.progress = load_progress(checkpoint, self.progress.signature)
            if self.progress.best:  # better missed now than at the end
                self._load_best()
        progress, stages = self.progress, self.recipe.stages
        left = stages[progress.stage :]
        if resumed and left and self._is_over(left[0]):
            self._end_stage()
        for stage in stages[progress.stage :]:
            begun = progress.epoch + progress.step > 0
            if progress.stage and not begun:
                self._load_best()
            self.task.prepare(stage)
            if begun:
                load_arrays(checkpoint, self._variables())
            if resumed:
                self.run.announce(
                    f"Going on with stage {stage.name}, epoch {progress.epoch + 1}, "
                    f"step {progress.step + 1}."
                )
                resumed = False
            self._run_stage(stage)
            self._end_stage()
        self._load_best()
        return progress

    def _end_stage(self) -> None:
        progress = self.progress
        progress.stage += 1
        progress.epoch = progress.step = progress.waited = 0

    def _is_over(self, stage: S) -> bool:
        progress = self.progress
        return progress.epoch >= stage.epochs or progress.waited >= stage.patience

    def _load_best(self) -> None:
        for name, variables in self.task.kept.items():
            load_arrays(self.run.folder / name, variables)

    def _variables(self) -> list[keras.Variable]:
        model = self.task.model
        return [*model.variables, *lasting_variables(model.optimizer)]

    def _save(self) -> None:
        save_arrays(
            self.run.folder / CHECKPOINT, self._variables(), asdict(self.progress)
        )

    def _run_stage(self, stage: S) -> None:
        progress, epochs = self.progress, self.task.begin(stage)
        while not self._is_over(stage):
            started, first = time.monotonic(), progress.step
            self._flows.clear()
            seeds = [self.recipe.seed, progress.stage, progress.epoch]
            batches = Waited(ahead(epochs.batches(seeds, progress.step)))
            losses = run_epoch(
                batches,
                epochs.step,
                progress,
                save=self._save,
                tick=lambda step, loss: self._note(stage, step, epochs.steps, loss),
            )
            seconds = time.monotonic() - started
            record: dict[str, Any] = {
                "stage": stage.name,
                "epoch": progress.epoch + 1,
                "loss": float(np.mean(losses)) if losses else None,
                **summarize(self._flows),
                "steps": progress.step - first,
                "seconds": round(seconds, 1),
                "waited": round(batches.seconds / seconds, 3),
            }
            with interrupts_wait():  # till the epoch is saved
                figures = self._keep_best(epochs.validate)
                progress.history.append(record | figures)
                progress.epoch, progress.step = progress.epoch + 1, 0
                self._save()
            scalars = {"loss": record["loss"]} | summarize(self._flows) | figures
            self._scalars.write(len(progress.history), scalars)
            self.run.announce(json.dumps(progress.history[-1]))

    def _note(self, stage: S, step: int, steps: int, loss: float) -> None:
        """Note what flowed in a step that is done, and say how far the epoch is."""
        flow = read_flow(self.task.model.optimizer)
        if flow:
            self._flows.append(flow)
        if self.progress.taken % EVERY == 0:
            figures = {"loss": loss} | summarize(self._flows[-EVERY:])
            scalars = {f"steps/{name}": value for name, value in figures.items()}
            self._scalars.write(self.progress.taken, scalars)
        self.run.tick(stage.name, self.progress.epoch, step, steps, loss)

    def _keep_best(self, validate: Callable[[], Validated]) -> dict[str, Any]:
        """Validate the averaged weights, and keep those that are the best so far.

        Returns:
            the figures of the validation.
        """
        model, best = self.task.model, self.progress.best
        current = [ops.convert_to_numpy(v) for v in model.trainable_variables]
        model.optimizer.finalize_variable_values(model.trainable_variables)
        found = validate()
        self.progress.waited += 1
        kept = zip(self.task.kept.items(), found.scores, strict=True)
        for (name, variables), score in kept:
            # 0 is no score: with an example or two to choose by, there is no other.
            if not best.get(name) or score > best[name]:
                best[name] = score
                save_arrays(self.run.folder / name, variables, {})
                if name == BEST:
                    self.progress.waited = 0
        for variable, value in zip(model.trainable_variables, current, strict=True):
            variable.assign(value)
        return {
            name: round(figure, 3) if isinstance(figure, float) else figure
            for name, figure in found.record.items()
        }
