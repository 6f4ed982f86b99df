"""A captioner's decoder that reads captions of photos; only here is one opened."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from keras import ops

from captioner.describing.predict import load_bundle
from captioner.net.model import Captioner
from rnn.cells.inspecting import Subject, of_sentences
from rnn.cells.watching import to_piece, watching
from rnn.cells.word_probes import OF_CAPTIONS, first_sentences
from rnn.net.reader import Piece
from shared.data.captioned import Record, read_dataset
from shared.errors import AppError
from shared.text.vocabulary import BOS, Vocabulary
from shared.vision.images import Resize, read_image

MOST_PHOTOS = 500  # looking at more takes longer than they tell
BATCH = 32  # photos, or captions


def open_captions(
    folder: Path, source: str, most: int, announce: Callable[[str], None]
) -> Subject:
    """Open a captioner, and captions of photos for its decoder to read.

    Args:
        folder: the bundle.
        source: a data set, see `shared.data.captioned.read_dataset`; of one with dev
            photos, those are taken.
        most: words to take.
        announce: told of photos that are left out.

    Raises:
        AppError: if the bundle or the data set cannot be read.
    """
    config, vocabulary, model = load_bundle(folder)
    records = [record for record in read_dataset(source) if any(record.captions)]
    records = [r for r in records if r.split == "dev"] or records
    records = records[:: -(-len(records) // MOST_PHOTOS) or 1]
    photos, sentences, seen = 0, [], []
    size, resize = config.encoder.image_size, config.encoder.resize
    for record, inputs in _look(model, records, size, resize, announce):
        photos += 1
        for caption in filter(None, record.captions):
            words = vocabulary.split(caption)[: config.vocabulary.max_words]
            sentences.append(["", *words])
            seen.append(inputs)
    sentences = first_sentences(sentences, most)
    return of_sentences(
        str(folder),
        f"captions of {photos} photos of {Path(source).name}",
        sentences,
        OF_CAPTIONS,
        config.decoder,
        lambda: _read(model, vocabulary, sentences, seen),
    )


def _look(
    model: Captioner,
    records: Sequence[Record],
    size: int,
    resize: Resize,
    announce: Callable[[str], None],
) -> Iterator[tuple[Record, dict[str, np.ndarray]]]:
    """Give what the model sees of each photo, but of those that cannot be read."""
    for begin in range(0, len(records), BATCH):
        images, found = [], []
        for record in records[begin : begin + BATCH]:
            try:
                images.append(read_image(record.image, size, resize))
                found.append(record)
            except AppError as error:
                announce(f"{error} It is left out.")
        if images:
            features = model.encoder.predict_on_batch(np.stack(images))
            _, said = model.look({"features": ops.convert_to_tensor(features)})
            seen = {"features": features}
            if said is not None:
                seen["said"] = ops.convert_to_numpy(said)
            for row, record in enumerate(found):
                yield record, {name: values[row] for name, values in seen.items()}


def _read(
    model: Captioner,
    vocabulary: Vocabulary,
    sentences: Sequence[Sequence[str]],
    seen: Sequence[dict[str, np.ndarray]],
) -> Iterator[Piece]:
    """Let the decoder read each caption, about its photo."""
    length = max(map(len, sentences), default=0)
    start = 0
    for begin in range(0, len(sentences), BATCH):
        some = sentences[begin : begin + BATCH]
        tokens = np.zeros((len(some), 1, length), np.int32)
        for row, (_, *words) in zip(tokens[:, 0], some, strict=True):
            row[: len(words) + 1] = [BOS, *vocabulary.to_ids(words)]
        inputs = {
            name: np.stack([photo[name] for photo in seen[begin : begin + BATCH]])
            for name in seen[begin]
        }
        with watching(model.decoder.cells) as steps:
            logits, _ = model({**inputs, "tokens": tokens})
        # Without attention, the photo is read as a first word.
        read = [cell[-length:] for cell in steps]
        log_probs = ops.convert_to_numpy(ops.log_softmax(logits[:, 0]))
        for row, sentence in enumerate(some):
            count = len(sentence)
            said = log_probs[row, np.arange(count - 1), tokens[row, 0, 1:count]]
            told = np.append(np.float32(np.nan), said)  # the mark is given
            yield to_piece(read, (row, 0), start, told)
            start += count
