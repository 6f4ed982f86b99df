"""Bundles of a small model with batch statistics, and all that can befall them."""

import ast
import hashlib
import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

from captioner.config import CaptionerConfig, DecoderConfig, EncoderConfig, StageConfig
from captioner.model import build_captioner
from captioner.predict import load_bundle
from shared import bundles, encoders
from shared.bundles import check_bundle, load_weights, read_text, write_bundle
from shared.config import format_config
from shared.errors import AppError
from shared.text import SPECIAL_WORDS, Vocabulary

TEXTS = {"config": "units = 3\n", "vocabulary": "<pad>\nein Wort\n", "card": "# Ü\n"}
FILES = {
    "config.toml",
    "vocabulary.txt",
    "model.weights.h5",
    "card.md",
    "manifest.json",
}


def build(units=40, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            layers.Dense(units, name="low"),
            layers.BatchNormalization(),
            layers.Dense(20, name="high"),
        ]
    )
    for weight in model.weights:
        values = np.random.default_rng(seed).uniform(0.1, 1, weight.shape)
        weight.assign(values)
    return model


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


def renew_manifest(folder):
    """Make the manifest say of the files what they are now."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "manifest.json"
    }
    edit_manifest(folder, files=files)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_bundle_holds_its_files_and_nothing_else(bundle):
    check_bundle(bundle, "captioner")
    assert {path.name for path in bundle.iterdir()} == FILES
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]
    assert read_text(bundle, "config.toml") == TEXTS["config"]
    assert read_text(bundle, "vocabulary.txt") == TEXTS["vocabulary"]
    assert read_text(bundle, "card.md") == TEXTS["card"]
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["task"] == "captioner"
    assert set(manifest["files"]) == FILES - {"manifest.json"}


def test_a_model_computes_the_same_after_a_round_trip(bundle):
    read = build(seed=1)
    load_weights(bundle, read)
    for weight, same in zip(read.weights, build().weights, strict=True):
        np.testing.assert_allclose(weight, same, rtol=2**-11)
        assert weight.dtype == "float32"
    x = np.random.default_rng(0).normal(size=(4, 30)).astype(np.float32)
    np.testing.assert_allclose(read(x), build()(x), rtol=1e-2, atol=1e-2)


def test_only_weights_that_fit_are_halved(tmp_path):
    model = build()
    large, nan, small = model.layers[0].bias, model.layers[2].bias, 1.5
    large.assign(np.full(40, 1e6))
    nan.assign(np.full(20, np.nan))
    model.layers[0].kernel.assign(np.full((30, 40), small))
    write(tmp_path / "bundle", model)
    with h5py.File(tmp_path / "bundle" / "model.weights.h5") as file:
        found = []
        file.visititems(
            lambda _, item: found.append(getattr(item, "dtype", None)) or None
        )
    assert (
        sorted(dtype.name for dtype in found if dtype)
        == ["float16"] * 6 + ["float32"] * 2
    )
    read = build(seed=1)
    load_weights(tmp_path / "bundle", read)
    np.testing.assert_array_equal(read.layers[0].bias, np.float32(1e6))
    np.testing.assert_array_equal(read.layers[0].kernel, small)


def test_a_trained_model_leaves_its_optimizer_behind(tmp_path):
    model = build(units=2000)
    model.compile(optimizer="adam", loss="mse")
    model.train_on_batch(np.ones((2, 30)), np.ones((2, 20)))
    path = write(tmp_path / "bundle", model) / "model.weights.h5"
    weights = sum(int(np.prod(weight.shape)) for weight in model.weights)
    assert 2 * weights <= path.stat().st_size < 2.2 * weights + 20_000
    with h5py.File(path) as file:
        assert "optimizer" not in file
    load_weights(tmp_path / "bundle", build(units=2000, seed=1))


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
    edit_manifest(bundle, format=2)
    with pytest.raises(AppError, match=r"format 2; .*reads format 1. Update sightread"):
        check_bundle(bundle, "captioner")


def test_another_task_is_refused(bundle):
    with pytest.raises(AppError, match=r"a bundle for 'captioner', not for 'vqa'"):
        check_bundle(bundle, "vqa")


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
    ["../x", "/etc/passwd", "C:\\x", "C:x", "..\\x", "a/b", "..", ".", "\\\\host\\x"],
)
def test_names_that_lead_outside_are_refused(bundle, name):
    (bundle.parent / "x").write_bytes((bundle / "card.md").read_bytes())
    rename_in_manifest(bundle, "card.md", name)
    with pytest.raises(AppError, match="not a plain file name"):
        check_bundle(bundle, "captioner")


@pytest.mark.parametrize("name", ["", "a\0b", "photos"])
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


KERNEL = "layers/dense/vars/0"


def soft_link(file, folder):
    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")


def external_link(file, folder):
    file[KERNEL] = h5py.ExternalLink(str(folder / "other.h5"), KERNEL)


def external_group(file, folder):
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def external_data(file, folder):
    (folder / "secret").write_bytes(bytes(4 * 30 * 40))
    segments = [(str(folder / "secret"), 0, 4 * 30 * 40)]
    file.create_dataset(KERNEL, (30, 40), "f4", external=segments)


def virtual_data(file, folder):
    layout = h5py.VirtualLayout((30, 40), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), KERNEL, (30, 40))
    file.create_virtual_dataset(KERNEL, layout)


def objects(file, folder):
    file[KERNEL] = np.array([b"cos\nsystem"], "S20")


def references(file, folder):
    file.create_dataset(KERNEL, (1,), h5py.ref_dtype)


def a_type(file, folder):
    file[KERNEL] = np.dtype("f4")


def nothing(file, folder):
    file[KERNEL] = h5py.Empty("f4")


def a_bomb(file, folder):
    file.create_dataset(KERNEL, (10**6, 10**6), "f4", compression="gzip")


def a_circle(file, folder):
    file["layers/more"] = file["layers"]


@pytest.mark.parametrize(
    "damage",
    [
        soft_link,
        external_link,
        external_group,
        external_data,
        virtual_data,
        objects,
        references,
        a_type,
        nothing,
        a_bomb,
        a_circle,
    ],
)
def test_weights_are_plain_arrays_and_nothing_else(bundle, damage):
    shutil.copy(bundle / "model.weights.h5", bundle.parent / "other.h5")
    with h5py.File(bundle / "model.weights.h5", "a") as file:
        if damage not in (external_group, a_circle):
            del file[KERNEL]
        damage(file, bundle.parent)
    renew_manifest(bundle)
    check_bundle(bundle, "captioner")
    model = build(seed=1)
    reason = "recursion" if damage is a_circle else "is a link|is not a plain array"
    with pytest.raises(AppError, match=f"do not fit .*({reason})"):
        load_weights(bundle, model)
    for weight, same in zip(model.weights, build(seed=1).weights, strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("content", [b"", b"junk", b"\x89HDF\r\n\x1a\n"])
def test_weights_that_are_not_hdf5_are_refused(bundle, content):
    (bundle / "model.weights.h5").write_bytes(content)
    with pytest.raises(AppError, match=r"weights.h5 do not fit"):
        load_weights(bundle, build())


def test_weights_of_another_model_name_both_sides(bundle):
    numbers = [(30 + 1 + 4) * units + (units + 1) * 20 for units in (40, 41)]
    match = r"config.toml and .*describe: {} numbers for {};".format(*numbers)
    with pytest.raises(AppError, match=match):
        load_weights(bundle, build(units=41))


def test_missing_weights_are_told(bundle):
    with h5py.File(bundle / "model.weights.h5", "a") as file:
        del file["layers/dense_1"]
    with pytest.raises(AppError, match=r"'high' expected 2 variables, but received 0"):
        load_weights(bundle, build())


def tiny(weights, include_top, input_shape):
    image = keras.Input(input_shape)
    return keras.Model(image, layers.Conv2D(4, 16, strides=16)(image), name="tiny")


@pytest.fixture
def captioner_bundle(tmp_path, monkeypatch):
    """A whole captioner's bundle: five words, four units."""
    monkeypatch.setitem(encoders.ENCODERS, "tiny", encoders.Source(tiny, "unit"))
    config = CaptionerConfig(
        encoder=EncoderConfig(name="tiny", weights="none", image_size=32),
        decoder=DecoderConfig(units=4, embed_dim=3, region_units=5, attention_units=2),
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )
    words = Vocabulary([*SPECIAL_WORDS, "dog"])
    words.save(tmp_path / "words")
    model = build_captioner(config, len(words), None)
    text = (tmp_path / "words").read_text()
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
            assert "load_model" not in path.read_text("utf-8")
