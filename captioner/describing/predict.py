"""Load a trained captioner, as LiteRT graphs or as a net in Keras.

LiteRT starts at once and needs neither Keras nor TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from captioner.config import CaptionerConfig
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.net.runtime import Runtime
from captioner.net.runtime_litert import EXPORT, FILES, MORE, LiteRTRuntime
from captioner.search.rules import make_rules
from shared.bundles.folder import check_size
from shared.bundles.manifests import WEIGHTS, read_manifest
from shared.bundles.reading import read_bundle, read_bundle_config
from shared.bundles.runtimes import RuntimeName, choose_runtime
from shared.concepts.table import TABLE, own_words_of, read_table, words_of
from shared.config import revise_config
from shared.console.quiet import importing_keras
from shared.errors import AppError
from shared.included import included_model
from shared.processors import usable_processors
from shared.text.vocabulary import Vocabulary
from shared.vision.detector import find_things

if TYPE_CHECKING:
    from captioner.net.model import Captioner

SHIPPED = included_model("captioner")
FUSED = True  # searches of Keras, see `captioner.net.runtime_keras.KerasRuntime`
# Bundles of version 0.1 do not hold `unsure`. SHA-256 of the weights -> what it is: of
# those that come with the package, a fifth of Flickr8k's dev photos are below it; their
# captions reach a CIDEr-D of 24, those of all photos 56.
MEASURED_LATER = {
    "4cd558691b8e2790e35d7c832967b04d2c3fec98d00b5040b7f90e3cd698bd35": 0.24,
}


def load_captioner(
    model: str | Path | Sequence[str | Path] | None = None,
    *,
    runtime: RuntimeName | None = None,
    batch_size: int = 8,
    **changes: Any,
) -> PhotoCaptioner:
    """Load a bundle, or several that vote.

    Args:
        model: its folder; None is the model that comes with the package. Several
            must have one vocabulary and image size; the mean of their probabilities
            is searched as the first one's recipe says.
        runtime: "litert" needs bundles exported for it, "keras" needs Keras; None
            is LiteRT where that works, else Keras.
        batch_size: photos at a time.
        changes: other values for the fields of `DecodingConfig`, for good.

    Raises:
        AppError: if there is no bundle, it is damaged, bundles do not go together,
            the runtime cannot run them, or the changes are refused.
        ValueError: if there is no such runtime, or `model` is an empty list.
    """
    if model is None or isinstance(model, (str, Path)):
        model = [model or SHIPPED]
    folders = [Path(folder) for folder in model]
    if not folders:
        raise ValueError("`model` must name at least one bundle. Received: []")
    chosen = choose_runtime(folders, runtime, EXPORT)
    names = [_graphs(folder) if chosen == "litert" else None for folder in folders]
    read = list(map(_read_texts, folders, names))
    _check_alike(folders, read)
    config, vocabulary, concepts, own = read[0]
    if changes:
        decoding = revise_config(config.decoding, changes, "The request")
        config = config.model_copy(update={"decoding": decoding})
    make_rules(config.decoding, vocabulary)  # refuse before seconds of loading
    loaded = (
        _load_litert(folders, read, [files or () for files in names])
        if chosen == "litert"
        else _load_keras(folders, read, batch_size)
    )
    find = find_things if config.confidence else None
    return PhotoCaptioner(config, vocabulary, loaded, batch_size, concepts, own, find)


def _graphs(folder: Path) -> tuple[str, ...]:
    """Name the files that LiteRT runs."""
    listed = read_manifest(folder)["files"]
    return (*FILES, *(file for file in MORE if file in listed))


def read_config(folder: Path) -> CaptionerConfig:
    """Read the recipe of a bundle, and nothing else of it.

    Raises:
        AppError: if there is no bundle, or it is damaged.
    """
    config = read_bundle_config(folder, "captioner", CaptionerConfig)
    return _add_threshold(folder, config)


def load_bundle(folder: Path) -> tuple[CaptionerConfig, Vocabulary, "Captioner"]:
    """Load the parts of a captioner's bundle, with the net in Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or Keras is missing.
    """
    config, vocabulary, *_ = _read_texts(folder, None)
    with importing_keras():
        from captioner.net.runtime_keras import load_net
    return config, vocabulary, load_net(folder, config, vocabulary)


class _Texts(NamedTuple):
    """What of a bundle is text; see `PhotoCaptioner` for the concepts."""

    config: CaptionerConfig
    vocabulary: Vocabulary
    concepts: tuple[str, ...]
    own: tuple[str, ...]


def _read_texts(folder: Path, graphs: Sequence[str] | None) -> _Texts:
    """Check a bundle, or only what LiteRT needs of it, and read what is text."""
    config, vocabulary = read_bundle(
        folder, "captioner", CaptionerConfig, graphs, _more_texts
    )
    table = read_table(folder) if config.concepts else ()
    if graphs is None:
        check_size(folder, config.decoder.least_weights(len(vocabulary)))
    vocabulary = vocabulary.in_units(config.vocabulary.units)
    config = _add_threshold(folder, config)
    return _Texts(config, vocabulary, words_of(table), own_words_of(table))


def _more_texts(config: CaptionerConfig) -> list[str]:
    return [TABLE] if config.concepts else []


def _add_threshold(folder: Path, config: CaptionerConfig) -> CaptionerConfig:
    """Give a recipe of version 0.1 the threshold that was measured later."""
    weights = read_manifest(folder)["files"][WEIGHTS]
    if config.unsure or weights not in MEASURED_LATER:
        return config
    return config.model_copy(update={"unsure": MEASURED_LATER[weights]})


def _check_alike(folders: Sequence[Path], read: Sequence[_Texts]) -> None:
    """Refuse bundles that cannot vote together."""
    config, vocabulary, *_ = read[0]
    for other, (encoder, words, *_) in zip(folders, read, strict=True):
        if words.words != vocabulary.words:
            raise AppError(
                f"{other} does not have the words of {folders[0]}: "
                f"{len(words)} and {len(vocabulary)} of them. Models can vote only if "
                "they were trained with one vocabulary."
            )
        sees = [(c.encoder.image_size, c.encoder.resize) for c in (config, encoder)]
        if sees[0] != sees[1]:
            raise AppError(
                f"{other} sees photos at {sees[1][0]} px ({sees[1][1]}), {folders[0]} "
                f"at {sees[0][0]} px ({sees[0][1]}). Models can vote only if they see "
                "the same."
            )


def _load_litert(
    folders: Sequence[Path], read: Sequence[_Texts], graphs: Sequence[Sequence[str]]
) -> Runtime:
    runtime = LiteRTRuntime(folders, max(1, usable_processors() - 1), graphs)
    runtime.check(
        [texts.config for texts in read],
        len(read[0].vocabulary),
        [len(texts.concepts) for texts in read],
    )
    return runtime


def _load_keras(
    folders: Sequence[Path], read: Sequence[_Texts], batch_size: int
) -> Runtime:
    with importing_keras():
        from captioner.net.runtime_keras import KerasRuntime, load_net
    models = [
        load_net(folder, texts.config, texts.vocabulary)
        for folder, texts in zip(folders, read, strict=True)
    ]
    return KerasRuntime(models, batch_size, fused=FUSED)
