"""A trained captioner at work: photos in, ranked sentences out.

A runtime stands behind it: Keras, or LiteRT, which starts at once and needs neither
Keras nor TensorFlow.
"""

import math
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeVar, get_args

import numpy as np

from captioner.concepts import NO_CONCEPTS, Concept, rank
from captioner.confidence import Evidence, judge
from captioner.config import CaptionerConfig, DecodingConfig
from captioner.grounding import Grounding
from captioner.hedging import Hedging
from captioner.runtime_litert import EXPORT, FILES, WHERE, LiteRTRuntime
from captioner.search.choosing import FOUND
from captioner.search.decoding import Sequences
from captioner.search.rules import Rules, make_rules
from shared.bundles import folder as bundles
from shared.bundles import litert
from shared.bundles.manifests import read_manifest, weight_files
from shared.bundles.trial import try_files
from shared.concepts.table import (
    TABLE,
    Seen,
    Table,
    own_words_of,
    read_table,
    words_of,
)
from shared.config import parse_config, revise_config
from shared.console.quiet import importing_keras
from shared.errors import AppError
from shared.processors import usable_processors
from shared.text.vocabulary import BOS, EOS, PAD, UNK, Vocabulary
from shared.vision.images import ImageSource, read_image

if TYPE_CHECKING:
    from captioner.model import Captioner

SHIPPED = Path(__file__).parent / "bundle"
READERS = max(2, usable_processors())
BATCHES_AHEAD = 2
# Bundles of version 0.1 do not hold `unsure`. SHA-256 of the weights -> what it is: of
# those that come with the package, a fifth of Flickr8k's dev photos are below it; their
# captions reach a CIDEr-D of 24, those of all photos 56.
MEASURED_LATER = {
    "4cd558691b8e2790e35d7c832967b04d2c3fec98d00b5040b7f90e3cd698bd35": 0.24,
}

RuntimeName = Literal["keras", "litert"]
T = TypeVar("T")


class Runtime(Protocol):
    """What runs a model. Axes: B images, or the batch size where batches are filled."""

    name: str

    def encode(self, images: np.ndarray) -> list[np.ndarray]:
        """Give the features float32 (B, R, D) of images uint8 (B, H, W, 3)."""

    def look(self, features: list[np.ndarray]) -> Any:
        """Get ready to write about features; what is made is for the other two."""

    def seen(self, looked: Any) -> Seen | None:
        """Give what the photos show, or None of a model without concepts."""

    def where(self, looked: Any) -> np.ndarray | None:
        """Say how surely each region shows each concept, float32 (B, R, C), or None."""

    def search(
        self,
        looked: Any,
        rules: Rules,
        noise: np.ndarray | None = None,
        bias: np.ndarray | None = None,
    ) -> Sequences:
        """Search for captions, as `captioner.search.decoding.search`."""

    def read(self, looked: Any, tokens: Sequence[int], rules: Rules) -> np.ndarray:
        """Tell what follows: log-probabilities float32 (B, len(tokens) + 1, V)."""


