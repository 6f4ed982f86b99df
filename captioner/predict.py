"""A trained captioner at work: photos in, ranked sentences out."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from captioner.config import CaptionerConfig, DecodingConfig
from captioner.decoding import FOUND, Sequences, beam_search
from captioner.model import Captioner, build_captioner
from shared import bundles
from shared.config import parse_config
from shared.errors import AppError
from shared.images import ImageSource, read_image
from shared.text import BOS, EOS, PAD, UNK, Vocabulary, join_words
from shared.weights import load_weights

SHIPPED = Path(__file__).parent / "bundle"
READERS = 2
BATCHES_AHEAD = 2


class Caption(NamedTuple):
    """A sentence about an image.

    Attributes:
        text: the sentence.
        words: its words, as the model wrote them.
        log_prob: natural log of the model's probability of these words.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float


class Search(keras.Model):
    """A captioner with a search behind it, as one compiled function.

    Args:
        captioner: the trained model; its weights are read at every call.
        decoding: how to search.

    Call arguments:
        inputs: dict of "images" or "features", as of `Captioner`.

    Returns:
        Sequences.
    """

    def __init__(self, captioner: Captioner, decoding: DecodingConfig):
        super().__init__()
        self.captioner = captioner
        self.decoding = decoding

    def call(self, inputs):
        """Search for the captions of a batch."""
        decoder = self.captioner.decoder
        features = self.captioner.features(inputs)
        memory, state = decoder.start(features, self.decoding.beam_size)

        def step(tokens, state):
            hidden, state, _ = decoder.step(decoder.embedding(tokens), state, memory)
            return ops.log_softmax(decoder.predict(hidden)), state

        return beam_search(
            step,
            state,
            bos_id=BOS,
            eos_id=EOS,
            pad_id=PAD,
            banned_ids=(UNK,),
            max_length=self.decoding.max_words + 1,  # eos
            length_penalty=self.decoding.length_penalty,
        )


def to_captions(found: Sequences, vocabulary: Vocabulary) -> list[list[Caption]]:
    """Write sequences as sentences, best first, those of one image in a list."""
    tokens = ops.convert_to_numpy(found.tokens)
    log_probs = ops.convert_to_numpy(found.log_probs)
    return [
        [
            _caption(vocabulary.decode(row.tolist()), float(log_prob))
            for row, log_prob in zip(rows, scores, strict=True)
            if log_prob > FOUND
        ]
        for rows, scores in zip(tokens, log_probs, strict=True)
    ]


def _caption(words: Sequence[str], log_prob: float) -> Caption:
    return Caption(join_words(words), tuple(words), log_prob)


class PhotoCaptioner:
    """A bundle, loaded and ready.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        model: the trained net.
        batch_size: photos at a time; every batch is filled up to it.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        vocabulary: Vocabulary,
        model: Captioner,
        batch_size: int = 16,
    ):
        self.config = config
        self.vocabulary = vocabulary
        self.batch_size = batch_size
        self.search = Search(model, config.decoding)

    def caption(self, source: ImageSource) -> list[Caption]:
        """Describe one photo.

        Args:
            source: as of `shared.images.read_image`.

        Returns:
            beam-size captions or fewer, best first, never none.

        Raises:
            AppError: if it is not a photo that can be read.
        """
        return self.caption_images(self._read(source)[None])[0]

    def caption_images(self, images: np.ndarray) -> list[list[Caption]]:
        """Describe images of the model's size.

        Args:
            images: uint8 (N, H, W, 3), RGB, N at most the batch size.

        Returns:
            for each image its captions, best first.
        """
        batch = np.zeros((self.batch_size, *images.shape[1:]), np.uint8)
        batch[: len(images)] = images
        try:
            found = self.search.predict_on_batch({"images": batch})
        except Exception as error:
            if type(error).__name__ != "ResourceExhaustedError":  # TensorFlow's
                raise
            raise AppError(
                f"The memory is too small for {self.batch_size} photos at once. Give "
                "a smaller --batch-size."
            ) from error
        return to_captions(found, self.vocabulary)[: len(images)]

    def caption_all(
        self, sources: Iterable[Any]
    ) -> Iterator[list[tuple[Any, list[Caption] | AppError]]]:
        """Describe any number of photos, in order, reading ahead in threads.

        Args:
            sources: as of `shared.images.read_image`; taken as they are needed.

        Yields:
            batch after batch: each source with its captions, best first, or with
            the reason why it cannot be read.
        """
        pool = ThreadPoolExecutor(READERS)
        queue: deque[list[tuple[Any, Future]]] = deque()
        try:
            left = iter(sources)
            while True:
                while len(queue) <= BATCHES_AHEAD and (
                    group := list(islice(left, self.batch_size))
                ):
                    queue.append([(s, pool.submit(self._try_read, s)) for s in group])
                if not queue:
                    return
                batch = [(source, image.result()) for source, image in queue.popleft()]
                yield self._caption_batch(batch)
        finally:  # whoever stops early does not wait for what was read ahead
            pool.shutdown(wait=False, cancel_futures=True)

    def _caption_batch(
        self, batch: list[tuple[Any, np.ndarray | AppError]]
    ) -> list[tuple[Any, list[Caption] | AppError]]:
        images = [image for _, image in batch if isinstance(image, np.ndarray)]
        captions = iter(self.caption_images(np.stack(images)) if images else [])
        return [
            (source, next(captions) if isinstance(image, np.ndarray) else image)
            for source, image in batch
        ]

    def _try_read(self, source: ImageSource) -> np.ndarray | AppError:
        try:
            return self._read(source)
        except AppError as error:
            return error

    def _read(self, source: ImageSource) -> np.ndarray:
        encoder = self.config.encoder
        return read_image(source, encoder.image_size, encoder.resize)


def load_captioner(
    model: str | Path | None = None,
    *,
    beam_size: int | None = None,
    batch_size: int = 16,
) -> PhotoCaptioner:
    """Load a bundle.

    Args:
        model: its folder; None is the model that comes with the package.
        beam_size: captions to keep in the search; None is the bundle's own.
        batch_size: photos at a time.

    Raises:
        AppError: if there is no bundle, or it is damaged.
        ValueError: if `beam_size` is less than 1.
    """
    config, vocabulary, net = load_bundle(Path(model) if model else SHIPPED)
    if beam_size is not None:
        if beam_size < 1:
            raise ValueError(f"`beam_size` must be at least 1. Received: {beam_size}")
        decoding = config.decoding.model_copy(update={"beam_size": beam_size})
        config = config.model_copy(update={"decoding": decoding})
    return PhotoCaptioner(config, vocabulary, net, batch_size)


def load_bundle(folder: Path) -> tuple[CaptionerConfig, Vocabulary, Captioner]:
    """Load the parts of a captioner's bundle.

    Raises:
        AppError: if there is no bundle, or it is damaged.
    """
    bundles.check_bundle(folder, "captioner")
    path = folder / bundles.CONFIG
    config = parse_config(
        bundles.read_text(folder, bundles.CONFIG), CaptionerConfig, str(path)
    )
    vocabulary = Vocabulary.load(folder / bundles.VOCABULARY)
    # Half precision is for training; not every processor has it.
    config = config.model_copy(update={"precision": "float32"})
    model = build_captioner(config, len(vocabulary), None)
    load_weights(folder, model)
    return config, vocabulary, model
