"""A model with a text to look into it by, whatever kind of model it is."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from rnn.cells.inspecting import Subject
from rnn.cells.probes import OF_CHARACTERS, ask
from rnn.cells.syntax import LanguageName, Writing, guess_language
from rnn.cells.word_probes import OF_CAPTIONS, Sentences
from rnn.net.bundles import find_bundle
from rnn.training.texts import find_files, read_whole
from shared.bundles.manifests import read_manifest
from shared.console.quiet import importing_keras
from shared.errors import AppError
from shared.text.vocabulary import EOS, SPECIAL_WORDS

NAMES = {"prose": "prose", "python": "Python", "c": "C"}
LEAST = 400  # symbols, without which a half tells nothing
STREAMS = 64  # pieces of a text that are read side by side
GUESSED = 100_000  # characters that tell what kind of text it is


def open_subject(
    source: str,
    text: Sequence[str],
    most: int,
    language: LanguageName | None = None,
    announce: Callable[[str], None] = print,
) -> Subject:
    """Open a bundle of any task, and read the text for it.

    Args:
        source: a bundle's folder, or "included".
        text: for a language model, see `rnn.training.texts.read_texts`; for a captioner
            a data set of photos with captions; for a VQA model a data set of questions,
            or a file with a question a line.
        most: symbols to take of it.
        language: of a text by characters; None guesses.
        announce: told what is left out.

    Raises:
        AppError: if there is no bundle, it is damaged, or the text cannot be read or
            is too short.
    """
    folder = find_bundle(source)
    task = read_manifest(folder)["task"]
    if task in ("captioner", "vqa"):
        with importing_keras():
            if task == "vqa":
                from rnn.cells.questions import open_questions as open_other
            else:
                from rnn.cells.captions import open_captions as open_other
        if len(text) > 1:
            raise AppError(
                f"A bundle for {task!r} takes one --text. Received: {len(text)}."
            )
        subject = open_other(folder, text[0], most, announce)
    else:
        subject = _open_text(source, text, most, language, announce)
    if len(subject.shown) < LEAST:
        raise AppError(
            f"{subject.text} is too short: there are {LEAST} {subject.unit}s or more "
            "in a text of which both halves tell something. Give a longer one."
        )
    return subject


def _open_text(
    source: str,
    text: Sequence[str],
    most: int,
    language: LanguageName | None,
    announce: Callable[[str], None],
) -> Subject:
    with importing_keras():
        from rnn.net.reader import load_reader
    reader = load_reader(source)
    paths, whole = find_files(text), read_whole(text, announce)
    symbols, kind = reader.symbols, ""
    if symbols.units == "character":
        shown: Sequence[str] = whole[:most]
        ids = symbols.encode(whole[:most])
        language = language or guess_language(whole[:GUESSED], paths[0].suffix)
        writing = Writing(whole[:most], language)
        marks, kind = ask(OF_CHARACTERS, writing), f", taken for {NAMES[language]}"
        starts = np.flatnonzero(np.append(True, writing.codes[:-1] == ord("\n")))
    else:
        ids = symbols.encode(whole)[:most]
        sentences = Sentences(_by_sentence(symbols.split(whole)[:most]))
        shown, starts = sentences.shown(), np.unique(sentences.starts)
        marks = ask(OF_CAPTIONS, sentences)
    named = paths[0].name if len(paths) == 1 else f"{len(paths)} files"
    return Subject(
        str(source),
        f"{len(ids):,} {symbols.units}s of {named}{kind}",
        symbols.units,
        shown,
        starts,
        marks,
        reader.cell,
        reader.layers,
        reader.units,
        lambda: reader.read(ids, outputs=True, gates=True, streams=STREAMS),
    )


def _by_sentence(words: Sequence[str]) -> Iterator[list[str]]:
    """Part words into sentences; the end of one is the mark that begins the next."""
    sentence: list[str] = []
    for word in words:
        if word == SPECIAL_WORDS[EOS]:
            yield sentence
            sentence = [""]
        else:
            sentence.append(word)
    yield sentence
