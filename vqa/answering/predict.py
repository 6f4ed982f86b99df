"""Load a trained VQA model, as LiteRT graphs or as a net in Keras.

LiteRT starts at once and needs neither Keras nor TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from shared.bundles.folder import check_size
from shared.bundles.litert import is_installed
from shared.bundles.manifests import read_manifest, read_text
from shared.bundles.reading import read_bundle
from shared.bundles.runtimes import RuntimeName, choose_runtime
from shared.concepts.graph import CONCEPTS
from shared.concepts.table import TABLE, read_table, words_of
from shared.console.quiet import importing_keras
from shared.included import included_model
from shared.processors import usable_processors
from shared.text.vocabulary import Vocabulary
from shared.vision.detector import find_things
from vqa.answering.photo_answerer import PhotoAnswerer
from vqa.config import VqaConfig
from vqa.net.runtime import Runtime
from vqa.net.runtime_litert import EXPORT, FILES, LiteRTRuntime
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts
from vqa.text.words import ANSWERS

if TYPE_CHECKING:
    from vqa.net.model import Vqa

SHIPPED = included_model("vqa")


def load_vqa(
    model: str | Path | None = None, *, runtime: RuntimeName | None = None
) -> PhotoAnswerer:
    """Load a bundle.

    Args:
        model: its folder; None is the model that comes with the package.
        runtime: "litert" needs a bundle exported for it, "keras" needs Keras; None is
            LiteRT where that works, else Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or the runtime cannot run it.
        ValueError: if there is no such runtime.
    """
    folder = Path(model or SHIPPED)
    concepts: Concepts | None
    if choose_runtime([folder], runtime, EXPORT) == "keras":
        with importing_keras():
            from vqa.net.runtime_keras import KerasRuntime
        config, vocabulary, space, net = load_bundle(folder)
        concepts = Concepts(net.concepts.words) if net.concepts else None
        loaded: Runtime = KerasRuntime(net)
    else:
        own = [CONCEPTS] if CONCEPTS in read_manifest(folder)["files"] else []
        config, vocabulary, space, concepts = _read_texts(folder, [*FILES, *own])
        loaded = LiteRTRuntime(
            folder,
            max(1, usable_processors() - 1),
            config,
            len(space) if space else 0,
            len(concepts.words) if concepts and own else 0,
        )
    find = find_things if concepts and space and is_installed() else None
    return PhotoAnswerer(config, vocabulary, space, loaded, concepts, find)


def load_bundle(
    folder: Path,
) -> tuple[VqaConfig, Vocabulary, AnswerSpace | None, "Vqa"]:
    """Load the parts of a VQA bundle, with the model in Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or Keras is missing.
    """
    config, vocabulary, space, _ = _read_texts(folder, None)
    with importing_keras():
        from vqa.net.runtime_keras import load_net
    return config, vocabulary, space, load_net(folder, config, vocabulary, space)


def _read_texts(
    folder: Path, graphs: Sequence[str] | None
) -> tuple[VqaConfig, Vocabulary, AnswerSpace | None, Concepts | None]:
    """Check a bundle, or only what LiteRT needs of it, and read what is text."""
    config, vocabulary = read_bundle(folder, "vqa", VqaConfig, graphs, _more_texts)
    space, concepts = None, None
    if config.objective == "answers":
        space = AnswerSpace.parse(read_text(folder, ANSWERS), folder / ANSWERS)
    if config.concepts:
        concepts = Concepts(words_of(read_table(folder)))
    if graphs is None:
        least = config.net.least_weights(len(vocabulary), len(space) if space else 0)
        check_size(folder, least * config.members)
    return config, vocabulary, space, concepts


def _more_texts(config: VqaConfig) -> list[str]:
    answers = [ANSWERS] if config.objective == "answers" else []
    return [*answers, *([TABLE] if config.concepts else [])]
