"""Drawn shapes teach: red ones stand for clocks, green for books, blue for vases."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from captioner.cli import main
from shared.concepts import fitting, gathering, lessons, net, teach
from shared.concepts.fitted import read_fitted
from shared.concepts.fitting import fit_head, known_loss
from shared.concepts.gathering import Source, captioned, uncaptioned
from shared.concepts.lessons import Photo
from shared.concepts.regression import UNKNOWN
from shared.concepts.table import make_table
from shared.concepts.teachers import OnnxTeacher, ask
from shared.concepts.words import coco_words
from shared.data.captioned import read_files
from shared.data.shapes import draw_shapes
from shared.errors import AppError
from shared.files.fingerprints import digest_photos
from shared.vision.efficientnet_lite import Classifier
from shared.vision.encoders import Encoder

THINGS = {"red": "clock", "green": "book", "blue": "vase"}


class Shapes:
    """Knows things by their colour."""

    digest, image_size = "shapes", 64

    def __init__(self):
        self.asked = 0

    def __call__(self, image):
        self.asked += 1
        strongest = image.reshape(-1, 3).min(0).argmax()
        scores = np.zeros(80, np.float32)
        scores[coco_words().index(list(THINGS.values())[strongest])] = 0.9
        return scores


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """60 drawings with captions, and 20 without."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = [
        f"{name},A {colour} {THINGS[colour]}.,{split}\n"
        for name, colour, shape, split in draw_shapes(folder / "data", 60)
    ]
    (folder / "data" / "captions.csv").write_text(
        "image,caption,split\n" + "".join(rows)
    )
    list(draw_shapes(folder / "more", 20, seed=1))
    return folder


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(net, "REGION_UNITS", 16)
    monkeypatch.setattr(net, "POOLED_UNITS", 8)
    monkeypatch.setattr(net, "START", -1.0)
    monkeypatch.setattr(fitting, "BATCH", 16)
    monkeypatch.setattr(fitting, "EPOCHS", 80)
    monkeypatch.setattr(fitting, "RATE", 0.02)
    monkeypatch.setattr(teach, "LEAST", 10)


@pytest.fixture
def encoder(small_net):
    keras.utils.set_random_seed(0)
    return Encoder("patches", 64, None)


def sources(drawn):
    photos = sorted((drawn / "more").iterdir())
    return [
        captioned("data", read_files(drawn / "data")),
        uncaptioned("more", photos, labelled=False),
    ]


def test_shapes_are_learnt_from_a_teacher_and_words_from_captions(
    drawn, quick, encoder, tmp_path
):
    out, told, teacher = tmp_path / "out", [], Shapes()
    teach.teach(sources(drawn), encoder, None, teacher, out, announce=told.append)
    about = json.loads((out / "teach.json").read_text())
    taught = net.load_concepts(out)
    assert {*coco_words(), "red", "green", "blue"} <= {*taught.words}
    assert about["done"]
    assert [one["photos"] for one in about["data"]] == [60, 20]
    assert teacher.asked == 80
    scores = about["dev"]["data"]
    assert scores["photos"] == 12
    assert scores["main thing in the top 3"]["there"] == [1.0, 12]
    dev = [r for r in read_files(drawn / "data") if r.split == "dev"]
    images = np.stack([np.asarray(Image.open(record.image)) for record in dev])
    seen = taught(encoder.predict_on_batch(images))
    for place, record in enumerate(dev):
        colour, thing = record.captions[0].strip(".").split()[1:]
        for words in (THINGS.values(), THINGS):
            said = {w: seen.said[place, taught.words.index(w)] for w in words}
            best = max(said, key=said.get)
            assert best in (colour, thing)
        there = [float(seen.there[place, taught.words.index(w)]) for w in coco_words()]
        assert max(there) == there[coco_words().index(thing)]
    # again: nothing to do; with other photos: refused
    teach.teach(sources(drawn), encoder, None, teacher, out, announce=told.append)
    assert "taught already" in told[-1]
    assert teacher.asked == 80
    with pytest.raises(AppError, match="something else taught"):
        teach.teach(sources(drawn)[:1], encoder, None, teacher, out)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(
    drawn, quick, encoder, tmp_path, monkeypatch
):
    fits = []

    def fit(exercise, rows, seed, tick):
        if len(fits) == stop_at:
            raise KeyboardInterrupt
        fits.append(len(rows))
        return fit_head(exercise, rows, seed, tick)

    monkeypatch.setattr(fitting, "EPOCHS", 2)
    monkeypatch.setattr(teach, "VISIBLE", 0.0)
    monkeypatch.setattr(fitting, "fit_head", fit)
    stop_at, teacher, told = 2, Shapes(), []
    given = sources(drawn), encoder, None, teacher, tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        teach.teach(*given, announce=told.append)
    assert "goes on" in told[-1]
    assert not (tmp_path / "out" / "teach.json").exists()
    stop_at = None
    teach.teach(*given, announce=told.append)
    assert len(fits) == 3  # of two folds, and of all
    assert teacher.asked == 80
    whole = teach.teach(*given[:-1], tmp_path / "whole", announce=told.append)
    assert len(fits) == 6
    one, other = (read_fitted(folder) for folder in (given[-1], whole))
    assert one.keys() == other.keys()
    for digest, seen in one.items():
        np.testing.assert_allclose(seen.said, other[digest].said, atol=0.002)


