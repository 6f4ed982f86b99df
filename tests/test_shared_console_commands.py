"""What a command line gets from `shared.console.commands`, by one made here."""

from pathlib import Path
from typing import Annotated

import pytest
import typer
from conftest import ROOT

from shared.console import options
from shared.console.commands import (
    advise_training,
    check_resume,
    check_source,
    new_app,
    read_start,
    run_app,
    run_training,
)
from shared.errors import AppError


@pytest.fixture
def run(capsys):
    """Run the command `demo` with words; return its status, output and errors."""
    app = new_app("demo", "Try things.")

    @app.command()
    def fail(kind: str) -> None:
        """Fail in some way."""
        raise {
            "app": AppError("no model"),
            "disk": OSError(28, "No space left", "a.csv"),
            "memory": MemoryError(),
            "stop": KeyboardInterrupt(),
            "quiet": typer.Exit(1),
        }[kind]

    @app.command()
    def check(resume: bool = False, overwrite: bool = False, out: bool = True) -> None:
        """Check options."""
        check_resume(resume, overwrite, out)
        print("fine")

    def run(*words):
        status = run_app(app, list(words), "Buy some.")
        return status, *capsys.readouterr()

    return run


def test_errors_are_a_line_and_status_1(run):
    assert run("fail", "app") == (1, "", "error: no model\n")
    assert run("fail", "disk") == (1, "", "error: a.csv: No space left.\n")
    assert run("fail", "memory") == (1, "", "error: the memory is full. Buy some.\n")
    assert run("fail", "quiet") == (1, "", "")
    assert run("fail", "stop")[0] == 130


def test_debugging_shows_the_traceback(run, monkeypatch):
    monkeypatch.setenv("SIGHTREAD_DEBUG", "1")
    with pytest.raises(AppError):
        run("fail", "app")


def test_the_version_and_help_are_status_0(run):
    status, out, _ = run("--version")
    assert (status, out.split()[0]) == (0, "demo")
    status, out, _ = run("--help")
    assert status == 0
    assert "Try things." in out
    assert "Fail in some way." in out


def test_what_is_not_understood_is_status_2(run):
    for words in (["nonsense"], ["fail"], ["check", "--what"], []):
        status, out, err = run(*words)
        assert (status, out) == (2, "")
        assert err.startswith("Usage: demo")


def test_resume_needs_an_output_and_replaces_nothing(run):
    assert run("check")[:2] == run("check", "--resume")[:2] == (0, "fine\n")
    status, _, err = run("check", "--resume", "--overwrite")
    assert (status, "choose one" in err) == (2, True)
    status, _, err = run("check", "--resume", "--no-out")
    assert (status, "needs the --output" in err) == (2, True)


def test_a_data_set_is_checked_or_drawn(tmp_path):
    check_source("photos", None)
    check_source(None, tmp_path)
    for source, draw in ((None, None), ("photos", tmp_path)):
        with pytest.raises(typer.BadParameter, match="either DIR to check, or --draw"):
            check_source(source, draw)


def test_a_training_starts_from_a_recipe_or_a_model(tmp_path):
    assert read_start("vqa", "vqa-tiny", None) is None
    assert read_start("vqa", None, tmp_path) == tmp_path
    included = read_start("vqa", None, Path("included"))
    assert included == ROOT / "vqa" / "bundle"
    with pytest.raises(typer.BadParameter, match=r"a file, .*vqa-tiny.*\), or --from"):
        read_start("vqa", None, None)


def test_a_training_is_shown_and_its_model_printed(tmp_path, capsys):
    def train(config, data, out, *, announce, tick, seed):
        announce(f"{config} on {data}, seed {seed}")
        tick("words", 0, 1, 2, 0.5)
        return out / "my bundle"

    run_training("vqa", "answer", train, "tiny", ["d", "e"], tmp_path, seed=3)
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/my bundle\n"
    assert err.splitlines() == [
        "tiny on ['d', 'e'], seed 3",
        "words, epoch 1, step 1/2, loss 0.500",
        "To answer faster, and without TensorFlow: "
        f"vqa export '{tmp_path}/my bundle' --format litert --data d",
    ]


def test_another_command_trains_with_a_dozen_lines(capsys):
    app = new_app("vqa", "Try things.")

    @app.command()
    def train(
        data: Annotated[list[str], options.data("Texts.")],
        out: options.Out,
        config: options.Config = None,
        texts: options.Texts = None,
        from_bundle: options.FromBundle = None,
    ) -> None:
        start = read_start("vqa", config, from_bundle)
        run_training("vqa", "write", fit, config, data, out, texts=texts, start=start)

    @app.command()
    def other() -> None:
        pass

    def fit(config, data, out, *, announce, tick, texts, start):
        announce(f"{config}, {data}, {texts}, {start}")
        return out / "bundle"

    words = ["train", "--data", "a", "--data", "b", "--out", "r"]
    more = ["--config", "tiny", "--texts", "c", "--from", "m"]
    assert run_app(app, words + more, "") == 0
    out, err = capsys.readouterr()
    assert out == "r/bundle\n"
    assert err.startswith("tiny, ['a', 'b'], ['c'], m\nTo write faster")
    assert run_app(app, words, "") == 2


def test_advice_can_be_copied_into_a_shell(tmp_path, capsys):
    advise_training("vqa", tmp_path / "my shapes")
    assert capsys.readouterr().err == (
        "Train on them: vqa train --config vqa-tiny "
        f"--data '{tmp_path}/my shapes' --out runs/shapes\n"
    )
