from dataclasses import asdict

import keras
import numpy as np
import pytest
from keras import ops

from shared.errors import AppError
from shared.runs.checkpoints import Progress, load_arrays, load_progress, save_arrays


def values(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


def variables(*shapes):
    return [keras.Variable(np.ones(shape, "float32")) for shape in shapes]


@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (5,)], [(2, 3), (4,), ()], []])
def test_a_checkpoint_of_another_model_is_refused(tmp_path, shapes):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, variables((2, 3), (4,)), {})
    others = variables(*shapes)
    with pytest.raises(AppError, match=r"2 arrays that do not fit .*--out"):
        load_arrays(path, others)
    assert all((value == 1).all() for value in values(others))


@pytest.mark.parametrize("content", [None, b"", b"PK not really", "cut"])
def test_a_corrupt_checkpoint_is_named(tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if content == "cut":
        save_arrays(path, variables((2, 3)), {})
        content = path.read_bytes()[:-30]
    if content is not None:
        path.write_bytes(content)
    what = "missing" if content is None else "not a checkpoint "
    match = rf"checkpoint\.npz is {what}.*--out"
    with pytest.raises(AppError, match=match):
        load_progress(path, "")
    with pytest.raises(AppError, match=match):
        load_arrays(path, variables((2, 3)))


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "checkpoint.npz"
    save_arrays(path, variables((2,)), {"epoch": 1})
    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(AppError, match=r"cannot be written: .*No space left.*again"):
        save_arrays(path, variables((2,)), {"epoch": 2})
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]
    assert load_progress(path, "") == Progress(epoch=1)


def test_a_checkpoint_of_other_photos_or_words_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, [], {"epoch": 3, "signature": "a"})
    with pytest.raises(AppError, match=r"other photos or words.*skipped\.csv.*--out"):
        load_progress(path, "b")
    save_arrays(path, [], {"epoch": 3})  # by a version that did not know it
    assert load_progress(path, "b") == Progress(epoch=3, signature="b")


def test_a_run_that_version_0_1_began_can_be_gone_on_with(tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, [], {"epoch": 2, "best": 55.5, "best_blind": 31.0})
    best = {"best.npz": 55.5, "best_blind.npz": 31.0}
    assert load_progress(path, "") == Progress(epoch=2, best=best)
    save_arrays(path, [], {"epoch": 0, "best": None})
    assert load_progress(path, "") == Progress()
    save_arrays(path, [], asdict(Progress(best=best)))
    assert load_progress(path, "").best == best


@pytest.mark.parametrize("progress", [{"epoch": "three"}, {"history": 3}, [], 3])
def test_progress_of_another_form_is_no_checkpoint(tmp_path, progress):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, [], progress)
    with pytest.raises(AppError, match=r"checkpoint\.npz is not a checkpoint.*--out"):
        load_progress(path, "")