class Caption(NamedTuple):
    """A sentence about an image.

    Attributes:
        text: the sentence; a prefix stands in it as it was typed.
        words: its words, as the model read and wrote them.
        log_prob: natural log of the model's probability of these words and of the
            end after them.
        probs: of each word, its probability after the words before it.
        attention: float32 (words, R), for each word how much the model looked at
            each region, row by row of a square grid; uniform without attention.
        evidence: what speaks for it, if the model has concepts.
        right: the probability that it is right about its main thing, of models that
            have learnt to judge that.
        unsure: whether its confidence is so little that it should not be relied on;
            None if that is not known of the model.
        original: what the model wrote, if `text` claims less instead; all but `text`
            and `right` is of the original.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float
    probs: tuple[float, ...]
    attention: np.ndarray
    evidence: Evidence | None = None
    right: float | None = None
    unsure: bool | None = None
    original: "Caption | None" = None

    @property
    def confidence(self) -> float:
        """How sure the model is of it, 0 to 1.

        The probability that it is right about its main thing. Where that is not known,
        the geometric mean of the probabilities of the words and of the end after them.
        """
        return math.exp(self.mean_log_prob) if self.right is None else self.right

    @property
    def mean_log_prob(self) -> float:
        """The mean of `log_prob` over the words and the end after them."""
        return self.log_prob / (len(self.words) + 1)


class Looked(NamedTuple):
    """Photos that the model has looked at.

    Attributes:
        images: uint8 (N, H, W, 3), of the model's size.
        found: what the runtime made of them.
    """

    images: np.ndarray
    found: Any


class Alternative(NamedTuple):
    """A word that may come next.

    Attributes:
        word: the word; empty for the end of the sentence.
        prob: its probability, 0 to 1.
    """

    word: str
    prob: float


def to_captions(
    found: Sequences, vocabulary: Vocabulary, prefix: str = ""
) -> list[list[Caption]]:
    """Write sequences as sentences, best first, those of one image in a list.

    Args:
        prefix: how they start, as it was typed: the model has read its words, of which
            the vocabulary may not know all; it is shown as it is.
    """
    typed = vocabulary.split(prefix)
    tokens, log_probs, word_log_probs, alpha = map(np.asarray, found)
    return [
        [
            _caption(
                vocabulary,
                typed,
                prefix,
                vocabulary.decode(row.tolist())[len(typed) :],
                float(log_probs[image, place]),
                word_log_probs[image, place],
                alpha[image, place],
            )
            for place, row in enumerate(rows)
            if log_probs[image, place] > FOUND
        ]
        for image, rows in enumerate(tokens)
    ]


def _caption(
    vocabulary: Vocabulary,
    typed: Sequence[str],
    prefix: str,
    found: Sequence[str],
    log_prob: float,
    log_probs: np.ndarray,
    alpha: np.ndarray,
) -> Caption:
    words = (*typed, *found)
    probs = np.exp(log_probs[: len(words)]).tolist()
    return Caption(
        vocabulary.join(found, prefix),
        words,
        log_prob,
        tuple(probs),
        alpha[: len(words)],
    )


class PhotoCaptioner:
    """A bundle, loaded and ready.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        runtime: what runs it.
        batch_size: photos at a time.
        concepts: the words of its concept net, if it has one.
        own: those of them that a few examples taught.

    Methods that describe take `changes`: other values for the fields of
    `DecodingConfig`, such as `beam_size=5` or `prefix="a photo of"`, for this call
    alone.

    Raises:
        AppError: also by every method, if what is asked for cannot be.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        vocabulary: Vocabulary,
        runtime: Runtime,
        batch_size: int = 8,
        concepts: Sequence[str] = (),
        own: Sequence[str] = (),
    ):
        self.config = config
        self.vocabulary = vocabulary
        self.runtime = runtime
        self.batch_size = batch_size
        self.concept_words, self.own = tuple(concepts), frozenset(own)
        self.grounding, self.hedging = None, None
        if concepts:
            self.grounding = Grounding(vocabulary.words, concepts, own)
            self.hedging = Hedging(concepts)
        self.request()  # a bundle's own rules may be impossible

    def request(self, **changes: Any) -> tuple[DecodingConfig, Rules]:
        """Check a request before any photo is read.

        Raises:
            AppError: if it is impossible; the message says why.
        """
        decoding = self.config.decoding
        if changes:
            decoding = revise_config(decoding, changes, "The request")
        rules = make_rules(decoding, self.vocabulary)
        own = sorted(self.vocabulary.ids[w] for w in self.own if w in self.vocabulary)
        return decoding, rules._replace(once_ids=tuple(own))

    def caption(self, source: ImageSource, **changes: Any) -> list[Caption]:
        """Describe one photo.

        Args:
            source: as of `shared.vision.images.read_image`.

        Returns:
            beam-size captions or fewer, best first, never none.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        request = self.request(**changes)
        looked = self.look(self.read(source)[None])
        return self.write(looked, *request)[0]

    def caption_images(self, images: np.ndarray, **changes: Any) -> list[list[Caption]]:
        """Describe images of the model's size.

        Args:
            images: uint8 (N, H, W, 3), RGB, N at most the batch size.

        Returns:
            for each image its captions, best first.

        Raises:
            ValueError: if there are more images than that.
        """
        if len(images) > self.batch_size:
            raise ValueError(
                f"`images` must be at most {self.batch_size}, the batch size. "
                f"Received: {len(images)}"
            )
        request = self.request(**changes)
        if not len(images):
            return []
        return self.write(self.look(images), *request)

    def caption_all(
        self, sources: Iterable[Any], **changes: Any
    ) -> Iterator[list[tuple[Any, list[Caption] | AppError]]]:
        """Describe any number of photos, in order.

        Reading photos, looking at them and writing about them overlap, a few
        batches at a time.

        Args:
            sources: as of `shared.vision.images.read_image`; taken as they are needed.

        Yields:
            batch after batch: each source with its captions, best first, or with
            the reason why it cannot be read.
        """
        request = self.request(**changes)
        return self.tell_all(sources, lambda looked: self.write(looked, *request))

    def concepts(self, source: ImageSource, top: int | None = None) -> list[Concept]:
        """Say which words a photo shows, and where.

        Args:
            source: as of `shared.vision.images.read_image`.
            top: concepts to give, at least 1; None is all.

        Returns:
            those that are most surely there first.

        Raises:
            AppError: if it is not a photo that can be read, or the model has no
                concepts.
            ValueError: if `top` is less than 1.
        """
        self.check_concepts()
        looked = self.look(self.read(source)[None])
        return self.see(looked, top, where=True)[0]

    def tell_all(
        self, sources: Iterable[Any], tell: Callable[[Looked], Sequence[T]]
    ) -> Iterator[list[tuple[Any, T | AppError]]]:
        """Tell something of any number of photos, in order.

        Args:
            sources: as of `caption_all`.
            tell: such as `see`: given photos that were looked at, a result for each.

        Yields:
            batch after batch: each source with its result, or with the reason why it
            cannot be read.
        """
        readers, looker = ThreadPoolExecutor(READERS), ThreadPoolExecutor(1)
        queue: deque[tuple[list[Any], Future]] = deque()
        try:
            left = iter(sources)
            while True:
                while len(queue) <= BATCHES_AHEAD and (
                    group := list(islice(left, self.batch_size))
                ):
                    read = [readers.submit(self._try_read, source) for source in group]
                    queue.append((group, looker.submit(self._look, read)))
                if not queue:
                    return
                group, future = queue.popleft()
                results, looked = future.result()
                told = iter(tell(looked) if looked else ())
                yield [
                    (source, next(told) if result is None else result)
                    for source, result in zip(group, results, strict=True)
                ]
        finally:  # whoever stops early does not wait for what was read ahead
            looker.shutdown(wait=False, cancel_futures=True)
            readers.shutdown(wait=False, cancel_futures=True)

    def read(self, source: ImageSource) -> np.ndarray:
        """Read a photo as the model sees it: uint8 (H, W, 3), RGB.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        encoder = self.config.encoder
        return read_image(source, encoder.image_size, encoder.resize)

    def look(
        self, images: np.ndarray, features: list[np.ndarray] | None = None
    ) -> Looked:
        """Look at photos once, to write about them more than once.

        Args:
            images: uint8 (N, H, W, 3), of `read`; N at most the batch size.
            features: float32 (N, R, D) for each model, if they are known: what
                `runtime.encode` gives for these images.
        """
        found = self.runtime.look(features or self.runtime.encode(images))
        return Looked(images, found)

    def write(
        self, looked: Looked, decoding: DecodingConfig, rules: Rules
    ) -> list[list[Caption]]:
        """Describe photos that were looked at.

        Args:
            looked: of `look`.
            decoding, rules: of `request`.

        Returns:
            for each photo its captions, best first.
        """
        images, found = looked
        noise = _draw(images, decoding.seed, rules) if rules.sampling else None
        bias, seen = None, self.runtime.seen(found) if self.grounding else None
        if self.grounding and seen is not None:
            wanted = {word for words in rules.must_ids for word in words}
            bias = self.grounding.bias(seen, decoding, wanted)
        sequences = self.runtime.search(found, rules, noise, bias)
        captions = to_captions(sequences, self.vocabulary, decoding.prefix)
        captions = captions[: len(images)]
        if not all(captions):
            raise AppError(
                "The model gives no sentence, as its numbers are not finite. Get its "
                "bundle again, or train it again."
            )
        judged = [
            [self._judge(caption, seen, photo) for caption in found]
            for photo, found in enumerate(captions)
        ]
        free = decoding.method == "beam" and not (decoding.prefix or decoding.must)
        if seen is not None and decoding.hedge and free:
            for photo, found in enumerate(judged):
                found[0] = self._hedge(found[0], seen, photo, decoding.ban)
        return judged

    def see(
        self,
        looked: Looked,
        top: int | None = None,
        least: float = 0.0,
        where: bool = False,
    ) -> list[list[Concept]]:
        """Say which words photos show that were looked at.

        Args:
            looked: of `look`.
            top: concepts to give, at least 1; None is all.
            least: probability of those to give, 0 to 1.
            where: whether to say where they are, too.

        Returns:
            for each photo its concepts, those that are most surely there first; none
            of a model without them.

        Raises:
            ValueError: if `top` is less than 1.
        """
        images, found = looked
        seen = self.runtime.seen(found)
        if seen is None:
            return [[] for _ in images]
        maps = self.runtime.where(found) if where else None
        return [
            rank(
                self.concept_words,
                Seen(seen.said[i], seen.there[i]),
                None if maps is None else maps[i],
                top,
                least,
            )
            for i in range(len(images))
        ]

    def check_concepts(self) -> None:
        """Make sure that the model has concepts.

        Raises:
            AppError: if it has none.
        """
        if not self.concept_words:
            raise AppError(NO_CONCEPTS)

    def alternatives(
        self, source: ImageSource, words_so_far: str = "", count: int = 10
    ) -> list[Alternative]:
        """Give the words that may come next, likeliest first.

        To go on from one of them, `caption` with them as the `prefix`.

        Args:
            source: as of `shared.vision.images.read_image`.
            words_so_far: the sentence up to there.
            count: words to give, at least 1.

        Raises:
            AppError: if it is not a photo that can be read.
            ValueError: if `count` is less than 1.
        """
        if count < 1:
            raise ValueError(f"`count` must be at least 1. Received: count={count}")
        looked = self.look(self.read(source)[None])
        return self.weigh(looked, self.vocabulary.split(words_so_far), count)[-1]

    def weigh(
        self, looked: Looked, words: Sequence[str], count: int = 10
    ) -> list[list[Alternative]]:
        """Give, at each place of a sentence, the words that could stand there.

        Args:
            looked: of `look`.
            words: the sentence, as `split_words` writes it.
            count: words to give at each place, at least 1.

        Returns:
            len(words) + 1 lists, the last for what may come after all of them; in
            each the likeliest after the words before that place, best first.
        """
        _, rules = self.request()
        tokens = [self.vocabulary.ids.get(word, UNK) for word in words]
        probs = np.exp(self.runtime.read(looked.found, tokens, rules)[0])
        probs[:, [PAD, UNK, BOS]] = -1.0
        best = np.argsort(-probs, axis=1, kind="stable")
        return [
            [
                Alternative("" if i == EOS else self.vocabulary.words[i], float(row[i]))
                for i in order[: min(count, len(row) - 3)].tolist()
            ]
            for row, order in zip(probs, best, strict=True)
        ]

    def _judge(self, caption: Caption, seen: Seen | None, photo: int) -> Caption:
        """Say how sure a caption is, given what the photos show and its place."""
        if self.grounding and seen is not None:
            tokens = [self.vocabulary.ids.get(word, UNK) for word in caption.words]
            there, said = np.asarray(seen.there)[photo], np.asarray(seen.said)[photo]
            compared = self.grounding.weigh(tokens, there, said)
            evidence = Evidence(caption.mean_log_prob, *compared)
            weights = self.config.confidence
            right = judge(evidence, weights) if weights else None
            caption = caption._replace(evidence=evidence, right=right)
        if threshold := self.config.unsure:
            caption = caption._replace(unsure=caption.confidence < threshold)
        return caption

    def _hedge(
        self, caption: Caption, seen: Seen, photo: int, ban: Sequence[str]
    ) -> Caption:
        """Claim less than a caption that is probably wrong, if that is surer.

        How probable it is was not learnt of captions with somebody's own words.
        """
        if self.hedging is None or caption.right is None or not caption.unsure:
            return caption
        if self.own & {*caption.words}:
            return caption
        there, said = np.asarray(seen.there)[photo], np.asarray(seen.said)[photo]
        less = self.hedging.hedge(there, said, ban)
        if less is None or less.right <= caption.right:
            return caption
        return caption._replace(text=less.text, right=less.right, original=caption)

    def _look(
        self, read: Sequence[Future]
    ) -> tuple[list[AppError | None], Looked | None]:
        """Wait for photos and look at those that can be read."""
        found = [future.result() for future in read]
        good = [image for image in found if isinstance(image, np.ndarray)]
        errors = [None if isinstance(image, np.ndarray) else image for image in found]
        return errors, self.look(np.stack(good)) if good else None

    def _try_read(self, source: ImageSource) -> np.ndarray | AppError:
        try:
            return self.read(source)
        except AppError as error:
            return error


