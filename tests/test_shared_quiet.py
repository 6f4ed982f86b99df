import os

import pytest

from shared.quiet import is_debugging, muted


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
