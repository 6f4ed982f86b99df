"""Weights of one byte, and files that are not to be trusted."""

import errno
import shutil
import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from conftest import dense_model
from keras import layers

from shared.bundles.manifests import WEIGHTS
from shared.bundles.weights import load_weights, write_weights
from shared.errors import AppError

LARGE, KERNEL = "layers/dense/vars/0", "layers/dense_1/vars/0"
UNITS = 41  # 130 x 41 = 166 blocks of 32, and 18 numbers more


def build(units=UNITS, seed=0):
    return dense_model(130, units, seed)


def round_trip(folder, model):
    read = build(seed=1)
    write_weights(folder, model)
    load_weights(folder, read)
    return read


def stored(folder):
    """Types of the arrays in the file, by name."""
    found = {}
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(
            lambda name, item: found.update({name: getattr(item, "dtype", None)})
        )
    return {name: dtype.name for name, dtype in found.items() if dtype}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    write_weights(folder, build())
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "bundle"))


def test_large_arrays_take_a_byte_and_others_two(original):
    assert [path.name for path in original.iterdir()] == [WEIGHTS]
    found = stored(original)
    assert found.pop(f"{LARGE}/int8") == "int8"
    assert found.pop(f"{LARGE}/scales") == "float16"
    assert list(found.values()) == ["float16"] * 7
    with h5py.File(original / "model.weights.h5") as file:
        assert file[LARGE]["int8"].shape == (130, UNITS)
        assert file[LARGE]["scales"].shape == (167,)


def test_every_weight_is_near_the_one_it_was(original):
    read, model = build(seed=1), build()
    load_weights(original, read)
    flat, same = (np.ravel(m.layers[0].kernel).astype(float) for m in (read, model))
    with h5py.File(original / "model.weights.h5") as file:
        steps, scales = (file[LARGE][name][()] for name in ("int8", "scales"))
    for i in range(167):
        block = slice(32 * i, 32 * (i + 1))
        largest, scale = abs(same[block]).max(), float(scales[i])
        assert largest / 127 <= scale <= largest / 127 * (1 + 2**-10)
        assert abs(flat[block] - same[block]).max() <= scale / 2 * (1 + 1e-6)
        np.testing.assert_array_equal(flat[block], steps.ravel()[block] * scale)
    for weight, other in zip(read.weights[1:], model.weights[1:], strict=True):
        assert weight.dtype == "float32"
        np.testing.assert_array_equal(weight, np.float16(other).astype(np.float32))
    x = np.random.default_rng(0).normal(size=(4, 130)).astype(np.float32)
    np.testing.assert_allclose(read(x), model(x), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("exponent", range(-12, 9))
def test_numbers_of_any_size_are_near(tmp_path, exponent):
    model, rng = build(), np.random.default_rng(0)
    values = rng.normal(size=(130, UNITS)) * 10.0 ** rng.uniform(-3, 0, (130, UNITS))
    values = np.float32(values * 10.0**exponent)
    model.layers[0].kernel.assign(values)
    kernel = np.asarray(round_trip(tmp_path, model).layers[0].kernel)
    pairs = zip(
        *(np.split(a.ravel(), range(32, 5330, 32)) for a in (values, kernel)),
        strict=True,
    )
    for block, same in pairs:
        bound = abs(block).max() / 254 * (1 + 2**-10) + 2.0**-25
        assert abs(block - same).max() <= bound


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (0, "int8"),
        (-1.5, "int8"),
        (1e-9, "int8"),
        (1e6, "int8"),
        (127 * 65504, "int8"),
        (9e6, "float32"),
    ],
)
def test_what_a_scale_cannot_hold_stays_as_it_is(tmp_path, value, dtype):
    model = build()
    kernel = np.asarray(model.layers[0].kernel).copy()
    kernel[3, 4:] = value
    model.layers[0].kernel.assign(kernel)
    read = np.asarray(round_trip(tmp_path, model).layers[0].kernel)
    assert stored(tmp_path)[LARGE if dtype == "float32" else f"{LARGE}/int8"] == dtype
    if dtype == "float32":
        np.testing.assert_array_equal(read, kernel)
    else:
        np.testing.assert_allclose(read[3, 8:32], value, rtol=1e-3, atol=2**-25)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layer", [0, 2])  # a large array, and a small one
