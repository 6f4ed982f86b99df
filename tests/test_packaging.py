"""What an installation holds, and what it does about others of the same names."""

import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase

import pytest
from conftest import ROOT

import shared.included
from shared.bundles.folder import check_bundle
from shared.bundles.manifests import COMMON, common_path
from shared.config import recipe_names
from shared.errors import AppError
from shared.included import included

OWN = ("captioner", "rnn", "shared", "vqa")
TABLE = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUP = TABLE["tool"]["setuptools"]


@pytest.fixture
def site(tmp_path):
    """A folder with what is installed, by links."""
    site = tmp_path / "site"
    site.mkdir()
    for name in OWN:
        (site / name).mkdir()
        for path in (ROOT / name).iterdir():
            (site / name / path.name).symlink_to(path)
    for name, folder in SETUP["package-dir"].items():
        (site / name.replace(".", "/")).symlink_to(ROOT / folder)
    return site


@pytest.fixture
def strangers(tmp_path):
    """A folder of somebody's, with names that this project has, too."""
    folder = tmp_path / "theirs"
    for name in ("shared/__init__", "configs", "examples/__init__", "app", "vqa"):
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"print('{name} was executed')\n")
    return folder


def start(command, *paths, cwd):
    """Run Python, as `python ...`, where `paths` are looked into first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    program = [sys.executable, *command]
    return subprocess.run(
        program, env=environment, cwd=cwd, capture_output=True, text=True
    )


def test_nothing_but_four_names_is_installed():
    assert {name.partition(".")[0] for name in SETUP["packages"]} == set(OWN)
    assert "py-modules" not in SETUP
    found = {p.parent for name in OWN for p in (ROOT / name).rglob("*.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in found}
    assert packages == set(SETUP["packages"]) - set(SETUP["package-dir"])
    for name in OWN:
        assert (ROOT / name / "py.typed").exists()
        assert "py.typed" in SETUP["package-data"][name]


def test_all_data_beside_the_code_is_installed():
    for name in OWN:
        for path in (ROOT / name).rglob("*"):
            if not path.is_file() or path.suffix in (".py", ".pyc"):
                continue
            package = next(p for p in path.parents if (p / "__init__.py").exists())
            patterns = SETUP["package-data"][".".join(package.relative_to(ROOT).parts)]
            inside = path.relative_to(package).as_posix()
            assert any(fnmatchcase(inside, pattern) for pattern in patterns), path


def test_included_models_are_whole_and_share_files():
    tasks = ("captioner", "rnn", "vqa")
    whole = [check_bundle(ROOT / task / "bundle", task) for task in tasks]
    listed = {common_path(*file) for files in whole for file in files.items()}
    assert set(COMMON.glob("*")) <= listed
    assert "common/*" in SETUP["package-data"]["shared"]


@pytest.mark.slow
@pytest.mark.parametrize("taken", ["shared/__init__.py", "shared.py", "shared/x/a.py"])
@pytest.mark.parametrize("command", ["captioner", "vqa"])
@pytest.mark.parametrize("way", ["script", "-m", "-m cli"])
def test_another_package_named_shared_is_explained(site, tmp_path, taken, command, way):
    theirs = tmp_path / "theirs"
    (theirs / taken).parent.mkdir(parents=True)
    (theirs / taken).write_text("print('executed')")
    script = tmp_path / "bin" / command
    script.parent.mkdir()
    script.write_text(f"from {command}.cli import main\nraise SystemExit(main())\n")
    program = {
        "script": [str(script)],
        "-m": ["-m", command],
        "-m cli": ["-m", f"{command}.cli"],
    }[way]
    ended = start([*program, "--help"], theirs, site, cwd=tmp_path)
    if taken.count("/") == 2:  # a folder without Python in it does not hide a package
        assert (ended.returncode, ended.stderr) == (0, "")
        return
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("error: sightread needs its own package 'shared'")
    assert str(theirs / taken) in ended.stderr


@pytest.mark.slow
def test_a_program_that_imports_it_learns_of_another_shared(site, strangers):
    code = "try: import vqa.answering.predict\nexcept ImportError as e: print(e)"
    (strangers / "vqa.py").unlink()
    ended = start(["-c", code], strangers, site, cwd=strangers)
    assert ended.stderr == ""
    assert ended.stdout.startswith("sightread needs its own package 'shared'")


@pytest.mark.slow
def test_files_of_the_user_are_not_taken_for_ours(site, strangers):
    (strangers / "shared" / "__init__.py").unlink()
    run = [sys.executable, "-m", "captioner"]
    paths = (strangers, site)
    ended = start([*run[1:], "demo", "--port", "0"], *paths, cwd=strangers)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: sightread needs its own package 'vqa'")
    assert str(strangers / "vqa.py") in ended.stderr
    ended = start([*run[1:], "demo", "--help"], *paths, cwd=strangers)
    assert "--max-upload" in ended.stdout
    code = (
        "from shared.config import recipe_names; from shared.included import included;"
        "print(*recipe_names('captioner-'), *sorted(included('examples').iterdir()))"
    )
    found = start(["-c", code], *paths, cwd=strangers).stdout.split()
    photos = [
        site / "shared" / "examples" / p.name for p in (ROOT / "examples").iterdir()
    ]
    assert found == recipe_names("captioner-") + sorted(map(str, photos))


def test_what_comes_along_is_beside_the_package_or_in_it(tmp_path, monkeypatch):
    assert included("configs") == ROOT / "configs"
    monkeypatch.setattr(shared.included, "__file__", str(tmp_path / "shared" / "x.py"))
    with pytest.raises(AppError, match=r"examples, .* is missing"):
        included("examples")
    inside = tmp_path / "shared" / "examples"
    inside.mkdir(parents=True)
    (tmp_path / "examples").mkdir()  # somebody else's, beside an installation
    assert included("examples") == inside


def test_lists_of_requirements_ask_for_no_other_versions_than_the_package():
    extras = TABLE["project"]["optional-dependencies"].values()
    known = {
        *TABLE["project"]["dependencies"],
        *(one for some in extras for one in some),
    }
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            if line.startswith("-r "):
                assert (path.parent / line[3:]).is_file()
            elif not line.startswith(("#", "ai-edge-litert", "numpy")):  # see there
                assert line in known
