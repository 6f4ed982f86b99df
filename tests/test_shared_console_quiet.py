import os
import subprocess
import sys
import threading

import pytest

from shared.console.quiet import importing_keras, is_debugging, muted
from shared.errors import AppError


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Threads of other tests may still wait for work."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_standard_error_is_muted_and_comes_back(capfd, monkeypatch):
    monkeypatch.delenv("SIGHTREAD_DEBUG", raising=False)
    with muted():
        os.write(2, b"oneDNN custom operations are on")
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
    with pytest.raises(ZeroDivisionError), muted():
        os.write(2, b"muted")
        _ = 1 / 0
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


def test_no_descriptor_is_left_open():
    before = os.dup(2)
    os.close(before)
    for _ in range(3):
        with muted():
            pass
    after = os.dup(2)
    os.close(after)
    assert after == before


@pytest.mark.parametrize(
    ("value", "shown"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_debugging_shows_everything(value, shown, capfd, monkeypatch):
    monkeypatch.setenv("SIGHTREAD_DEBUG", value)
    assert is_debugging() == shown
    with muted():
        os.write(2, b"oneDNN")
    assert capfd.readouterr().err == "oneDNN" * shown


def test_a_closed_standard_error_is_no_problem(monkeypatch):
    monkeypatch.delenv("SIGHTREAD_DEBUG", raising=False)

    def refuse(_):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", refuse)
    with muted():
        pass


@pytest.mark.parametrize("name", ["keras", "tensorflow", "h5py"])
def test_a_missing_keras_is_told(name):
    match = rf"needs Keras, and {name} is not installed\. .*exported for LiteRT"
    with pytest.raises(AppError, match=match), importing_keras():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("name", ["jax", "torch"])
def test_a_missing_backend_is_told(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    match = rf"is {name}, which is not installed\. .*\(pip install {name}\)"
    with pytest.raises(AppError, match=match), importing_keras():
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("name", ["numpy", "theano"])
def test_a_backend_that_cannot_train_is_refused(name, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", name)
    match = f"KERAS_BACKEND is '{name}', .* set it to one of tensorflow, jax, torch"
    with pytest.raises(AppError, match=match), importing_keras():
        pass


def test_other_modules_that_are_missing_are_not_blamed_on_keras():
    with pytest.raises(ModuleNotFoundError, match="vqa2"), importing_keras():
        raise ModuleNotFoundError("No module named 'vqa2'", name="vqa2")


def test_what_keras_says_when_it_is_imported_is_muted(capfd, monkeypatch):
    monkeypatch.delenv("SIGHTREAD_DEBUG", raising=False)
    with importing_keras():
        os.write(2, b"oneDNN")
    assert capfd.readouterr().err == ""


LATER = """
from shared.console.quiet import muted
with muted():
    import tensorflow as tf
half = tf.ones((64, 64), tf.float16)
print(float(tf.matmul(half, half)[0, 0]))
"""


@pytest.mark.slow
def test_what_tensorflow_remarks_later_is_not_shown(monkeypatch):
    """Of halves, which some processors cannot multiply, it says so as of an error."""
    for name in ("SIGHTREAD_DEBUG", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run(
        [sys.executable, "-c", LATER], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("64.0\n", "")


def run_together(first, second):
    """Let each of two threads wait for the other at the same points."""
    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_blocks_that_overlap_in_two_threads_leave_standard_error_as_it_was(
    capfd, monkeypatch
):
    monkeypatch.delenv("SIGHTREAD_DEBUG", raising=False)
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first():
        with muted():
            first_in.set()
            second_in.wait(10)
        first_out.set()

    def second():
        first_in.wait(10)
        with muted():
            second_in.set()
            first_out.wait(10)
            os.write(2, b"still muted")

    before = os.fstat(2)
    run_together(first, second)
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"


def test_what_other_threads_say_is_heard(capfd, monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv("SIGHTREAD_DEBUG", raising=False)
    inside, said = threading.Event(), threading.Event()

    def loading():
        with muted():
            inside.set()
            said.wait(10)

    def serving():
        inside.wait(10)
        os.write(2, b"a request failed")
        said.set()

    run_together(loading, serving)
    assert capfd.readouterr().err == "a request failed"
