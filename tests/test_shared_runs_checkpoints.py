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
        load_progress(path, Progress, "")
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
    assert load_progress(path, Progress, "") == Progress(epoch=1)


def test_a_checkpoint_of_other_photos_or_words_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, [], {"epoch": 3, "signature": "a"})
    with pytest.raises(AppError, match=r"other photos or words.*skipped\.csv.*--out"):
        load_progress(path, Progress, "b")
    save_arrays(path, [], {"epoch": 3})  # by a version that did not know it
    assert load_progress(path, Progress, "b") == Progress(epoch=3, signature="b")


@pytest.mark.parametrize("progress", [{"epoch": "three"}, {"history": 3}, [], 3])
def test_progress_of_another_form_is_no_checkpoint(tmp_path, progress):
    path = tmp_path / "checkpoint.npz"
    save_arrays(path, [], progress)
    with pytest.raises(AppError, match=r"checkpoint\.npz is not a checkpoint.*--out"):
        load_progress(path, Progress, "")
