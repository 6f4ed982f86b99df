import json
import os

import keras
import numpy as np
import pytest

from shared.bundles.weights import write_weights
from shared.concepts import net as rooms
from shared.concepts.net import ABOUT, ConceptNet, TaughtHead, load_concepts, read_net
from shared.concepts.table import (
    Row,
    format_table,
    make_table,
    read_table,
)
from shared.concepts.words import coco_words, imagenet_words, read_concepts
from shared.errors import AppError

WORDS = ["person", "man", "cat", "animal", "teapot", "red", "race car", "vehicle"]
TABLE = make_table(WORDS, ["man", "red", "cat"], classifies=True)
REGIONS, SIZE = 4, 6
PAIRS = ((0, 1), (1, 2), (0, 2))  # no order has each side by side


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(rooms, "REGION_UNITS", 5)
    monkeypatch.setattr(rooms, "POOLED_UNITS", 3)


def make_net(table=TABLE):
    keras.utils.set_random_seed(0)
    net = ConceptNet(table)
    net.build((None, None, SIZE))
    rng = np.random.default_rng(1)
    for weight in net.weights:
        weight.assign(rng.normal(0, 0.7, weight.shape))
    return net


@pytest.fixture
def features():
    return np.random.default_rng(2).normal(size=(3, REGIONS, SIZE)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_table_names_the_witnesses_of_words_and_of_what_they_are_a_kind_of():
    rows = {row.word: row for row in TABLE}
    assert rows["person"].things == (0,)
    assert rows["man"] == Row("man", (0,), "person", (), 0)
    assert rows["red"] == Row("red", detector=1)
    assert rows["cat"].things == (coco_words().index("cat"),)
    assert rows["cat"].classes == (281, 282, 283, 284, 285)
    assert set(rows["animal"].things) == {14, 15, 16, 17, 18, 19, 20, 21, 22, 23}
    assert set(rows["animal"].classes) > set(rows["cat"].classes)
    assert rows["race car"].within == "car"
    assert rows["race car"].classes == (imagenet_words().index("race car"),)
    assert rows["vehicle"].things[:8] == (1, 2, 3, 4, 5, 6, 7, 8)
    assert rows["teapot"] == Row("teapot", classes=(849,))
    no_classes = make_table(WORDS, [], classifies=False)
    assert not any(row.classes for row in no_classes)


def test_a_table_survives_the_disk_and_others_are_refused(tmp_path):
    (tmp_path / "concepts.tsv").write_text(format_table(TABLE))
    assert read_table(tmp_path) == TABLE
    path = tmp_path / "concepts.tsv"
    text = path.read_text()
    for broken, reason in [
        ("", "first line"),
        (text.replace("word\t", "term\t"), "first line"),
        (text + "dog\t80\t\t\t\n", "not in 0..79"),
        (text + "dog\t\t\t1000\t\n", "not in 0..999"),
        (text + "dog\t\t\t\t7\n", "not numbered"),
        (text + "cat\t\t\t\t\n", "one twice"),
        (text + "dog\t\n", "2 columns, and not 5"),
        (text.splitlines()[0] + "\n", "no words"),
    ]:
        path.write_text(broken)
        with pytest.raises(AppError, match=reason):
            read_table(tmp_path)
    path.unlink()
    with pytest.raises(AppError, match="captioner teach"):
        read_table(tmp_path)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\u202eb", "x" * 201, "a  b", " ", ""])
@pytest.mark.parametrize("column", [0, 2])
def test_words_of_a_table_can_be_shown(tmp_path, name, column):
    rows = [line.split("\t") for line in format_table(TABLE).splitlines()]
    rows[3][column] = name
    (tmp_path / "concepts.tsv").write_text("".join("\t".join(r) + "\n" for r in rows))
    if column == 2 and not name.strip("a b"):  # only looked at for being there
        read_table(tmp_path)
        return
    with pytest.raises(AppError, match="no table of concepts"):
        read_table(tmp_path)


def outside(path, kind):
    """Put something else than a file of a few words in the place of a table."""
    secret = path.parent / "secret"
    secret.write_text(format_table(TABLE))
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(2**32)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
@pytest.mark.parametrize("kind", ["link", "device", "pipe", "folder", "huge"])
def test_a_table_is_a_plain_file_of_bounded_size(tmp_path, kind):
    outside(tmp_path / "concepts.tsv", kind)
    with pytest.raises(
        AppError, match=r"concepts\.tsv (is missing, or not|has 4,294,9)"
    ):
        read_table(tmp_path)


def test_a_table_takes_no_more_memory_than_its_weights_explain(tmp_path):
    write_weights(tmp_path, make_net())
    words = [f"w{i}" for i in range(9000)]
    many = make_table(words, words, classifies=False)
    (tmp_path / "concepts.tsv").write_text(format_table(many))
    with pytest.raises(AppError, match=r"do not fit .*, it has [\d,]+ numbers or more"):
        read_net(tmp_path)


def test_sets_that_overlap_are_refused(tmp_path):
    write_weights(tmp_path, make_net())
    table = tuple(Row(word, things) for word, things in zip("abc", PAIRS, strict=True))
    (tmp_path / "concepts.tsv").write_text(format_table(table))
    with pytest.raises(AppError, match=r"no table of concepts: .*Get the bundle again"):
        read_net(tmp_path)


def test_the_head_joins_regions_by_a_soft_maximum(features):
    head = TaughtHead(7)
    head.build((None, None, SIZE))
    regions = np.maximum(features @ head.region_hidden.kernel.numpy(), 0)
    regions = regions @ head.from_region.kernel.numpy() + head.from_region.bias.numpy()
    pooled = np.concatenate([features.mean(1), features.max(1)], -1)
    whole = np.maximum(pooled @ head.pooled_hidden.kernel.numpy(), 0)
    expected = np.log(np.exp(regions).sum(1) / np.sqrt(REGIONS))
    expected += whole @ head.from_pooled.kernel.numpy()
    np.testing.assert_allclose(head(features), expected, atol=1e-5)
    same = np.repeat(features[:, :1], 9, axis=1)  # more regions alike say more
    few = keras.ops.convert_to_numpy(head.by_region(same[:, :1]))[:, 0]
    np.testing.assert_allclose(head(same), few + np.log(3), atol=1e-5)


def test_the_net_equals_a_recomputation_in_numpy(features):
    net = make_net()
    taught = sigmoid(keras.ops.convert_to_numpy(net.head(features)))
    logits = features.mean(1) @ net.classifier.kernel.numpy()
    logits = logits + net.classifier.bias.numpy()
    classes = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    for judge, found in zip((net.say, net.see), net(features), strict=True):
        scales = dict(zip((*rooms.WITNESSES, "bias"), judge.parts, strict=True))
        for place, row in enumerate(TABLE):
            odds = scales["bias"].numpy()[place]
            for name, probs, numbers in [
                ("things", taught[:, :80], row.things),
                ("classes", classes, row.classes),
                (
                    "detector",
                    taught[:, 80:],
                    () if row.detector is None else (row.detector,),
                ),
            ]:
                if numbers:
                    prob = probs[:, list(numbers)].sum(-1).clip(1e-4, 1 - 1e-4)
                    odds = odds + scales[name].numpy()[place] * np.log(
                        prob / (1 - prob)
                    )
            np.testing.assert_allclose(found[:, place], sigmoid(odds), atol=1e-4)


def test_where_points_at_regions_by_things_then_by_detectors(features):
    net = make_net()
    seen, odds = net.look(features)
    np.testing.assert_array_equal(seen.there, net(features).there)
    where = keras.ops.convert_to_numpy(net.where(odds))
    assert where.shape == (3, REGIONS, len(WORDS))
    # What the photo would say if it had no regions but those like one of them.
    probs = sigmoid(keras.ops.convert_to_numpy(odds))
    alike = np.exp(keras.ops.convert_to_numpy(odds)).mean(axis=1)
    np.testing.assert_allclose(np.exp(net.head(features)), alike, rtol=1e-4)
    place = WORDS.index
    np.testing.assert_allclose(where[..., place("person")], probs[..., 0], atol=1e-5)
    np.testing.assert_allclose(where[..., place("man")], probs[..., 80], atol=1e-5)
    np.testing.assert_allclose(where[..., place("race car")], probs[..., 2], atol=1e-5)
    assert (where[..., place("teapot")] == 0).all()
    assert where.max() <= 1


def test_a_net_of_an_encoder_without_classes(features):
    table = make_table(["person", "red"], ["red"], classifies=False)
    net = make_net(table)
    assert net.classifier is None
    assert net(features).said.shape == (3, 2)


def test_a_net_without_detectors_hears_nothing(features):
    table = make_table(["person", "teapot"], [], classifies=True)
    net = make_net(table)
    assert net.head(features).shape == (3, 80)
    taught = np.full((3, 80), 0.9, np.float32)
    heard = net.witnesses(taught, np.full((3, 1000), 0.001, np.float32))[2]
    assert (keras.ops.convert_to_numpy(heard) == 0).all()
    assert (keras.ops.convert_to_numpy(net.where(features))[..., 1] == 0).all()


def test_sums_find_every_set_of_the_real_tables_and_refuse_others():
    table = make_table(read_concepts(), [], classifies=True)
    probs = np.random.default_rng(0).random((2, 5, 1000)).astype(np.float32)
    for sets, size in [
        ([row.things for row in table], 80),
        ([row.classes for row in table], 1000),
    ]:
        found = keras.ops.convert_to_numpy(rooms._Sums(sets)(probs[..., :size]))
        for place, numbers in enumerate(sets):
            expected = probs[..., list(numbers)].sum(-1)
            np.testing.assert_allclose(found[..., place], expected, atol=1e-3)
    with pytest.raises(ValueError, match="overlap"):
        rooms._Sums([(1, 2), (2, 3), (1, 3)])


def test_a_net_comes_back_from_its_folder(tmp_path, features):
    net = make_net()
    (tmp_path / "concepts.tsv").write_text(format_table(TABLE))
    write_weights(tmp_path, net)
    with pytest.raises(AppError, match=r"teach\.json"):
        load_concepts(tmp_path)
    (tmp_path / ABOUT).write_text(json.dumps({"feature_size": SIZE}))
    again = load_concepts(tmp_path)
    assert again.words == tuple(WORDS)
    for one, other in zip(net(features), again(features), strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)  # weights of a byte
    (tmp_path / ABOUT).write_text(json.dumps({"feature_size": SIZE + 1}))
    with pytest.raises(AppError, match="do not fit"):
        load_concepts(tmp_path)


def test_litert_gives_the_same(tmp_path, features):
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    net = make_net()

    def look(features):
        seen, odds = net.look(features)
        return {"said": seen.said, "there": seen.there, "where": net.where(odds)}

    module = tf.Module()
    module.net, module.tracked = net, [weight.value for weight in net.weights]
    spec = tf.TensorSpec((None, REGIONS, SIZE), tf.float32, "features")
    module.look = tf.function(look).get_concrete_function(spec)
    tf.saved_model.save(module, str(tmp_path), signatures={"look": module.look})
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path), signature_keys=["look"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    run = Interpreter(model_content=converter.convert()).get_signature_runner()
    found = run(features=features)
    for name, expected in look(features).items():
        np.testing.assert_allclose(found[name], expected, atol=1e-4)
