"""LiteRT graphs as functions, and whether this machine and a bundle have them."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import numpy as np

from shared.bundles import folder as bundles
from shared.bundles.manifests import locate
from shared.console.quiet import muted
from shared.errors import AppError
from shared.included import get_again

PART = "litert"  # of a bundle
# Operations that run foreign code, call other graphs, loop or keep state.
REFUSED = (
    *("CUSTOM", "DELEGATE", "STABLEHLO", "CALL", "IF", "WHILE", "VAR_HANDLE"),
    *("READ_VARIABLE", "ASSIGN_VARIABLE", "HASHTABLE", "RANDOM", "MULTINOMIAL"),
    "PLACEHOLDER_FOR_GREATER_OP_CODES",
)


class Spec(NamedTuple):
    """What a graph takes or gives under a name.

    Attributes:
        dtype: such as "float32".
        shape: sizes of the axes; -1 is one that changes from call to call.
    """

    dtype: str
    shape: tuple[int, ...]


Specs = dict[str, Spec]  # by name
AnyGraph = TypeVar("AnyGraph", bound="Graph")


class Graph:
    """A graph as a function of named arrays, for one caller at a time.

    Args:
        path: a .tflite file.
        threads: processors to use.
        advice: what to do about a file that is refused, a sentence.
        name: of the signature; if there is none such, the first one is taken.

    Attributes:
        names: of all signatures in the file.
        inputs, outputs: their Specs, by name.

    Raises:
        AppError: if it cannot be loaded, or computed.
    """

    def __init__(self, path: Path, threads: int, advice: str, name: str = ""):
        self._path, self._advice = path, advice
        with muted():  # it announces how it computes
            from ai_edge_litert.interpreter import Interpreter

            try:
                interpreter = Interpreter(model_path=str(path), num_threads=threads)
                interpreter.allocate_tensors()
                self.names = sorted(interpreter.get_signature_list())
                if not self.names:
                    raise ValueError("it has no signature.")
                chosen = name if name in self.names else self.names[0]
                self._run = interpreter.get_signature_runner(chosen)
            except Exception as error:  # whatever it makes of a stranger's file
                raise self._refusal("cannot be loaded by LiteRT", error) from error
        self._lock = Lock()  # while one batch is looked at, somebody may ask for more
        self.inputs = _specs(self._run.get_input_details())
        self.outputs = _specs(self._run.get_output_details())

    def __call__(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Compute all outputs, by name."""
        with self._lock:
            try:
                found: dict[str, np.ndarray] = self._run(**arrays)
            except (ValueError, RuntimeError) as error:
                raise self._refusal("cannot be computed by LiteRT", error) from error
        return found

    def check(self, inputs: Specs, outputs: Specs) -> None:
        """Make sure that it takes and gives what it should.

        Args:
            inputs, outputs: those that it should have at least; -1 is any size.

        Raises:
            AppError: if it does not; the message names the first that differs.
        """
        for kind, own, wanted in (
            ("input", self.inputs, inputs),
            ("output", self.outputs, outputs),
        ):
            for name in sorted(wanted | own.keys()):
                if not _fits(own.get(name), wanted.get(name)):
                    raise AppError(
                        f"{self._path} is not the graph that is needed here: its "
                        f"{kind} {name} should be {_say(wanted.get(name))}, and is "
                        f"{_say(own.get(name))}. {self._advice}"
                    )

    def _refusal(self, what: str, error: Exception) -> AppError:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return AppError(f"{self._path} {what}: {reason} {self._advice}")


def open_graph(
    kind: type[AnyGraph],
    folder: Path,
    name: str,
    threads: int,
    command: str,
    signature: str = "",
) -> AnyGraph:
    """Load a graph of a bundle.

    Args:
        kind: `Graph`, or a kind of it.
        folder: the checked bundle.
        name: of the file, as in the manifest.
        threads: processors to use.
        command: what exports a bundle again, for messages.
        signature: see `Graph`.

    Raises:
        AppError: if it cannot be loaded.
    """
    path = locate(folder, name)
    again = f"Export the bundle again with `{command}`, or give --runtime keras."
    more = [signature] if signature else []
    return kind(path, threads, get_again(path, again), *more)