def test_weights_that_are_not_finite_are_refused(tmp_path, value, layer):
    model = build()
    kernel = np.asarray(model.layers[layer].kernel).copy()
    kernel[3, 4:] = value
    model.layers[layer].kernel.assign(kernel)
    with pytest.raises(AppError, match=r"do not fit .*vars/0 has .* are not finite"):
        round_trip(tmp_path, model)


def test_a_whole_array_of_zeros_has_scales_of_zero(tmp_path):
    model = build()
    model.layers[0].kernel.assign(np.zeros((130, UNITS)))
    read = round_trip(tmp_path, model)
    np.testing.assert_array_equal(read.layers[0].kernel, 0)
    with h5py.File(tmp_path / "model.weights.h5") as file:
        assert not file[LARGE]["scales"][()].any()


def test_small_weights_that_fit_are_halved_and_others_kept(tmp_path):
    model = build()
    model.layers[0].bias.assign(np.full(UNITS, 1e6))
    model.layers[2].bias.assign(np.full(20, -7e4))
    model.layers[2].kernel.assign(np.full((UNITS, 20), 1.5))
    read = round_trip(tmp_path, model)
    found = stored(tmp_path)
    assert sorted(found.values()) == ["float16"] * 6 + ["float32"] * 2 + ["int8"]
    np.testing.assert_array_equal(read.layers[0].bias, np.float32(1e6))
    np.testing.assert_array_equal(read.layers[2].kernel, 1.5)
    np.testing.assert_array_equal(read.layers[2].bias, np.float32(-7e4))


def test_long_vectors_are_halved(tmp_path):
    model = keras.Sequential([keras.Input((5000,)), layers.Rescaling(1.0)])
    model.add(layers.BatchNormalization())
    write_weights(tmp_path, model)
    assert set(stored(tmp_path).values()) == {"float16"}


def test_rounding_again_changes_nothing(original, tmp_path):
    first, second = build(seed=1), build(seed=2)
    load_weights(original, first)
    write_weights(tmp_path, first)
    load_weights(tmp_path, second)
    for weight, same in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(weight, same)


