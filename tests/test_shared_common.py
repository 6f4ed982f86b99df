"""Bundles with files in common: the same bytes, once in the package."""

import importlib.machinery
import importlib.util
import json
import shutil
import time

import h5py
import numpy as np
import pytest
from conftest import (
    CONCEPTS,
    ROOT,
    VQA_CONCEPTS,
    tiny_config,
    tiny_model,
    tiny_vqa_config,
    tiny_vqa_model,
    write_tiny,
    write_tiny_vqa,
)

from captioner.describing.predict import load_bundle, load_captioner
from shared import included
from shared.bundles import manifests
from shared.bundles.folder import add_part, check_bundle
from shared.bundles.manifests import APART, WEIGHTS, common_path, digest, locate
from shared.bundles.packed import write_group
from shared.concepts.graph import CONCEPTS as GRAPH
from shared.errors import AppError
from shared.included import REINSTALL, included_model
from shared.vision.encoders import Encoder
from vqa.answering.predict import load_bundle as load_vqa
from vqa.answering.predict import load_vqa as load_vqa_model

SIZES = {"units": 6, "slots": 2}
LOADERS = {"captioner": load_bundle, "vqa": load_vqa}
pytestmark = pytest.mark.usefixtures("small_net")


@pytest.fixture(scope="module")
def siblings(tmp_path_factory):
    """Bundles of both tasks with one encoder and one concept net."""
    folder = tmp_path_factory.mktemp("siblings")
    assert CONCEPTS == VQA_CONCEPTS
    from conftest import patches

    from shared.vision import names

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))
        config, vqa_config = (
            tiny_config(concepts=SIZES),
            tiny_vqa_config(concepts=SIZES),
        )
        model, vqa = tiny_model(config), tiny_vqa_model(vqa_config)
    vqa.encoder.set_weights(model.encoder.get_weights())
    vqa.concepts.set_weights(model.concepts.get_weights())
    write_tiny(folder / "captioner", config, model)
    time.sleep(1.1)  # HDF5 counts seconds
    write_tiny_vqa(folder / "vqa", vqa_config, vqa)
    return folder


@pytest.fixture
def packaged(siblings, tmp_path, monkeypatch):
    """The same in a package."""
    monkeypatch.setattr(manifests, "COMMON", tmp_path / "common")
    path = str(ROOT / "scripts" / "include-bundles")
    loader = importlib.machinery.SourceFileLoader("include_bundles", path)
    script = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("include_bundles", loader)
    )
    loader.exec_module(script)
    script.COMMON = manifests.COMMON
    tasks = ("captioner", "vqa")
    script.include({task: siblings / task for task in tasks}, tmp_path)
    return tmp_path


