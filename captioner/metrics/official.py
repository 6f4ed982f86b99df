"""The COCO evaluation through pycocoevalcap, whose tokeniser and METEOR need Java.

It runs in a process of its own: the package prints, and waits for ever when one
of its Java programs does not answer. Run as a module, this file is that process.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from typing import Any

from shared.errors import AppError

START_SECONDS = 180.0  # the tokeniser and METEOR load in 10 s on two slow cores
SECONDS_PER_IMAGE = 0.1


def score_officially(
    captions: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> tuple[dict[str, float], list[list[str]], list[list[list[str]]]]:
    """Tokenise and score captions as the COCO evaluation does, without SPICE.

    Args:
        captions: image name -> sentence, for at least the images of `references`.
        references: image name -> sentences.

    Returns:
        scores: BLEU-1 to BLEU-4, ROUGE-L and METEOR from 0 to 1, CIDEr-D to 10.
        hypotheses: the words of the captions, in the order of `references`.
        references: the words of those, in this order, too.

    Raises:
        AppError: if the package or Java is missing, or if they fail or hang.
    """
    _check_installed()
    images = [(captions[name], list(texts)) for name, texts in references.items()]
    limit = START_SECONDS + SECONDS_PER_IMAGE * len(images)
    process = subprocess.Popen(
        [sys.executable, "-m", "captioner.metrics.official"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,  # to end its Java programs together with it
    )
    with process:
        try:
            output, messages = process.communicate(json.dumps(images), limit)
        except subprocess.TimeoutExpired:
            raise AppError(
                f"The official scorer gave no answer in {limit:.0f} s, so it was "
                "stopped. METEOR's Java program needs 2 GB of free memory. The "
                "built-in scorer needs no Java and gives the other scores."
            ) from None
        finally:
            if process.returncode is None:
                _stop(process)
    if process.returncode:
        lines = messages.strip().splitlines() or ["no message"]
        raise AppError(
            f"The official scorer failed: {lines[-1]}. Check that `java -version` "
            "works, or use the built-in scorer, which needs no Java."
        )
    answer = json.loads(output)
    return answer["scores"], answer["hypotheses"], answer["references"]


def _check_installed() -> None:
    if find_spec("pycocoevalcap") is None:
        raise AppError(
            "The official scorer needs the package pycocoevalcap, which is not "
            'installed. Install it with `pip install "sightread[official]"`, or use '
            "the built-in scorer."
        )
    java = shutil.which("java")
    works = False
    if java:  # macOS has a /usr/bin/java that only says that there is none
        with suppress(OSError, subprocess.TimeoutExpired):
            asked = subprocess.run([java, "-version"], capture_output=True, timeout=60)
            works = asked.returncode == 0
    if not works:
        raise AppError(
            "The official scorer needs Java, and `java -version` does not work. "
            "Install Java 8 or later, or use the built-in scorer, which needs none."
        )


def _stop(process: subprocess.Popen[str]) -> None:
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _score(images: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    def tokenise(sentences: Sequence[Sequence[str]]) -> dict[int, list[str]]:
        # Its tokeniser works by line, and Unicode has line ends of its own.
        records = {
            index: [{"caption": " ".join(text.split())} for text in texts]
            for index, texts in enumerate(sentences)
        }
        words: dict[int, list[str]] = PTBTokenizer().tokenize(records)
        if [*map(len, words.values())] != [*map(len, sentences)]:
            raise RuntimeError("the tokeniser lost sentences")
        return words

    hypotheses = tokenise([[caption] for caption, _ in images])
    references = tokenise([texts for _, texts in images])
    scores = {
        f"BLEU-{n}": score
        for n, score in enumerate(
            Bleu(4).compute_score(references, hypotheses, verbose=0)[0], start=1
        )
    }
    scores["ROUGE-L"] = Rouge().compute_score(references, hypotheses)[0]
    scores["CIDEr-D"] = Cider().compute_score(references, hypotheses)[0]
    scores["METEOR"] = Meteor().compute_score(references, hypotheses)[0]
    return {
        "scores": {name: float(score) for name, score in scores.items()},
        "hypotheses": [words.split() for (words,) in hypotheses.values()],
        "references": [[*map(str.split, texts)] for texts in references.values()],
    }


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        answer = _score(json.load(sys.stdin))
    print(json.dumps(answer))
