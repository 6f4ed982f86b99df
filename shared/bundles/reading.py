"""Read what of a bundle is text, and try what is not, before a model is made of it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from shared.bundles.folder import check_bundle
from shared.bundles.manifests import CONFIG, VOCABULARY, read_text, weight_files
from shared.bundles.trial import try_files
from shared.config import Config, parse_config
from shared.text.vocabulary import Vocabulary

AnyConfig = TypeVar("AnyConfig", bound=Config)


def read_bundle_config(folder: Path, task: str, kind: type[AnyConfig]) -> AnyConfig:
    """Read the recipe of a bundle, and nothing else of it.

    Args:
        folder: the bundle.
        task: "captioner", "vqa" or "rnn".
        kind: of the recipe.

    Raises:
        AppError: if there is no bundle for this task, or it is damaged.
    """
    check_bundle(folder, task, [CONFIG])
    return parse_config(read_text(folder, CONFIG), kind, str(folder / CONFIG))


def read_bundle(
    folder: Path,
    task: str,
    kind: type[AnyConfig],
    graphs: Sequence[str] | None,
    more: Callable[[AnyConfig], Sequence[str]],
) -> tuple[AnyConfig, Vocabulary]:
    """Check a bundle, and read its recipe and its words.

    Args:
        folder, task, kind: see `read_bundle_config`.
        graphs: the files that LiteRT runs, to be quick: only these and the texts are
            checked; None checks all files, for Keras.
        more: names of the further texts that a model of such a recipe has.

    Raises:
        AppError: if there is no bundle for this task, it is damaged, or what runs it
            would crash.
    """
    config = read_bundle_config(folder, task, kind)
    needed = [VOCABULARY, *more(config), *(graphs or weight_files(folder).values())]
    found = check_bundle(folder, task, needed)
    if graphs is None:
        check_bundle(folder, task)
    text = read_text(folder, VOCABULARY)
    vocabulary = Vocabulary.parse(text, folder / VOCABULARY)
    try_files(folder, found)
    return config, vocabulary