def test_a_trained_model_leaves_its_optimizer_behind(tmp_path):
    model = build(units=2000)
    model.compile(optimizer="adam", loss="mse")
    model.train_on_batch(np.ones((2, 130)), np.ones((2, 20)))
    write_weights(tmp_path, model)
    path = tmp_path / "model.weights.h5"
    assert model.count_params() < path.stat().st_size
    assert path.stat().st_size < 1.07 * model.count_params() + 30_000
    with h5py.File(path) as file:
        assert "optimizer" not in file
    load_weights(tmp_path, build(units=2000, seed=1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_files_of_whole_numbers_are_read(tmp_path, dtype):
    """As bundles of format 1 have them, and as Keras writes them."""
    model, read = build(), build(seed=1)
    model.save_weights(tmp_path / "model.weights.h5")
    names = stored(tmp_path)
    with h5py.File(tmp_path / "model.weights.h5", "a") as file:
        for name in names:
            values = file[name][()].astype(dtype)
            del file[name]
            file[name] = values
    load_weights(tmp_path, read)
    for weight, other in zip(read.weights, model.weights, strict=True):
        np.testing.assert_array_equal(weight, np.asarray(other).astype(dtype))


def test_integers_do_not_pass_for_weights_in_keras_itself(folder):
    with pytest.raises(ValueError, match="expected Dataset, received"):
        build().load_weights(folder / "model.weights.h5")


def soft_link(file, folder):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")


def external_link(file, folder):
    del file[KERNEL]
    file[KERNEL] = h5py.ExternalLink(str(folder / "other.h5"), KERNEL)


def external_group(file, folder):
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def external_data(file, folder):
    del file[KERNEL]
    (folder / "secret").write_bytes(bytes(4 * UNITS * 20))
    segments = [(str(folder / "secret"), 0, 4 * UNITS * 20)]
    file.create_dataset(KERNEL, (UNITS, 20), "f4", external=segments)


def virtual_data(file, folder):
    del file[KERNEL]
    layout = h5py.VirtualLayout((UNITS, 20), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), KERNEL, (UNITS, 20))
    file.create_virtual_dataset(KERNEL, layout)


def objects(file, folder):
    del file[KERNEL]
    file[KERNEL] = np.array([b"cos\nsystem"], "S20")


def references(file, folder):
    del file[KERNEL]
    file.create_dataset(KERNEL, (1,), h5py.ref_dtype)


def a_type(file, folder):
    del file[KERNEL]
    file[KERNEL] = np.dtype("f4")


def nothing(file, folder):
    del file[KERNEL]
    file[KERNEL] = h5py.Empty("f4")


def a_bomb(file, folder):
    del file[KERNEL]
    file.create_dataset(KERNEL, (10**6, 10**6), "f4", compression="gzip")


def a_circle(file, folder):
    file["layers/more"] = file["layers"]


def a_second_name(file, folder):
    file["layers/more"] = file["layers/dense/vars/1"]


def no_scales(file, folder):
    del file[LARGE]["scales"]


def more_than_a_pair(file, folder):
    file[LARGE]["more"] = np.zeros(3)


def bare_integers(file, folder):
    values = file[LARGE]["int8"][()]
    del file[LARGE]
    file[LARGE] = values


def change_scales(change):
    def damage(file, folder):
        scales = change(file[LARGE]["scales"][()])
        del file[LARGE]["scales"]
        file[LARGE]["scales"] = scales

    return damage


def scales_are_a_group(file, folder):
    del file[LARGE]["scales"]
    file[LARGE].create_group("scales")


def scales_are_a_link(file, folder):
    file.move(f"{LARGE}/scales", "elsewhere")
    file[LARGE]["scales"] = h5py.SoftLink("/elsewhere")


def scales_are_a_bomb(file, folder):
    del file[LARGE]["scales"]
    file[LARGE].create_dataset("scales", (10**12,), "f2", chunks=(10**6,))


def values_of_another_type(file, folder):
    values = file[LARGE]["int8"][()].astype(np.uint8)
    del file[LARGE]["int8"]
    file[LARGE]["int8"] = values


def values_are_a_bomb(file, folder):
    del file[LARGE]["int8"]
    file[LARGE].create_dataset("int8", (10**6, 10**6), "i1", compression="gzip")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (soft_link, "0 is a link"),
        (external_link, "0 is a link"),
        (external_group, "more is a link"),
        (external_data, "0 is not a plain array"),
        (virtual_data, "0 is not a plain array"),
        (objects, "0 is not a plain array"),
        (references, "0 is not a plain array"),
        (a_type, "0 is not a plain array"),
        (nothing, "0 is not a plain array"),
        (a_bomb, "0 is not a plain array"),
        (a_circle, "is a link, as it has other names"),
        (a_second_name, "is a link, as it has other names"),
        (no_scales, "/0 is not a pair"),
        (more_than_a_pair, "/0 is not a pair"),
        (bare_integers, "/0 has no scales"),
        (scales_are_a_group, "group"),
        (scales_are_a_link, "scales is a link"),
        (scales_are_a_bomb, "scales is not a plain array"),
        (values_of_another_type, "not int8 with scales of float16"),
        (values_are_a_bomb, "int8 is not a plain array"),
        (change_scales(lambda s: s[:-1]), r"has scales \(166,\) for 5330 numbers"),
        (change_scales(lambda s: s[:, None]), r"has scales \(167, 1\) for 5330"),
        (change_scales(np.float32), "not int8 with scales of float16"),
        (change_scales(lambda s: -s), "negative or not numbers"),
        (change_scales(lambda s: s * np.float16(np.nan)), "negative or not numbers"),
        (change_scales(lambda s: s * np.float16(np.inf)), "negative or not numbers"),
    ],
)
def test_weights_are_plain_arrays_and_nothing_else(folder, damage, reason):
    shutil.copy(folder / "model.weights.h5", folder.parent / "other.h5")
    with h5py.File(folder / "model.weights.h5", "a") as file:
        damage(file, folder.parent)
    model = build(seed=1)
    with pytest.raises(AppError, match=f"do not fit .*({reason}).*Get the bundle"):
        load_weights(folder, model)
    for weight, same in zip(model.weights, build(seed=1).weights, strict=True):
        np.testing.assert_array_equal(weight, same)