def _draw(images: np.ndarray, seed: int, rules: Rules) -> np.ndarray:
    """Random numbers for sampling that depend on the photo, not on its place."""
    shape = (rules.beam_size, rules.max_words + 1)
    return np.stack(
        [
            np.random.default_rng([seed, zlib.crc32(image.tobytes())]).random(
                shape, np.float32
            )
            for image in images
        ]
    )


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
    if runtime not in (None, *get_args(RuntimeName)):
        raise ValueError(
            f"`runtime` must be one of {get_args(RuntimeName)} or None. Received: "
            f"runtime={runtime!r}"
        )
    if model is None or isinstance(model, (str, Path)):
        model = [model or SHIPPED]
    folders = [Path(folder) for folder in model]
    if not folders:
        raise ValueError("`model` must name at least one bundle. Received: []")
    if runtime is None:
        runtime = "keras" if why_not_litert(folders) else "litert"
    elif runtime == "litert" and (reason := why_not_litert(folders)):
        raise AppError(f"LiteRT cannot run this: {reason}")
    names = [_graphs(folder) if runtime == "litert" else None for folder in folders]
    read = list(map(_read_bundle, folders, names))
    _check_alike(folders, read)
    config, vocabulary, concepts, own = read[0]
    if changes:
        decoding = revise_config(config.decoding, changes, "The request")
        config = config.model_copy(update={"decoding": decoding})
    make_rules(config.decoding, vocabulary)  # refuse before seconds of loading
    loaded = (
        _load_litert(folders, read, WHERE in (names[0] or ()))
        if runtime == "litert"
        else _load_keras(folders, read, batch_size)
    )
    return PhotoCaptioner(config, vocabulary, loaded, batch_size, concepts, own)


