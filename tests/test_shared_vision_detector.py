"""The detector: what it finds, and that its port is the published net."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from shared.concepts.words import coco_words
from shared.errors import AppError
from shared.vision import detector
from shared.vision.detector import (
    OVERLAP,
    Detector,
    DetectorError,
    Things,
    find_things,
    overlaps,
)
from shared.vision.images import read_preview

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT.parent / "shared" / "weights"
EXAMPLES = ROOT / "examples"


def test_overlap_is_area_of_both_over_area_of_either():
    box = np.array([0, 0, 0.5, 0.5])
    others = np.array([[0, 0, 0.5, 0.5], [0.25, 0, 0.75, 0.5], [0.5, 0.5, 1, 1]])
    np.testing.assert_allclose(overlaps(box, others), [1, 1 / 3, 0])


def test_a_thing_is_found_once_by_its_surest_box():
    boxes = np.array([[0, 0, 0.5, 1], [0.02, 0, 0.5, 1], [0.6, 0, 1, 1]], np.float32)
    scores = np.array([[0.6, 0], [0.9, 0], [0.3, 0.7]], np.float32)
    things = Things(boxes, scores, np.zeros((1, 1, 3), np.uint8))
    assert [thing.score for thing in things.of([0])] == pytest.approx([0.9, 0.3])
    assert [thing.score for thing in things.of([0, 1])] == pytest.approx([0.9, 0.7])
    assert [thing.box[0] for thing in things.of([1])] == pytest.approx([0.6])
    assert things.of([]) == []


def test_boxes_without_an_area_come_to_an_end():
    boxes = np.array([[1, 1, 1, 1], [1, 1, 1, 1], [0.5, 0, 0.5, 1]], np.float32)
    things = Things(boxes, np.full((3, 1), 0.5), np.zeros((1, 1, 3), np.uint8))
    assert len(things.of([0])) == 3


@pytest.mark.parametrize("seed", range(20))
def test_what_is_kept_hardly_overlaps_and_what_is_not_does(seed):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((30, 2, 2)), axis=1).reshape(30, 4)
    things = Things(
        corners.astype(np.float32), rng.random((30, 3)), np.zeros((1, 1, 3), np.uint8)
    )
    found = things.of([1])
    kept = np.array([thing.box for thing in found])
    assert [t.score for t in found] == sorted((t.score for t in found), reverse=True)
    for i, box in enumerate(kept):
        assert (overlaps(box, np.delete(kept, i, axis=0)) <= OVERLAP).all()
    for box, score in zip(things.boxes, things.scores[:, 1], strict=True):
        surer = np.array([t.box for t in found if t.score >= score]).reshape(-1, 4)
        assert score <= 0.05 or (overlaps(box, surer) > OVERLAP).any()


@pytest.mark.parametrize(
    ("photo", "kind", "place"),
    [("cat", "cat", (0.4, 0.5)), ("coffee", "cup", (0.5, 0.45))],
)
def test_things_of_the_examples_are_found_where_they_are(photo, kind, place):
    things = find_things(EXAMPLES / f"{photo}.jpg")
    best, *others = things.of([coco_words().index(kind)])
    assert best.score > 0.6
    assert all(other.score < 0.4 for other in others)
    left, top, right, bottom = best.box
    assert left < place[0] < right and top < place[1] < bottom


def test_a_small_photo_is_enlarged():
    photo = read_preview(EXAMPLES / "cat.jpg", 200)
    (small, *_), (large, *_) = (
        find_things(source).of([coco_words().index("cat")])
        for source in (photo, EXAMPLES / "cat.jpg")
    )
    np.testing.assert_allclose(small.box, large.box, atol=0.05)


def test_a_file_that_is_no_photo_is_refused(tmp_path):
    (tmp_path / "a.jpg").write_text("x")
    with pytest.raises(AppError, match=r"a\.jpg"):
        find_things(tmp_path / "a.jpg")


def test_another_graph_is_refused(tmp_path):
    graph = ROOT / "captioner" / "bundle" / "litert" / "where.tflite"
    with pytest.raises(AppError, match=r"images .* Give another detector"):
        Detector(shutil.copy(graph, tmp_path / "other.tflite"))
    with pytest.raises(AppError, match=r"images .* Install sightread again"):
        Detector(graph)


@pytest.fixture
def spoilt(tmp_path, monkeypatch):
    """A copy of the detector that comes along, to be spoilt, as if it came along."""
    path = tmp_path / detector.INCLUDED.name
    path.write_bytes(detector.INCLUDED.read_bytes())
    monkeypatch.setattr(detector, "INCLUDED", path)
    detector._included.cache_clear()
    yield path
    detector._included.cache_clear()


@pytest.mark.parametrize("place", [0, 4, 30_000, 1_900_000, -1, None])
def test_a_damaged_detector_is_not_opened_and_to_be_installed_again(spoilt, place):
    content = bytearray(spoilt.read_bytes())
    if place is None:
        content = content[: len(content) // 2]
    else:
        content[place] ^= 255
    spoilt.write_bytes(content)
    with pytest.raises(DetectorError, match=r"damaged.*\. Install sightread again\.$"):
        find_things(EXAMPLES / "cat.jpg")


def test_a_detector_that_is_gone_is_to_be_installed_again(spoilt):
    spoilt.unlink()
    with pytest.raises(
        DetectorError, match=r"cannot be read: .*Install sightread again\.$"
    ):
        find_things(EXAMPLES / "cat.jpg")


def test_the_included_detector_is_found_again_once_it_is_whole(spoilt):
    whole = spoilt.read_bytes()
    spoilt.write_bytes(b"")
    with pytest.raises(AppError):
        find_things(EXAMPLES / "cat.jpg")
    spoilt.write_bytes(whole)
    assert find_things(EXAMPLES / "cat.jpg").of([coco_words().index("cat")])


def square(photo, side):
    read = np.array(read_preview(photo, side))
    image = np.full((1, side, side, 3), 114, np.uint8)
    image[0, : read.shape[0], : read.shape[1]] = read
    return image


@pytest.mark.slow
def test_the_port_is_the_published_net():
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = WEIGHTS / "yolox_nano_coco_416.onnx"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    from shared.vision.yolox import YoloxNano

    arrays = {
        one.name: onnx.numpy_helper.to_array(one)
        for one in onnx.load(path).graph.initializer
    }
    model = YoloxNano(416)
    for layer in model.layers:
        if layer.weights:
            kernel = arrays[f"{layer.name}.weight"]
            bias = arrays.get(f"{layer.name}.bias")
            bias = arrays[f"{layer.name}.weight_bias"] if bias is None else bias
            order = (2, 3, 0, 1) if ".dconv." in layer.name else (2, 3, 1, 0)
            layer.set_weights([kernel.transpose(order), bias])
    session = runtime.InferenceSession(path)
    for photo in sorted(EXAMPLES.glob("*.jpg"))[:4]:
        image = square(photo, 416)
        channels = image[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32)
        (wanted,) = session.run(None, {"images": channels})
        found = np.asarray(model(image))
        np.testing.assert_allclose(found[..., 4:], wanted[..., 4:], atol=1e-3)
        np.testing.assert_allclose(found[..., :4], wanted[..., :4], atol=0.1)  # px


@pytest.mark.slow
def test_the_included_graph_is_the_model():
    path = WEIGHTS / "yolox_nano_coco.npz"
    if not path.exists():
        pytest.skip(f"no {path.name} beside the checkout")
    from shared.vision.yolox import YoloxNano

    model = YoloxNano()
    model.load(path)
    image = square(EXAMPLES / "cat.jpg", detector.SIZE)
    found = Detector()._graph(images=image)["found"]
    wanted = np.asarray(model(image))
    np.testing.assert_allclose(found[..., 4:], wanted[..., 4:], atol=1e-3)


@pytest.mark.slow
def test_a_file_of_other_weights_is_refused(tmp_path):
    from shared.vision.yolox import YoloxNano

    np.savez(tmp_path / "a.npz", a=np.ones(3))
    (tmp_path / "b.npz").write_text("x")
    for name in ("a.npz", "b.npz", "c.npz"):
        with pytest.raises(AppError, match=name):
            YoloxNano().load(tmp_path / name)