def test_a_photo_is_judged_by_a_head_that_it_did_not_teach(
    drawn, quick, encoder, tmp_path, monkeypatch
):
    """Heads that know only which photos taught them."""
    monkeypatch.setattr(teach, "VISIBLE", 0.0)
    learnt = {}

    def fit(exercise, rows, seed, tick):
        head = net.TaughtHead(exercise.targets.shape[1])
        head.build((None, None, exercise.feature_size))
        learnt[id(head)] = head, {*rows.tolist()}
        return head

    def predict(head, take, rows):
        assert learnt[id(head)][1].isdisjoint(rows.tolist())
        judged.extend(rows.tolist())
        return np.zeros((len(rows), head.from_pooled.units), np.float32)

    judged = []
    monkeypatch.setattr(fitting, "fit_head", fit)
    monkeypatch.setattr(fitting, "predict", predict)
    out = teach.teach(sources(drawn), encoder, None, Shapes(), tmp_path, announce=str)
    *folds, everything = (rows for _, rows in learnt.values())
    assert len(folds) == 2
    assert folds[0].isdisjoint(folds[1])
    assert sorted(judged) == sorted(folds[0] | folds[1]) == sorted(everything)
    digests = digest_photos(
        [
            *(r.image for r in read_files(drawn / "data") if r.split == "train"),
            *(drawn / "more").iterdir(),
        ]
    )
    assert read_fitted(out).keys() == {*digests}


@pytest.mark.slow
def test_dev_photos_teach_nothing(drawn, quick, encoder, tmp_path, monkeypatch):
    """Whatever their captions and their teacher say."""
    monkeypatch.setattr(fitting, "EPOCHS", 1)
    data, more = sources(drawn)

    class Liar(Shapes):
        digest = "liar"

        def __call__(self, image):
            found = super().__call__(image)
            return found[::-1] if image.tobytes() in dev else found

    photos = [p for p in data.photos if p.split == "dev"]
    dev = {np.asarray(Image.open(p.image)).tobytes() for p in photos}
    others = Source(
        "data",
        [
            p._replace(captions=("A dog.",)) if p.split == "dev" else p
            for p in data.photos
        ],
    )
    found = []
    for number, (source, teacher) in enumerate([(data, Shapes()), (others, Liar())]):
        out = tmp_path / str(number)
        teach.teach([source, more], encoder, None, teacher, out, announce=str)
        found.append(net.load_concepts(out).get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_bad_inputs_are_refused(drawn, quick, encoder, tmp_path):
    data, more = sources(drawn)
    with pytest.raises(AppError, match="No photo has captions"):
        teach.teach([more], encoder, None, Shapes(), tmp_path / "a", announce=str)
    with pytest.raises(AppError, match="nobody has no photos"):
        teach.teach([Source("nobody", [])], encoder, None, Shapes(), tmp_path / "b")
    with pytest.raises(AppError, match="too few"):
        few = Source("few", data.photos[:1])
        teach.teach([few], encoder, None, Shapes(), tmp_path / "c", announce=str)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "holiday.jpg").touch()
    with pytest.raises(AppError, match="holds other things, such as holiday"):
        teach.teach([data], encoder, None, Shapes(), tmp_path / "d", announce=str)


