"""Bundles of a small model with batch statistics, and all that can befall them."""

import ast
import hashlib
import json
import os
import shutil
import socket
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import dense_model
from keras import layers, ops

from captioner.config import CaptionerConfig, DecoderConfig, StageConfig
from captioner.describing.predict import load_bundle
from captioner.net.model import build_captioner
from shared.bundles import folder as bundles
from shared.bundles import manifests
from shared.bundles.folder import (
    add_part,
    check_bundle,
    has_part,
    read_card,
    write_bundle,
)
from shared.bundles.manifests import read_text
from shared.bundles.weights import load_weights
from shared.config import format_config
from shared.errors import AppError
from shared.runs.recipes import EncoderConfig
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from shared.vision import names

TEXTS = {"config": "units = 3\n", "vocabulary": "<pad>\nein Wort\n", "card": "# Ü\n"}
FILES = {
    "config.toml",
    "vocabulary.txt",
    "model.weights.h5",
    "card.md",
    "manifest.json",
}


def build(units=40, seed=0):
    return dense_model(30, units, seed)


def write(folder, model=None, **changes):
    options = {"task": "captioner", **TEXTS, **changes}
    write_bundle(folder, model=model or build(), **options)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("bundles") / "bundle")


@pytest.fixture
def bundle(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rename_in_manifest(folder, old, new):
    files = json.loads((folder / "manifest.json").read_text())["files"]
    files[new] = files[old]
    edit_manifest(folder, files=files)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def renew_manifest(folder):
    """Make the manifest say of the files what they are now."""
    files = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in contents(folder).items()
        if name != "manifest.json"
    }
    edit_manifest(folder, files=files)


def test_a_bundle_holds_its_files_and_nothing_else(bundle):
    check_bundle(bundle, "captioner")
    assert {path.name for path in bundle.iterdir()} == FILES
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]
    assert read_text(bundle, "config.toml") == TEXTS["config"]
    assert read_text(bundle, "vocabulary.txt") == TEXTS["vocabulary"]
    assert read_text(bundle, "card.md") == TEXTS["card"]
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["format"] == 2  # older programs read it, too
    assert manifest["task"] == "captioner"
    assert set(manifest["files"]) == FILES - {"manifest.json"}


def test_an_existing_bundle_is_replaced(bundle):
    write(bundle, build(units=50), card="another")
    check_bundle(bundle, "captioner")
    assert read_text(bundle, "card.md") == "another"
    load_weights(bundle, build(units=50))
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_an_empty_folder_and_missing_parents_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "a" / "b" / "bundle"):
        check_bundle(write(folder), "captioner")


@pytest.mark.parametrize("extra", ["thesis.tex", "manifest.json", "bundle and file"])
def test_what_is_not_a_bundle_is_never_replaced(bundle, extra):
    folder = bundle
    if extra != "bundle and file":  # many programs have a manifest.json
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / extra).write_text("{}")
    (folder / "photos").mkdir()
    before = {path.name for path in folder.iterdir()}
    with pytest.raises(AppError, match=r"holds something that is not a bundle"):
        write(folder)
    assert {path.name for path in folder.iterdir()} == before