def _graphs(folder: Path) -> tuple[str, ...]:
    """Name the files that LiteRT runs; that which tells where may be absent."""
    return (*FILES, *({WHERE} & read_manifest(folder)["files"].keys()))


def why_not_litert(folders: Sequence[Path]) -> str:
    """Say why LiteRT cannot run these bundles; empty if it can."""
    return litert.why_not_litert(folders, EXPORT)


def read_config(folder: Path) -> CaptionerConfig:
    """Read the recipe of a bundle, and nothing else of it.

    Raises:
        AppError: if there is no bundle, or it is damaged.
    """
    return _read_bundle(folder, [bundles.CONFIG]).config


def load_bundle(folder: Path) -> tuple[CaptionerConfig, Vocabulary, "Captioner"]:
    """Load the parts of a captioner's bundle, with the net in Keras.

    Raises:
        AppError: if there is no bundle, it is damaged, or Keras is missing.
    """
    config, vocabulary, *_ = _read_bundle(folder, None)
    with importing_keras():
        from captioner.runtime_keras import load_net
    return config, vocabulary, load_net(folder, config, vocabulary)


class _Texts(NamedTuple):
    """What of a bundle is text; see `PhotoCaptioner` for the concepts."""

    config: CaptionerConfig
    vocabulary: Vocabulary
    concepts: tuple[str, ...]
    own: tuple[str, ...]