def test_broken_photos_and_copies_are_left_out(drawn, encoder, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    copy = tmp_path / "copy.png"
    copy.write_bytes((drawn / "data" / "0.png").read_bytes())
    given = [sources(drawn)[0], uncaptioned("own", sorted(tmp_path.iterdir()), False)]
    told = []
    lesson = gathering.gather(given, encoder, Shapes(), tmp_path / "cache", told.append)
    assert len(lesson.photos) == 60
    assert any("broken.jpg" in line for line in told)


def test_a_small_source_counts_more_but_not_too_much():
    photos = [Photo(Path("a"), source=0)] * 100
    photos += [Photo(Path("b"), source=1)] * 25 + [Photo(Path("c"), source=2)]
    photos += [Photo(Path("d"), split="dev", source=0)] * 500
    lesson = lessons.Lesson(photos, [], [None] * 3, np.zeros((626, 80)))
    assert lesson.weights[[0, 100, 125]].tolist() == [1.0, 2.0, 8.0]


# What is known of photos


TABLE = make_table(["person", "man", "cat", "red"], ["red"], classifies=True)


def test_words_of_captions_are_those_that_show():
    captions = ("A man runs past two grey bikes.", "The man is running to him.")
    photos = [Photo(Path("a"), captions=captions)] * 3
    classed, often = lessons.choose_words(photos, 3)
    assert {*often} == {"man", "run", "gray", "bike"}
    assert {"bike", "cat", "teapot"} <= {*classed}
    assert lessons.choose_words(photos, 4)[1] == []


def test_shares_of_captions_count_narrower_words():
    photos = [
        Photo(Path("a"), captions=("A man.", "Two men in red.", "Red paint.")),
        Photo(Path("b")),
    ]
    shares = lessons.mention_shares(photos, [row.word for row in TABLE])
    np.testing.assert_allclose(shares[0], [2 / 3, 2 / 3, 0, 2 / 3], atol=1e-6)
    assert (shares[1] == UNKNOWN).all()


def test_labels_name_things_by_their_file_or_folder():
    words = ["animal", "cat", "teapot", "soccer ball", "red"]
    photos = [
        Photo(Path("a"), labels=("n02123045_tabby", "imagenet")),
        Photo(Path("b"), labels=("image_0001", "soccer_ball")),
        Photo(Path("c"), labels=("image_0001", "yin_yang")),
        Photo(Path("d")),
    ]
    found = lessons.read_labels(photos, words)
    assert found[0].tolist() == [1, 1, 0, 0, UNKNOWN]
    assert found[1].tolist() == [UNKNOWN, 0, 0, 1, UNKNOWN]
    assert (found[2:] == UNKNOWN).all()


def test_what_is_said_and_there_is_put_together_from_all_that_is_known():
    things = np.zeros((14, 80), np.float32)
    things[:12, 0] = 1.0  # a person on the first twelve
    things[13, 15] = 0.5  # perhaps a cat on the last
    shares = np.zeros((14, 4), np.float32)
    shares[:6, 0], shares[:3, 1] = 1.0, 1.0
    shares[12:] = UNKNOWN
    labels = np.full((14, 4), UNKNOWN, np.float32)
    labels[13] = [0, UNKNOWN, 1, UNKNOWN]
    say = lessons.say_targets(TABLE, things, shares, labels)
    np.testing.assert_array_equal(say[:12], shares[:12])
    assert say[12].tolist() == [0, 0, UNKNOWN, UNKNOWN]  # nobody: nobody is mentioned
    assert say[13, 2] == np.float32(lessons.NAMED)
    things[13, 0] = 1.0  # as on those where half mention somebody, a quarter a man
    say = lessons.say_targets(TABLE, things, shares, labels)
    assert say[13, :2].tolist() == [0.5, 0.25]
    see = lessons.see_targets(TABLE, things, shares, labels)
    assert see[0].tolist() == [1, 1, 0, 0]
    assert see[5].tolist() == [1, 0, 0, 0]  # seen and not mentioned
    assert see[12].tolist() == [0, 0, 0, UNKNOWN]  # nobody, so no man
    assert see[13].tolist() == [1, UNKNOWN, 1, UNKNOWN]


def test_a_detectors_scores_become_probabilities():
    scores = np.array([0.0, 0.15, 0.3, 0.45, 0.9], np.float16)
    np.testing.assert_allclose(lessons.see_things(scores), [0, 0, 0.5, 1, 1], atol=0.01)


def test_the_loss_is_the_cross_entropy_of_what_is_known():
    targets = np.array([[1.0, 0.25, UNKNOWN]])
    logits = np.array([[2.0, -1.0, 5.0]], np.float32)
    probs = 1 / (1 + np.exp(-logits[0]))
    expected = -np.log(probs[0]) - 0.25 * np.log(probs[1]) - 0.75 * np.log(1 - probs[1])
    np.testing.assert_allclose(known_loss(targets, logits), [expected], rtol=1e-5)


# Teachers


def onnx_detector(path, size=8, names=("images", "orig_target_sizes")):
    """Two boxes: class 0 scores the mean of red, class 79 the mean of blue."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def const(name, value):
        return numpy_helper.from_array(np.array(value), name)

    nodes = [
        helper.make_node("ReduceMean", [names[0]], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gather", ["means", "channels"], ["scores"], axis=1),
        helper.make_node("Identity", ["classes"], ["labels"]),
        helper.make_node("Cast", [names[1]], ["boxes"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [
            helper.make_tensor_value_info(
                names[0], TensorProto.FLOAT, ["N", 3, size, size]
            ),
            helper.make_tensor_value_info(names[1], TensorProto.INT64, ["N", 2]),
        ],
        [
            helper.make_tensor_value_info("labels", TensorProto.INT64, [1, 3]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 3]),
        ],
        [const("channels", [0, 2, 1]), const("classes", [[0, 79, 0]])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


def test_an_onnx_teacher_gives_the_highest_score_of_each_thing(tmp_path):
    pytest.importorskip("onnxruntime")
    teacher = OnnxTeacher(onnx_detector(tmp_path / "t.onnx"))
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0], image[:, :4, 1], image[..., 2] = 51, 255, 204
    found = teacher(image)
    assert teacher.image_size == 8
    np.testing.assert_allclose(found[[0, 79]], [0.5, 0.8], atol=1e-6)
    assert found[1:79].max() == 0


def test_other_graphs_are_refused(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    for broken in (
        onnx_detector(tmp_path / "a.onnx", names=("image", "orig_target_sizes")),
        onnx_detector(tmp_path / "b.onnx", size="S"),
    ):
        with pytest.raises(AppError, match="A teacher takes images"):
            OnnxTeacher(broken)
    (tmp_path / "c.onnx").write_bytes(b"no graph")
    for path in (tmp_path / "c.onnx", tmp_path / "none.onnx"):
        with pytest.raises(AppError, match="no ONNX graph"):
            OnnxTeacher(path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(AppError, match="pip install"):
        OnnxTeacher(tmp_path / "a.onnx")


def test_answers_are_kept_and_only_new_photos_are_asked_about(drawn, tmp_path):
    paths = sorted((drawn / "more").iterdir())
    photos = dict(zip(digest_photos(paths), paths, strict=True))
    first = dict(list(photos.items())[:12])
    teacher = Shapes()
    before = ask(teacher, first, tmp_path, str)
    after = ask(teacher, photos, tmp_path, str)
    assert teacher.asked == 20
    np.testing.assert_array_equal(after[:12], before)
    assert after.shape == (20, 80)
    assert after.dtype == np.float16

    class Interrupted(Shapes):
        digest = "other"

        def __call__(self, image):
            if self.asked == 5:
                raise KeyboardInterrupt
            return super().__call__(image)

    teacher = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        ask(teacher, photos, tmp_path, str)
    teacher.asked = 10  # and on it goes
    np.testing.assert_array_equal(ask(teacher, photos, tmp_path, str), after)
    assert teacher.asked == 25
    (tmp_path / "other.npz").write_bytes(b"broken")
    with pytest.raises(AppError, match=r"other\.npz are damaged"):
        ask(teacher, photos, tmp_path, str)


@pytest.mark.slow
def test_the_command_teaches_with_imagenets_classes(
    drawn, quick, tmp_path, monkeypatch, capsys
):
    """A random EfficientNet-Lite, saved as the published ones are."""
    monkeypatch.setattr(fitting, "EPOCHS", 2)
    monkeypatch.setattr(teach, "VISIBLE", 0.0)
    pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(0)
    backbone = Encoder("efficientnet_lite0", 64, None).backbone
    form = {"moving_mean": "mean", "moving_variance": "variance"}
    arrays = {
        f"{layer.name}.{form.get(weight.name, weight.name)}": weight.numpy()
        for layer in backbone.layers
        for weight in layer.weights
    }
    rng = np.random.default_rng(0)
    classifier = Classifier(
        rng.normal(0, 0.01, (1280, 1000)).astype(np.float32),
        np.zeros(1000, np.float32),
    )
    arrays |= {
        "classifier.kernel": classifier.kernel,
        "classifier.bias": classifier.bias,
    }
    np.savez(tmp_path / "weights.npz", **arrays)
    command = [
        *("teach", "--data", str(drawn / "data"), "--photos", str(drawn / "more")),
        *("--encoder", "efficientnet_lite0", "--image-size", "64"),
        *("--encoder-weights", str(tmp_path / "weights.npz")),
        *("--teacher", str(onnx_detector(tmp_path / "t.onnx"))),
        *("--output", str(tmp_path / "out")),
    ]
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    taught = net.load_concepts(tmp_path / "out")
    np.testing.assert_allclose(taught.classifier.kernel, classifier.kernel, atol=0.001)
    assert "teapot" in taught.words
    digests = digest_photos(sorted((drawn / "more").iterdir()))
    assert {*digests} <= read_fitted(tmp_path / "out").keys()
    command[-1] = str(tmp_path / "weights.npz")
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("error:") == 1
    assert "Traceback" not in error