def test_a_file_or_link_in_the_place_of_a_bundle_is_kept(bundle, tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(bundle)
    for path in (file, link):
        with pytest.raises(AppError, match=r"not a bundle. Choose another folder"):
            write(path)
    assert file.read_text() == "mine"
    check_bundle(link, "captioner")


def test_a_disk_too_small_keeps_the_old_bundle(bundle, monkeypatch):
    before, model = contents(bundle), build(units=50)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 1)
    )
    monkeypatch.setattr(model, "save_weights", None)  # not even tried
    with pytest.raises(AppError, match=r"cannot be written: .*1 MB are needed.*Free"):
        write(bundle, model)
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_a_disk_that_fills_up_keeps_the_old_bundle(bundle, monkeypatch):
    def save_weights(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    before, model = contents(bundle), build(units=50)
    monkeypatch.setattr(model, "save_weights", save_weights)
    with pytest.raises(AppError, match=r"cannot be written: .*No space left.*Free"):
        write(bundle, model)
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failure_while_it_is_replaced_keeps_the_old_bundle(
    bundle, monkeypatch, failing
):
    before, calls, rename = contents(bundle), [], Path.rename

    def fail_once(path, target):
        calls.append(path)
        if len(calls) == failing:
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(AppError, match=r"cannot be written: .*Permission denied"):
        write(bundle, build(units=50))
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_leftovers_of_a_kill_do_no_harm(bundle):
    for end in (".part", ".old"):
        shutil.copytree(bundle, bundle.with_name(bundle.name + end))
    write(bundle, card="new")
    assert read_text(bundle, "card.md") == "new"
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("folder", ["missing", "file", "empty"])
def test_a_missing_bundle_says_how_to_get_one(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(AppError, match=r"No trained model in .*captioner train"):
        check_bundle(tmp_path / folder, "captioner")


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_missing_file_is_named(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(AppError, match=rf"{name} is missing, or not a file"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_a_flipped_byte_is_found(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(AppError, match=rf"{name} was changed or damaged.*SHA-256"):
        check_bundle(bundle, "captioner")


def test_a_cut_file_is_found(bundle):
    path = bundle / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AppError, match="changed or damaged"):
        check_bundle(bundle, "captioner")


def test_another_format_says_to_update(bundle):
    edit_manifest(bundle, format=4)
    match = r"format 4; .*reads formats 1 to 3. Update sightread"
    with pytest.raises(AppError, match=match):
        check_bundle(bundle, "captioner")


def test_another_task_is_refused(bundle):
    with pytest.raises(AppError, match=r"a bundle for 'captioner', not for 'vqa'"):
        check_bundle(bundle, "vqa")


def test_any_task_will_do_where_none_is_named(bundle):
    check_bundle(bundle, None)
    edit_manifest(bundle, task="vqa")
    check_bundle(bundle, None)
    with pytest.raises(AppError, match=r"a bundle for 'vqa', not for 'captioner'"):
        check_bundle(bundle, "captioner")


MORE = {"answers.txt": "yes\nnö\n", "empty.txt": ""}


def test_more_files_are_part_of_a_bundle(bundle):
    write(bundle, task="vqa", more=MORE)
    check_bundle(bundle, "vqa", [*MORE])
    assert contents(bundle).keys() == FILES | MORE.keys()
    for name, text in MORE.items():
        assert read_text(bundle, name) == text
    add_part(bundle, "litert", PART, SECTION)
    check_bundle(bundle, "vqa")
    assert {name: read_text(bundle, name) for name in MORE} == MORE


def test_more_files_go_with_the_bundle_that_had_them(bundle):
    write(bundle, more=MORE)
    write(bundle)
    check_bundle(bundle, "captioner")
    assert contents(bundle).keys() == FILES
    with pytest.raises(AppError, match=r"comes without answers\.txt"):
        check_bundle(bundle, "captioner", ["answers.txt"])


def test_more_files_are_looked_at(bundle):
    write(bundle, more=MORE)
    (bundle / "answers.txt").write_text("no\nyes\n")
    with pytest.raises(AppError, match=r"answers\.txt was changed or damaged"):
        check_bundle(bundle, "captioner")
    (bundle / "answers.txt").unlink()
    with pytest.raises(AppError, match=r"answers\.txt is missing, or not a file"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("text", ["", "{", "\ufeff{}", "[" * 200_000, b"\xff\xfe"])
def test_a_manifest_that_is_not_json_is_refused(bundle, text):
    content = text if isinstance(text, bytes) else text.encode()
    (bundle / "manifest.json").write_bytes(content)
    with pytest.raises(AppError, match=r"manifest.json cannot be read"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("text", ["[]", "null", '"text"', "1"])
def test_a_manifest_of_another_kind_is_refused(bundle, text):
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(AppError, match="is not a manifest"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("files", [None, [], {}, {"config.toml": ""}, "model.weights"])
def test_a_manifest_must_name_the_files(bundle, files):
    edit_manifest(bundle, files=files)
    with pytest.raises(AppError, match="does not name the files of a bundle"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("digest", [None, 3, [], "", {"sha256": "0"}])
def test_a_digest_of_another_kind_fits_nothing(bundle, digest):
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    edit_manifest(bundle, files=files | {"card.md": digest})
    with pytest.raises(AppError, match=r"card.md was changed"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize(
    "name",
    [
        *["", ".", "..", "/", "../x", "a/../../x", "a/..", "/etc/passwd", "//host/x"],
        *["a//x", "a/", "./x", "C:", "C:x", "C:\\x", "C:/x", "..\\x", "\\\\host\\x"],
        *[".. /x", "a/... /x", "x.", "x:stream"],  # as Windows reads them
        "x" * 201,
    ],
)
def test_names_that_lead_outside_are_refused(bundle, name):
    (bundle.parent / "x").write_bytes((bundle / "card.md").read_bytes())
    rename_in_manifest(bundle, "card.md", name)
    with pytest.raises(AppError, match="not a plain file name"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("name", ["a\0b", "photos", "photos/x", "card.md/x"])
def test_names_of_no_file_are_refused(bundle, name):
    (bundle / "photos").mkdir()
    rename_in_manifest(bundle, "card.md", name)
    with pytest.raises(AppError, match="missing, or not a file"):
        check_bundle(bundle, "captioner")


def test_symbolic_links_are_refused(bundle):
    outside = bundle.parent / "card.md"
    (bundle / "card.md").rename(outside)
    (bundle / "card.md").symlink_to(outside)
    with pytest.raises(AppError, match=r"card.md is missing, or not a file"):
        check_bundle(bundle, "captioner")


def test_text_that_is_not_utf8_is_refused(bundle):
    (bundle / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AppError, match=r"config.toml cannot be read"):
        read_text(bundle, "config.toml")


def test_the_card_is_read_as_the_manifest_says(bundle):
    assert read_card(bundle) == TEXTS["card"]
    (bundle / "card.md").write_text("# Another\n")
    with pytest.raises(AppError, match=r"card\.md was changed or damaged"):
        read_card(bundle)
    (bundle / "card.md").write_bytes(b"# \xff\n")
    renew_manifest(bundle)
    with pytest.raises(AppError, match=r"card\.md cannot be read: .*utf-8"):
        read_card(bundle)
    (bundle / "card.md").unlink()
    renew_manifest(bundle)
    assert read_card(bundle) == ""  # format 1 allows that


def link_to(path):
    def exchange(place):
        place.symlink_to(path)

    return exchange


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
@pytest.mark.parametrize(
    "exchange",
    [
        *map(link_to, ("/etc/hosts", "../secret", "vocabulary.txt", "/dev/zero")),
        *(os.mkfifo, Path.mkdir),
        lambda place: socket.socket(socket.AF_UNIX).bind(str(place)),
    ],
    ids=["outside", "beside", "inside", "device", "pipe", "folder", "socket"],
)
@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_no_plain_file_is_never_opened(
    bundle, monkeypatch, tmp_path, name, exchange
):
    (tmp_path / "secret").write_bytes((bundle / name).read_bytes())
    (bundle / name).unlink()
    monkeypatch.chdir(bundle)  # names of sockets are short
    exchange(Path(name))
    readers = [lambda: check_bundle(bundle, None), lambda: read_text(bundle, name)]
    if name in ("card.md", "manifest.json"):
        readers.append(lambda: read_card(bundle))
    for read in readers:
        with pytest.raises(AppError, match=r"is missing|missing, or not a file"):
            read()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("manifest.json", manifests.MOST_MANIFEST),
        ("card.md", manifests.MOST_TEXT),
        ("config.toml", manifests.MOST_TEXT),
        ("model.weights.h5", manifests.MOST_BYTES),
    ],
)
def test_files_too_large_are_refused_unread(bundle, name, most):
    os.truncate(bundle / name, most + 1)  # zeros that take no room
    with pytest.raises(
        AppError, match=rf"{name} has [\d,]+ bytes, .* {most:,} at most"
    ):
        if name.endswith((".md", ".toml")):
            read_text(bundle, name)
        else:
            check_bundle(bundle, "captioner")


def test_many_large_files_are_refused_unread(bundle):
    for index in range(3):
        (bundle / f"{index}").write_bytes(b"")
    renew_manifest(bundle)
    for index in range(3):
        os.truncate(bundle / f"{index}", manifests.MOST_BYTES)
    with pytest.raises(AppError, match=r"files of .* have [\d,]+ bytes"):
        check_bundle(bundle, "captioner")


PART = {"start.tflite": b"abc", "deep/er/step.tflite": b"", "k\u00e4se": bytes(9)}
SECTION = "## LiteRT\n\nThree graphs."


def test_a_part_is_added_with_checksums_and_a_section(bundle):
    before = contents(bundle)
    assert not has_part(bundle, "litert")
    add_part(bundle, "litert", PART, SECTION + "\n")
    assert has_part(bundle, "litert")
    assert not has_part(bundle, "lite")
    check_bundle(bundle, "captioner")
    after = contents(bundle)
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]
    assert after.keys() - before.keys() == {f"litert/{name}" for name in PART}
    for name, content in PART.items():
        assert after[f"litert/{name}"] == content
    for name in ("config.toml", "vocabulary.txt", "model.weights.h5"):
        assert after[name] == before[name]
    assert read_text(bundle, "card.md") == (
        f"# Ü\n\n<!-- part litert -->\n\n{SECTION}\n\n<!-- end of part litert -->\n"
    )
    manifest = json.loads(after["manifest.json"])
    assert set(manifest["files"]) == after.keys() - {"manifest.json"}
    assert list(manifest["files"]) == sorted(manifest["files"])


def test_a_part_is_replaced_with_its_section_and_others_stay(bundle):
    add_part(bundle, "one", {"a": b"old", "b": b"old"}, "## Of one\n")
    add_part(bundle, "two", {"a": b"two"}, "## Of two\n")
    with (bundle / "card.md").open("a") as file:
        file.write("\nThe end.\n")
    renew_manifest(bundle)
    add_part(bundle, "one", {"c/d": b"new"}, "## Another \\1\n")
    check_bundle(bundle, "captioner")
    parts = {name: content for name, content in contents(bundle).items() if "/" in name}
    assert parts == {"one/c/d": b"new", "two/a": b"two"}
    lines = [line for line in read_text(bundle, "card.md").split("\n") if line]
    assert lines == [
        "# Ü",
        "<!-- part one -->",
        "## Another \\1",
        "<!-- end of part one -->",
        "<!-- part two -->",
        "## Of two",
        "<!-- end of part two -->",
        "The end.",
    ]


def test_a_damaged_or_missing_part_can_be_replaced(bundle):
    add_part(bundle, "litert", {"a": b"old", "b": b"old"}, "")
    (bundle / "litert" / "a").write_bytes(b"damaged")
    (bundle / "litert" / "b").unlink()
    with pytest.raises(AppError, match=r"(a was changed|b is missing)"):
        check_bundle(bundle, "captioner")
    add_part(bundle, "litert", {"a": b"new"}, "")
    check_bundle(bundle, "captioner")


def test_a_bundle_of_format_1_takes_a_part(bundle):
    (bundle / "card.md").unlink()  # it may be missing
    renew_manifest(bundle)
    edit_manifest(bundle, format=1)
    check_bundle(bundle, "captioner")
    add_part(bundle, "litert", PART, SECTION)
    check_bundle(bundle, "captioner")
    assert json.loads((bundle / "manifest.json").read_text())["format"] == 2
    assert read_text(bundle, "card.md").startswith("<!-- part litert -->\n\n## LiteRT")


def test_new_weights_drop_the_parts_of_the_old(bundle):
    add_part(bundle, "litert", PART, SECTION)
    write(bundle, build(seed=1))
    check_bundle(bundle, "captioner")
    assert contents(bundle).keys() == FILES
    assert not has_part(bundle, "litert")


def test_only_the_files_asked_for_are_read(bundle):
    add_part(bundle, "litert", PART, SECTION)
    (bundle / "model.weights.h5").unlink()
    (bundle / "litert" / "start.tflite").write_bytes(b"damaged")
    names = ["config.toml", "litert/deep/er/step.tflite"]
    check_bundle(bundle, "captioner", names)
    check_bundle(bundle, "captioner", [])
    for more, match in [
        ("model.weights.h5", "model.weights.h5 is missing"),
        ("litert/start.tflite", "start.tflite was changed or damaged"),
        ("onnx/step", "comes without onnx/step"),
        ("litert", "comes without litert"),
        ("../bundle/card.md", "comes without"),
    ]:
        with pytest.raises(AppError, match=match):
            check_bundle(bundle, "captioner", [*names, more])


def test_parts_cannot_hide_what_is_not_of_the_bundle(bundle):
    add_part(bundle, "litert", PART, SECTION)
    extra = bundle / "litert" / "deep" / "thesis.tex"
    extra.write_text("mine")
    for action in (write, lambda folder: add_part(folder, "other", {"a": b""}, "")):
        with pytest.raises(AppError, match=r"bundle.*(another folder|other things)"):
            action(bundle)
    assert extra.read_text() == "mine"
    extra.unlink()
    (bundle / "litert" / "photos").mkdir()
    with pytest.raises(AppError, match="not a bundle"):
        write(bundle)


def test_links_on_the_way_to_a_part_are_refused(bundle):
    add_part(bundle, "litert", PART, SECTION)
    outside = bundle.parent / "outside"
    (bundle / "litert" / "deep").rename(outside)
    (bundle / "litert" / "deep").symlink_to(outside)
    with pytest.raises(AppError, match=r"step.tflite is missing, or not a file"):
        check_bundle(bundle, "captioner")
    with pytest.raises(AppError, match="not a bundle"):
        write(bundle)
    with pytest.raises(AppError, match="and nothing else"):
        add_part(bundle, "litert", PART, SECTION)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("litert", {}),
        *((name, {"a": b""}) for name in ("", "..", "a/b", "card.md", "C:", "-->")),
        *(("a", {name: b""}) for name in ("", "..", "../x", "/x", "C:x", "a\\b", "b/")),
    ],
)
def test_parts_have_safe_names(bundle, name, files):
    before = contents(bundle)
    with pytest.raises(ValueError, match="must be an identifier"):
        add_part(bundle, name, files, "")
    assert contents(bundle) == before


def test_a_part_needs_a_whole_bundle(bundle, tmp_path):
    with pytest.raises(AppError, match="No trained model in"):
        add_part(tmp_path / "missing", "litert", PART, SECTION)
    with pytest.raises(AppError, match="No trained model in"):
        has_part(tmp_path / "missing", "litert")
    (bundle / "vocabulary.txt").write_text("damaged")
    before = contents(bundle)
    with pytest.raises(AppError, match=r"vocabulary.txt was changed or damaged"):
        add_part(bundle, "litert", PART, SECTION)
    assert contents(bundle) == before


def test_a_part_too_large_for_the_disk_keeps_the_old_bundle(bundle, monkeypatch):
    before = contents(bundle)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 10**6)
    )
    with pytest.raises(AppError, match=r"cannot be written: .*3 MB are needed.*Free"):
        add_part(bundle, "litert", {"a": bytes(2 * 10**6)}, SECTION)
    assert contents(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


STEPS = [
    *[(Path, name) for name in ("rename", "mkdir", "write_bytes", "write_text")],
    *[(shutil, name) for name in ("copy", "rmtree")],
]


def replace(bundle):
    write(bundle, build(seed=1))


def add(bundle):
    add_part(bundle, "litert", PART, SECTION)


def replace_part(bundle):
    add_part(bundle, "older", {"b": b"new"}, "## New")


@pytest.mark.parametrize("change", [replace, add, replace_part])
def test_a_bundle_is_whole_at_every_step(bundle, monkeypatch, tmp_path_factory, change):
    """Whatever a kill leaves is the old bundle or the new one, or its name is told."""
    add_part(bundle, "older", {"a": b"old"}, "## Old")
    place, before, seen = tmp_path_factory.mktemp("seen"), contents(bundle), []
    copy = shutil.copytree

    def watch(owner, name):
        function = getattr(owner, name)

        def watched(*args, **options):
            with monkeypatch.context() as patch:
                for each, original in originals.items():
                    patch.setattr(*each, original)
                seen.append(copy(bundle.parent, place / str(len(seen)) / name))
            return function(*args, **options)

        monkeypatch.setattr(owner, name, watched)

    originals = {step: getattr(*step) for step in STEPS}
    for step in STEPS:
        watch(*step)
    change(bundle)
    monkeypatch.undo()
    after = contents(bundle)
    assert after != before
    assert len(seen) > 8
    told = 0
    for snapshot in seen:
        found = snapshot / "bundle"
        if not found.exists():
            told += 1
            with pytest.raises(
                AppError, match=r"interrupted. Rename .*\.old to bundle"
            ):
                check_bundle(found, "captioner")
            found = snapshot / "bundle.old"
        check_bundle(found, "captioner")
        assert contents(found) in (before, after)
        if found.name == "bundle":  # the next one is not disturbed
            change(found)
            assert contents(found).keys() == after.keys()
            assert [path.name for path in snapshot.iterdir()] == ["bundle"]
    assert told == 1


@pytest.mark.parametrize("change", [replace, add, replace_part])
@pytest.mark.parametrize("step", STEPS)
def test_a_failure_at_any_step_keeps_the_old_bundle(bundle, monkeypatch, step, change):
    add_part(bundle, "older", {"a": b"old"}, "## Old")
    before, function = contents(bundle), getattr(*step)
    for failing in range(99):
        calls = []

        def fail_once(*args, failing=failing, calls=calls, **options):
            calls.append(args)
            if len(calls) == failing + 1 and not options.get("ignore_errors"):
                raise OSError(28, "No space left on device")
            return function(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(*step, fail_once)
            try:
                change(bundle)
            except AppError as error:
                assert "cannot be written: [Errno 28]" in str(error)
                assert contents(bundle) == before
            else:
                assert contents(bundle) != before
                break
        assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_a_bundle_can_be_read_with_the_standard_library():
    tree = ast.parse(Path(bundles.__file__).read_text("utf-8"))
    tree.body += ast.parse(Path(manifests.__file__).read_text("utf-8")).body
    modules = {
        name.split(".")[0]
        for node in tree.body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules <= sys.stdlib_module_names | {"shared"}


def tiny(weights, include_top, input_shape):
    image = keras.Input(input_shape)
    return keras.Model(image, layers.Conv2D(4, 16, strides=16)(image), name="tiny")


@pytest.fixture
def captioner_bundle(tmp_path, monkeypatch):
    """A whole captioner's bundle: five words, four units."""
    monkeypatch.setitem(names.ENCODERS, "tiny", names.Source(tiny, "unit"))
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tiny", weights="none", image_size=32),
        decoder=DecoderConfig(units=4, embed_dim=3, region_units=5, attention_units=2),
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )
    words = Vocabulary([*SPECIAL_WORDS, "dog"])
    model = build_captioner(config, words, None)
    text = words.to_text()
    folder = tmp_path / "bundle"
    return write(folder, model, config=format_config(config), vocabulary=text), model


def test_a_captioner_gives_the_same_logits_after_a_round_trip(captioner_bundle):
    folder, model = captioner_bundle
    config, vocabulary, read = load_bundle(folder)
    assert config.decoder.units == 4
    assert vocabulary.words[4:] == ("dog",)
    rng = np.random.default_rng(0)
    inputs = {
        "images": rng.integers(0, 256, (2, 32, 32, 3), np.uint8),
        "tokens": np.array([[[2, 4, 4]], [[2, 4, 1]]], np.int32),
    }
    for old, new in zip(model(inputs), read(inputs), strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(old), ops.convert_to_numpy(new), atol=1e-2
        )


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("vocabulary.txt", "dog\n", "dog\ncat\n"),
        ("config.toml", "units = 4", "units = 6"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    captioner_bundle, name, old, new
):
    folder, _ = captioner_bundle
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1))
    with pytest.raises(AppError, match="was changed or damaged"):
        load_bundle(folder)
    renew_manifest(folder)
    with pytest.raises(AppError, match=r"do not fit .*: \d+ numbers for \d+; Layer"):
        load_bundle(folder)


def test_a_vocabulary_or_config_of_another_kind_is_refused(captioner_bundle):
    folder, _ = captioner_bundle
    words = (folder / "vocabulary.txt").read_text()
    (folder / "vocabulary.txt").write_text("dog\n")
    renew_manifest(folder)
    with pytest.raises(AppError, match=r"vocabulary.txt is not a vocabulary"):
        load_bundle(folder)
    (folder / "vocabulary.txt").write_text(words)
    (folder / "config.toml").write_text("answers = 42\n")
    renew_manifest(folder)
    with pytest.raises(AppError, match=r"config.toml is refused:\n.*stages: missing"):
        load_bundle(folder)


def test_nothing_is_ever_unpickled():
    for package in ("shared", "captioner"):
        for path in (Path(bundles.__file__).parents[1] / package).glob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            names = {
                alias.name.split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            } | {
                (node.module or "").split(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
            }
            assert not names & {"pickle", "dill", "joblib", "shelve", "marshal"}, path
            assert "allow_pickle=True" not in path.read_text("utf-8")
            assert "load_model(" not in path.read_text("utf-8")


def test_a_bundle_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    bundle = tmp_path / "bundle"
    texts = {"config": "", "vocabulary": "", "card": ""}
    done, sync = [], os.fsync

    def note(descriptor):
        found = os.fstat(descriptor)
        done.append((found.st_ino, bundle.exists() and bundle.stat().st_ino))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_bundle(bundle, task="vqa", model=dense_model(2, 2), **texts)
    for change in range(2):
        everything = [bundle, *bundle.rglob("*")]
        inodes = {path.stat().st_ino for path in everything}
        there = bundle.stat().st_ino
        before = {inode for inode, placed in done if placed != there}
        after = [inode for inode, placed in done if placed == there]
        assert inodes <= before
        assert after[0] == tmp_path.stat().st_ino
        done.clear()
        if not change:
            add_part(bundle, "litert", {"inner/a.tflite": b"x"}, "## LiteRT")