def _read_bundle(folder: Path, names: Sequence[str] | None) -> _Texts:
    """Check a bundle, or only the files `names` of it, and read what is text."""
    texts = [bundles.CONFIG, bundles.VOCABULARY]
    found = bundles.check_bundle(
        folder, "captioner", [*texts, *names] if names else None
    )
    text = bundles.read_text(folder, bundles.CONFIG)
    config = parse_config(text, CaptionerConfig, str(folder / bundles.CONFIG))
    weights = read_manifest(folder)["files"][bundles.WEIGHTS]
    if not config.unsure and weights in MEASURED_LATER:
        config = config.model_copy(update={"unsure": MEASURED_LATER[weights]})
    text = bundles.read_text(folder, bundles.VOCABULARY)
    vocabulary = Vocabulary.parse(text, folder / bundles.VOCABULARY)
    table: Table = ()
    if config.concepts:
        bundles.check_bundle(folder, "captioner", [TABLE])
        table = read_table(folder)
    if names is None:
        bundles.check_size(folder, config.decoder.least_weights(len(vocabulary)))
    tried = names or weight_files(folder).values()
    try_files(folder, {name: found[name] for name in tried})
    vocabulary = vocabulary.in_units(config.vocabulary.units)
    return _Texts(config, vocabulary, words_of(table), own_words_of(table))


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
    folders: Sequence[Path], read: Sequence[_Texts], where: bool
) -> Runtime:
    runtime = LiteRTRuntime(folders, max(1, usable_processors() - 1), where)
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
        from captioner.runtime_keras import KerasRuntime, load_net
    models = [
        load_net(folder, texts.config, texts.vocabulary)
        for folder, texts in zip(folders, read, strict=True)
    ]
    return KerasRuntime(models, batch_size, fused=True)