def edit(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def files_of(folder):
    return json.loads((folder / "manifest.json").read_text())["files"]


def test_siblings_have_the_same_bytes(siblings):
    for name in APART.values():
        one, other = (siblings / task / name for task in ("captioner", "vqa"))
        assert one.read_bytes() == other.read_bytes()
    manifest = json.loads((siblings / "vqa" / "manifest.json").read_text())
    assert manifest["format"] == 3  # older programs would not find all weights
    with h5py.File(siblings / "captioner" / WEIGHTS) as file:
        assert not set(APART) & set(file)


@pytest.mark.slow
def test_siblings_export_the_same_concept_net(siblings):
    from captioner.jobs.export import trace_graphs
    from shared.nets.export import write_litert
    from vqa.jobs.export import trace_graphs as trace_vqa

    image = np.zeros((1, 32, 32, 3), np.uint8)
    files = []
    for task, load in LOADERS.items():
        net = load(siblings / task)[-1]
        graphs = trace_graphs(net) if task == "captioner" else trace_vqa(net, 6)
        chosen = {"concepts": graphs["concepts"]}
        files.append(write_litert(chosen, net.weights, image, "float16"))
    assert files[0] == files[1]


def test_what_was_rounded_stays(siblings, tmp_path):
    config, vocabulary, model = load_bundle(siblings / "captioner")
    write_tiny(tmp_path / "again", config, model, vocabulary)
    for name in (WEIGHTS, *APART.values()):
        again = (tmp_path / "again" / name).read_bytes()
        assert again == (siblings / "captioner" / name).read_bytes()


@pytest.mark.parametrize("exponent", range(-9, 3))
def test_numbers_of_any_size_stay_once_rounded(tmp_path, exponent):
    from shared.bundles.packed import unpack_file

    values = np.random.default_rng(0).normal(size=(300, 64)) * 10.0**exponent
    found, full = [], tmp_path / "full.h5"
    with h5py.File(full, "w") as file:
        file["0"] = np.float32(values)
    for name in ("one", "two"):
        with h5py.File(full) as file:
            write_group(tmp_path / name, file)
        found.append((tmp_path / name).read_bytes())
        full.write_bytes(unpack_file(tmp_path / name))
    assert found[0] == found[1]


def test_an_encoder_is_taken_from_a_file_of_its_own(packaged):
    _, _, model = load_bundle(packaged / "captioner" / "bundle")
    for task in ("captioner", "vqa"):
        encoder = Encoder("patches", 32, str(packaged / task / "bundle"))
        for weight, other in zip(encoder.weights, model.encoder.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_common_files_lie_once_and_bundles_are_whole(packaged, siblings):
    bundle = packaged / "captioner" / "bundle"
    names = {common_path(n, files_of(bundle)[n]).name for n in APART.values()}
    assert {path.name for path in manifests.COMMON.iterdir()} == names
    for task, load in LOADERS.items():
        folder = packaged / task / "bundle"
        assert not any((folder / name).exists() for name in APART.values())
        check_bundle(folder, task)
        net, whole = load(folder)[-1], load(siblings / task)[-1]
        for weight, other in zip(net.weights, whole.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_a_part_is_added_to_whole_files(packaged, tmp_path):
    copied = shutil.copytree(packaged / "vqa" / "bundle", tmp_path / "mine")
    add_part(copied, "other", {"a.txt": b"x"}, "## Other")
    assert all((copied / name).exists() for name in APART.values())
    shutil.rmtree(manifests.COMMON)
    check_bundle(copied, "vqa")
    load_vqa(copied)


@pytest.mark.parametrize("name", APART.values())
def test_another_package_lacks_them(packaged, name):
    bundle = packaged / "vqa" / "bundle"
    common_path(name, files_of(bundle)[name]).unlink()
    match = f"{name} is missing, .* or the sightread that it came with"
    with pytest.raises(AppError, match=match):
        load_vqa(bundle)


def test_a_changed_common_file_is_refused(packaged, monkeypatch):
    monkeypatch.setattr(included, "included_model", lambda task: packaged)
    bundle = packaged / "vqa" / "bundle"
    name = APART["concepts"]
    with common_path(name, files_of(bundle)[name]).open("ab") as file:
        file.write(b"x")
    where = f"common/[0-9a-f]+.h5 was changed or damaged.*{REINSTALL}"
    with pytest.raises(AppError, match=where):
        check_bundle(bundle, "vqa")


@pytest.mark.parametrize("task", LOADERS)
@pytest.mark.parametrize("place", [0, 100, -1])
def test_a_damaged_common_graph_is_not_opened(tmp_path, monkeypatch, task, place):
    folder = included_model(task)
    common = shutil.copytree(manifests.COMMON, tmp_path / "common")
    monkeypatch.setattr(manifests, "COMMON", common)
    path = common / f"{files_of(folder)[GRAPH]}.tflite"
    content = bytearray(path.read_bytes())
    content[place] ^= 255
    path.write_bytes(content)
    load = load_captioner if task == "captioner" else load_vqa_model
    with pytest.raises(AppError, match=f"{path.name} was changed or damaged"):
        load(runtime="litert")


@pytest.mark.parametrize("named", ["../secret", "/etc/passwd", "x" * 64, 3, None, []])
def test_a_bundle_names_no_other_file(packaged, named):
    bundle, name = packaged / "vqa" / "bundle", APART["encoder"]
    (packaged / "secret.h5").write_bytes(b"secret")
    edit(bundle, files=files_of(bundle) | {name: named})
    assert locate(bundle, name) == bundle / name
    with pytest.raises(AppError, match=r"is missing"):
        check_bundle(bundle, "vqa")


def test_a_link_in_the_folder_is_not_replaced(packaged):
    bundle, name = packaged / "vqa" / "bundle", APART["encoder"]
    (bundle / name).symlink_to(common_path(name, files_of(bundle)[name]))
    with pytest.raises(AppError, match=r"is missing, or not a file"):
        check_bundle(bundle, "vqa")


def test_weights_that_no_manifest_lists_are_not_read(siblings, tmp_path):
    bundle = shutil.copytree(siblings / "captioner", tmp_path / "bundle")
    files = files_of(bundle)
    del files[APART["concepts"]]
    edit(bundle, files=files)
    with pytest.raises(AppError, match=r"do not fit the model"):
        load_bundle(bundle)


def test_a_group_in_two_files_is_refused(siblings, tmp_path):
    bundle = shutil.copytree(siblings / "captioner", tmp_path / "bundle")
    with h5py.File(bundle / WEIGHTS, "a") as file:
        file.create_group("encoder")
    edit(bundle, files=files_of(bundle) | {WEIGHTS: digest(bundle, WEIGHTS)})
    with pytest.raises(AppError, match=r"do not fit the model"):
        load_bundle(bundle)


def test_one_file_of_an_older_program_is_read(siblings, tmp_path):
    bundle = shutil.copytree(siblings / "captioner", tmp_path / "bundle")
    files = files_of(bundle)
    with h5py.File(bundle / WEIGHTS, "a") as file:
        for part, name in APART.items():
            with h5py.File(bundle / name) as apart:
                apart.copy(apart, file, name=part)
            (bundle / name).unlink()
            del files[name]
    edit(bundle, format=2, files=files | {WEIGHTS: digest(bundle, WEIGHTS)})
    net, whole = (load_bundle(f)[-1] for f in (bundle, siblings / "captioner"))
    for weight, other in zip(net.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