class EncoderGraph(Graph):
    """The graph that looks at a photo: images uint8 (1, H, W, 3) -> features.

    These are (1, R, D) for the regions of a square grid, row by row; of another grid
    they are (1, rows, columns, D).

    Args:
        path, threads, advice: see `Graph`.

    Attributes:
        grid: rows and columns of the regions.
        features: Spec (1, R, D).
    """

    def __init__(self, path: Path, threads: int, advice: str):
        super().__init__(path, threads, advice)
        found = self.outputs.get("features", Spec("", (1, 1, 1)))
        shape, side = found.shape, max(1, math.isqrt(max(0, sum(found.shape[1:2]))))
        self.grid = side, side
        self._shape: tuple[int, ...] = (1, side * side, -1)
        if len(shape) == 4 and min(shape) > 0:
            self.grid, self._shape = (shape[1], shape[2]), (*shape[:3], -1)
        self.features = Spec("float32", (1, math.prod(self.grid), shape[-1]))

    def check_images(self, size: int) -> None:
        """Make sure that it looks at images of a size, in px, and gives features.

        Raises:
            AppError: if it does not, or they are those of no grid.
        """
        images = Spec("uint8", (1, size, size, 3))
        self.check({"images": images}, {"features": Spec("float32", self._shape)})

    def encode(self, image: np.ndarray) -> np.ndarray:
        """Give the features float32 (R, D) of an image uint8 (H, W, 3)."""
        found = self(images=image[None])["features"]
        return found.reshape(-1, found.shape[-1])


def _specs(details: Mapping[str, Any]) -> Specs:
    return {
        name: Spec(np.dtype(one["dtype"]).name, tuple(map(int, one["shape_signature"])))
        for name, one in details.items()
    }


def _fits(own: Spec | None, wanted: Spec | None) -> bool:
    if own is None or wanted is None:
        return False
    if own.dtype != wanted.dtype or len(own.shape) != len(wanted.shape):
        return False
    last = len(own.shape) - 1  # its size is always known; others' need not be
    return all(
        b in (a, -1) or (a == -1 and axis < last)
        for axis, (a, b) in enumerate(zip(own.shape, wanted.shape, strict=True))
    )


def _say(spec: Spec | None) -> str:
    return f"{spec.dtype} {spec.shape}" if spec else "absent"


def try_graph(path: Path) -> None:
    """Look into a graph and compute it twice, in a process of its own.

    Raises:
        ValueError: if it has operations that reach beyond it or do not end by
            themselves, or gives arrays of other shapes than it says, or numbers that
            are not finite.
        Exception: any other, if it is damaged.
    """
    _look_into(path.read_bytes())
    try:
        for name in Graph(path, 1, "").names:
            _use_twice(Graph(path, 1, "", name))
    except AppError as error:
        raise ValueError(f"LiteRT says: {error.__cause__}") from error


def _use_twice(graph: Graph) -> None:
    for fill in (0, 1):
        arrays = {
            name: np.full([abs(size) * (1 + (size < 0)) for size in shape], fill, dtype)
            for name, (dtype, shape) in graph.inputs.items()
        }
        for name, array in graph(**arrays).items():
            said = graph.outputs[name]
            given = Spec(array.dtype.name, array.shape)
            if not _fits(given, said):
                raise ValueError(f"it gives {name} as {_say(given)}, not {_say(said)}.")
            if not np.isfinite(array).all():
                raise ValueError(f"it gives numbers in {name} that are not finite.")


def _look_into(content: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    names = {
        number: name
        for name, number in vars(schema.BuiltinOperator).items()
        if isinstance(number, int)
    }
    model = schema.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    for code in codes:
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = names.get(number, f"operation {number}")
        if name.startswith(REFUSED):
            raise ValueError(f"it has the operation {name}, which no export makes.")
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    tensors = (g.Tensors(i) for g in graphs for i in range(g.TensorsLength()))
    if model.ExternalBufferGroupsLength() or any(t.ExternalBuffer() for t in tensors):
        raise ValueError("it reads numbers from other files.")


def is_installed() -> bool:
    """Whether LiteRT is there; it has no wheels for some machines."""
    return importlib.util.find_spec("ai_edge_litert") is not None


def why_not_litert(folders: Sequence[Path], command: str) -> str:
    """Say why LiteRT cannot run these bundles; empty if it can.

    Args:
        command: what exports a bundle, for the message.
    """
    if not is_installed():
        return "it is not installed (pip install ai-edge-litert)."
    try:
        with muted():
            import ai_edge_litert.interpreter  # noqa: F401
    except (ImportError, OSError) as error:  # such as an old C library
        return f"it cannot be loaded here: {error}."
    for folder in folders:
        if not bundles.has_part(folder, PART):
            return (
                f"{folder} was not exported for it; `{command} {folder} --data DIR` "
                "does that."
            )
    return ""
