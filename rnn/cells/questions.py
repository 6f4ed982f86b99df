"""A VQA model's encoder that reads questions; only here is one opened."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rnn.cells.inspecting import Subject, of_sentences
from rnn.cells.watching import to_piece, watching
from rnn.cells.word_probes import OF_QUESTIONS, first_sentences
from rnn.net.reader import Piece
from shared.text.vocabulary import Vocabulary, split_words
from shared.utf8 import read_text
from vqa.answering.predict import load_bundle
from vqa.data import read_dataset
from vqa.net.reader import QuestionReader

BATCH = 256


def open_questions(
    folder: Path, source: str, most: int, announce: Callable[[str], None]
) -> Subject:
    """Open a VQA model, and questions for its (first) answerer to read.

    Args:
        folder: the bundle.
        source: a data set, see `vqa.data.read_dataset`; a .txt has a question a line.
        most: words to take.
        announce: not called.

    Raises:
        AppError: if the bundle or the questions cannot be read.
    """
    config, vocabulary, _, model = load_bundle(folder)
    if source.lower().endswith(".txt"):
        asked = read_text(Path(source), "a question a line").splitlines()
    else:
        asked = [record.question for record in read_dataset(source)]
    longest = config.vocabulary.max_words
    sentences = [words[:longest] for words in map(split_words, asked) if words]
    sentences = first_sentences(sentences, most)
    return of_sentences(
        str(folder),
        f"{len(sentences):,} questions of {Path(source).name}",
        sentences,
        OF_QUESTIONS,
        config.net,
        lambda: _read(model.answerers[0].reader, vocabulary, sentences),
    )


def _read(
    reader: QuestionReader, vocabulary: Vocabulary, sentences: Sequence[Sequence[str]]
) -> Iterator[Piece]:
    """Read each question."""
    length = max(map(len, sentences), default=0)
    start = 0
    for begin in range(0, len(sentences), BATCH):
        some = sentences[begin : begin + BATCH]
        tokens = np.zeros((1, len(some), length), np.int32)
        for row, words in zip(tokens[0], some, strict=True):
            row[: len(words)] = vocabulary.to_ids(words)
        with watching(reader.cells) as steps:
            reader(tokens)
        for row, words in enumerate(some):
            nothing = np.full(len(words), np.nan, np.float32)
            yield to_piece(steps, (0, row), start, nothing)
            start += len(words)