def test_groups_as_deep_as_the_sea_are_refused(folder):
    with h5py.File(folder / "model.weights.h5", "a") as file:
        file.create_group("a/" * 2000)
    with pytest.raises(AppError, match=r"do not fit .*recursion"):
        load_weights(folder, build())


@pytest.mark.parametrize("content", [b"", b"junk", b"\x89HDF\r\n\x1a\n"])
def test_weights_that_are_not_hdf5_are_refused(folder, content):
    (folder / "model.weights.h5").write_bytes(content)
    with pytest.raises(AppError, match=r"weights.h5 do not fit"):
        load_weights(folder, build())


def test_weights_of_another_model_name_both_sides(folder):
    numbers = [(130 + 1 + 4) * units + (units + 1) * 20 for units in (UNITS, 50)]
    match = r"config.toml and .*describe: {} numbers for {};".format(*numbers)
    with pytest.raises(AppError, match=match):
        load_weights(folder, build(units=50))


class Pair(keras.Model):
    """Two nets, of which one may be wanted alone.

    Keras saves by attributes in alphabetical order: those after `layers` are there.
    """

    def __init__(self, seed=0):
        super().__init__()
        self.eye, self.hand = build(seed=seed), build(units=50, seed=seed + 1)
        self.built = True


def test_a_part_of_a_model_is_read_alone(tmp_path):
    whole, read = Pair(), Pair(seed=5)
    write_weights(tmp_path, whole)
    load_weights(tmp_path, read)
    for part, units in (("eye", UNITS), ("hand", 50)):
        alone = build(units=units, seed=9)
        load_weights(tmp_path, alone, part)
        for weight, same in zip(
            alone.weights, getattr(read, part).weights, strict=True
        ):
            np.testing.assert_array_equal(weight, same)


def test_a_part_that_is_missing_or_of_another_size_is_told(tmp_path):
    write_weights(tmp_path, Pair())
    with pytest.raises(AppError, match=r"do not fit .*middle is missing"):
        load_weights(tmp_path, build(), "middle")
    numbers = [(130 + 1 + 4) * units + (units + 1) * 20 for units in (50, UNITS)]
    with pytest.raises(AppError, match="{} numbers for {};".format(*numbers)):
        load_weights(tmp_path, build(), "hand")
    with h5py.File(tmp_path / "model.weights.h5", "a") as file:
        file["other"] = h5py.SoftLink("/eye")
    with pytest.raises(AppError, match=r"do not fit .*other is a link"):
        load_weights(tmp_path, build(), "other")


def test_missing_weights_are_told(folder):
    with h5py.File(folder / "model.weights.h5", "a") as file:
        del file["layers/dense_1"]
    with pytest.raises(AppError, match=r"'high' expected 2 variables, but received 0"):
        load_weights(folder, build())


def test_scales_alone_are_no_weights(folder):
    with h5py.File(folder / "model.weights.h5", "a") as file:
        del file[LARGE]["int8"]
    with pytest.raises(AppError, match=r"expected Dataset, received"):
        load_weights(folder, build())


def test_a_disk_too_full_to_unpack_is_told(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(AppError, match=r"cannot be unpacked .*TMPDIR"):
        load_weights(folder, build())

    def write_bytes(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "missing").mkdir()
    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(AppError, match=r"cannot be unpacked .*No space.* 0 MB for"):
        load_weights(folder, build())
    assert not list((tmp_path / "missing").iterdir())
