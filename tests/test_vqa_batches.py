import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from shared.concepts.imagined import Imagined
from shared.data.mixing import Order
from shared.runs.photos import Viewer, look_up
from shared.runs.recipes import EncoderConfig
from shared.text.vocabulary import EOS, PAD, SPECIAL_WORDS, UNK, Vocabulary
from shared.vision.features import Features
from shared.vision.images import read_image
from vqa.config import (
    NetConfig,
    StageConfig,
    VocabularyConfig,
    VqaConfig,
)
from vqa.data import Record
from vqa.questions.question import Question
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts
from vqa.text.words import MAX_ANSWER_WORDS, answer_words, encode_answers
from vqa.training.batches import (
    DOUBT,
    Drawn,
    Questions,
    Texts,
    all_batches,
    draw_batches,
)
from vqa.training.texts import TextSource

SIZE = 16
WORDS = ["a", "b", "c", "up", "what", "is", "on"]
VOCABULARY = Vocabulary([*SPECIAL_WORDS, "left", "right", "the", *WORDS])
SPACE = AnswerSpace(["left", "right", "up", "on left", "on right", "left b", "2"])
STRAIGHT, TURNED = np.array([False]), np.array([True])


def recipe(objective="answers", loss="softmax"):
    return VqaConfig(
        encoder=EncoderConfig(name="small", weights="none", image_size=32),
        vocabulary=VocabularyConfig(max_words=5),
        net=NetConfig(units=4, embed_dim=4, question_units=4, joint_units=4),
        objective=objective,
        loss=loss,
        stages=(StageConfig(name="only", epochs=1, learning_rate=0.1),),
    )


class Photo:
    def __init__(self, seed):
        self.name = f"{seed}.png"
        pixels = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.content = file.getvalue()

    def read_bytes(self):
        return self.content


def record(question, answers=(), photo=0, **more):
    answers = (answers,) if isinstance(answers, str) else answers
    name = f"{photo}.png"
    return Record(name, Photo(photo), question, answers, "train", question, **more)


def take(records, chosen=None, mirrored=STRAIGHT, sizes=None, **changes):
    """Questions about one photo as a batch of one, with that axis cut off."""
    config = recipe(**changes)
    space = SPACE if config.objective == "answers" else None
    questions = Questions(records, VOCABULARY, space, config, sizes)
    chosen = range(len(records)) if chosen is None else chosen
    drawn = questions.take([np.array(chosen)], mirrored)
    inputs = {name: array[0] for name, array in drawn.inputs.items()}
    return inputs, drawn.targets[0], drawn.weights[0]


def ids(text):
    return VOCABULARY.to_ids(text.split())


def test_questions_become_padded_ids():
    asked = ["What is left?", "a zebra", "a b c a b c a"]
    inputs, _, _ = take([record(question, "up") for question in asked])
    assert inputs["tokens"].dtype == np.int32
    assert inputs["tokens"].tolist() == [
        [*ids("what is left"), EOS, PAD],
        [*ids("a zebra"), EOS, PAD, PAD],
        ids("a b c a b"),
    ]


def test_photos_come_in_the_order_of_their_first_questions():
    records = [record(f"a {i}", "up", photo) for i, photo in enumerate([3, 1, 3, 2, 1])]
    questions = Questions(records, VOCABULARY, SPACE, recipe())
    assert [photo.name for photo in questions.photos] == ["3.png", "1.png", "2.png"]
    assert [rows.tolist() for rows in questions.members] == [[0, 2], [1, 4], [3]]
    assert len(questions) == 5


def test_targets_are_the_answer_that_most_people_gave():
    records = [
        record("a", "Left."),
        record("b", ("up", "right", "right")),
        record("c", ("purple",), weight=2.0),
        record("a b", ("two", "purple")),
        record("a c", (), weight=3.0),
    ]
    _, targets, weights = take(records, [0, 1, 2, 3, 4, -1])
    assert targets.dtype == weights.dtype == np.float32
    assert [row.nonzero()[0].tolist() for row in targets] == [[0], [1], [], [6], [], []]
    assert targets.sum() == 3
    # Nothing to learn: unknown answers, no answers, no question.
    assert weights.tolist() == [1, 1, 0, 1, 0, 0]


def test_questions_weigh_what_the_data_says():
    records = [record("a", "up", weight=0.25), record("b", "up", weight=4.0)]
    assert take(records)[2].tolist() == [0.25, 4.0]


def test_soft_targets_are_by_how_many_people_gave_an_answer():
    people = ("left",) * 5 + ("right",) * 2 + ("up",) + ("purple",) * 2
    records = [record("a", people), record("b", ("purple",) * 10)]
    _, targets, weights = take(records, loss="soft")
    np.testing.assert_allclose(targets[0], [1, 2 / 3, 1 / 3, 0, 0, 0, 0], atol=1e-6)
    assert weights.tolist() == [1, 0]


def test_a_mirror_exchanges_left_and_right_in_words_and_answers():
    records = [
        record("is left on the right", "left"),
        record("what is up", "on right"),
        record("a", "up"),
        record("b", "left b"),  # nobody answered "right b"
    ]
    inputs, targets, weights = take(records, mirrored=TURNED)
    assert inputs["tokens"][0].tolist() == ids("is right on the left")
    assert inputs["tokens"][1].tolist() == [*ids("what is up"), EOS, PAD]
    assert targets[:3].argmax(-1).tolist() == [1, 3, 2]
    assert targets[3].sum() == 0
    assert weights.tolist() == [1, 1, 1, 0]


def test_a_mirror_turned_back_changes_nothing():
    people = ("left",) * 3 + ("on right", "up")
    records = [record("is it left or right", people), record("what", "right")]
    config = recipe(loss="soft")
    questions = Questions(records, VOCABULARY, SPACE, config)
    plain = questions.take([np.array([0, 1, -1])], STRAIGHT)
    drawn = questions.take([np.array([0, 1, -1])], TURNED)
    assert (drawn.inputs["tokens"] != plain.inputs["tokens"]).any()
    questions.mirror.turn(drawn.inputs, drawn.targets, TURNED)
    np.testing.assert_array_equal(drawn.inputs["tokens"], plain.inputs["tokens"])
    np.testing.assert_array_equal(drawn.targets, plain.targets)


def test_photos_are_mirrored_each_by_itself():
    records = [record("left", "left", 0), record("left", "left", 1)]
    questions = Questions(records, VOCABULARY, SPACE, recipe())
    drawn = questions.take([np.array([0]), np.array([1])], np.array([False, True]))
    assert drawn.inputs["tokens"][:, 0, 0].tolist() == ids("left right")
    assert drawn.targets[:, 0].argmax(-1).tolist() == [0, 1]


def test_a_side_whose_other_is_unknown_becomes_unknown_in_a_mirror():
    words = Vocabulary([*SPECIAL_WORDS, "left", "a"])
    questions = Questions([record("a left", "up")], words, SPACE, recipe())
    tokens = questions.take([np.array([0])], TURNED).inputs["tokens"]
    assert tokens[0, 0].tolist() == [5, UNK, EOS, PAD, PAD]


def test_choices_are_their_words():
    records = [
        record("a", choices=("left", "a b c", "zebra"), right=1),
        record("b", choices=("up_a", "?"), right=0),
        record("c", choices=("a", "b", "c", "left"), right=None),
    ]
    inputs, targets, weights = take(records, [0, 1, 2, -1], objective="choices")
    left, right, a, b, c = ids("left right a b c")
    pad = [PAD] * 3
    assert inputs["choices"].tolist() == [
        [[left, PAD, PAD], [a, b, c], [UNK, PAD, PAD], pad],
        [[*ids("up a"), PAD], [UNK, PAD, PAD], pad, pad],
        [[a, PAD, PAD], [b, PAD, PAD], [c, PAD, PAD], [left, PAD, PAD]],
        [pad] * 4,
    ]
    assert targets.argmax(-1)[:2].tolist() == [1, 0]
    assert weights.tolist() == [1, 1, 0, 0]
    turned, same, _ = take(records, [0, 1, 2, -1], TURNED, objective="choices")
    np.testing.assert_array_equal(same, targets)  # the right one stays in its place
    assert turned["choices"][0, 0, 0] == turned["choices"][2, 3, 0] == right
    assert (turned["choices"] != inputs["choices"]).sum() == 2


def test_boxes_are_shares_of_the_photo():
    records = [
        record("a", boxes=((20, 10, 60, 50), (0, 0, 200, 100)), right=1),
        record("b", boxes=((-5, 90, 120, 130),), right=0),
    ]
    sizes = {"0.png": (200, 100)}
    chosen = [0, 1, -1]
    inputs, targets, weights = take(records, chosen, sizes=sizes, objective="boxes")
    none = [0, 0, 0, 0]
    expected = [
        [[0.1, 0.1, 0.3, 0.5], [0, 0, 1, 1]],
        [[0, 0.9, 0.6, 1], none],
        [none, none],
    ]
    np.testing.assert_allclose(inputs["choices"], expected, atol=1e-6)
    assert weights.tolist() == [1, 1, 0]
    turned, same, _ = take(records, chosen, TURNED, sizes, objective="boxes")
    expected = [
        [[0.7, 0.1, 0.9, 0.5], [0, 0, 1, 1]],
        [[0.4, 0.9, 1, 1], none],
        [none, none],
    ]
    np.testing.assert_allclose(turned["choices"], expected, atol=1e-6)
    np.testing.assert_array_equal(same, targets)


def test_answers_become_words():
    assert answer_words("Desk_lamp, t-shirt") == ["desk", "lamp", "t-shirt"]
    long = "a " * 30
    encoded = encode_answers(["left", "?", long], VOCABULARY)
    assert encoded.dtype == np.int32
    assert encoded.shape == (3, MAX_ANSWER_WORDS)
    assert encoded[0].tolist() == [*ids("left"), *[PAD] * 11]
    assert encoded[1, 0] == UNK  # every answer has a word
    assert encode_answers([], VOCABULARY).shape == (0, 2)
    alone = encode_answers(["left"], VOCABULARY)  # padded, for LiteRT's converter
    assert alone.tolist() == [[*ids("left"), PAD]]


@pytest.fixture
def features():
    array = np.arange(7 * 2 * 3 * 4).reshape(7, 2, 3, 4).astype(np.float16)
    return Features(array, {})


def seven():
    """Seven photos with one to seven questions; the first word tells whose."""
    records = [
        record(f"{WORDS[photo]} {WORDS[n]}", "up", photo)
        for photo in range(7)
        for n in range(photo + 1)
    ]
    return Questions(records, VOCABULARY, SPACE, recipe())


def epoch(look, seeds=(1, 0, 0), start=0, **changes):
    steps = Order(np.ones(7, int), 2, "texts" in changes).walk(seeds, start)
    options = {"count": 3, "mirror": True, **changes}
    return list(draw_batches(steps, look, seven(), **options))


def same(first, second):
    for (one, drawn), (other, again) in zip(first, second, strict=True):
        pairs = [*zip(drawn, again, strict=True)][1:]
        pairs += [(one[key], other[key]) for key in one]
        pairs += [(drawn.inputs[key], again.inputs[key]) for key in drawn.inputs]
        if not all(np.array_equal(a, b) for a, b in pairs):
            return False
    return True


def test_the_order_depends_on_the_seeds_alone(features):
    look = look_up(features)
    assert same(epoch(look), epoch(look))
    for seeds in ((2, 0, 0), (1, 1, 0), (1, 0, 1)):
        assert not same(epoch(look), epoch(look, seeds))


def test_an_epoch_can_be_gone_on_with(features):
    for look in (look_up(features), pictures(augment=True)):
        whole = epoch(look)
        assert len(whole) == 3
        for start in range(4):
            assert same(epoch(look, start=start), whole[start:])


def pictures(augment=False):
    viewer = Viewer(SimpleNamespace(image_size=SIZE), "squash", None)
    return viewer.look_anew([Photo(i) for i in range(7)], augment)


def test_each_photo_has_its_own_questions(features):
    photos = seven()
    seen = set()
    for batch, drawn in epoch(look_up(features), mirror=False):
        assert drawn.inputs["tokens"].shape == (2, 3, 5)
        for b in range(2):
            (photo,) = np.flatnonzero(
                (features.array[:, 0] == batch["features"][b]).all((1, 2))
            )
            seen.add(photo)
            asked = {tuple(row) for row in drawn.inputs["tokens"][b] if row.any()}
            members = photos.tokens[photos.members[photo]]
            assert len(asked) == min(3, len(members))  # drawn once each
            assert asked <= {tuple(row) for row in members}
            assert {VOCABULARY.words[row[0]] for row in asked} == {WORDS[photo]}
    assert len(seen) == 6


def test_mirrored_photos_have_the_features_of_their_mirror_image(features):
    views = set()
    for epoch_number in range(8):
        for batch, _ in epoch(look_up(features), (1, 0, epoch_number)):
            for row in batch["features"]:
                found = np.argwhere((features.array == row).all((2, 3)))
                assert len(found) == 1
                views.add(int(found[0, 1]))
    assert views == {0, 1}
    for batch, _ in epoch(look_up(features), mirror=False):
        for row in batch["features"]:
            assert (features.array[:, 0] == row).all((1, 2)).any()


def test_mirrored_questions_go_with_mirrored_photos():
    records = [record("left", "left", photo) for photo in range(7)]
    questions = Questions(records, VOCABULARY, SPACE, recipe())
    images = [read_image(Photo(i), SIZE) for i in range(7)]
    turns = set()
    for number in range(4):
        steps = Order(np.ones(7, int), 2).walk([number])
        for batch, drawn in draw_batches(steps, pictures(), questions, 1, mirror=True):
            for image, tokens in zip(
                batch["images"], drawn.inputs["tokens"], strict=True
            ):
                turned = tokens[0, 0] == VOCABULARY.ids["right"]
                turns.add(bool(turned))
                shown = image[:, ::-1] if turned else image
                assert any(np.array_equal(shown, one) for one in images)
    assert turns == {True, False}


@pytest.mark.parametrize(("size", "count"), [(2, 3), (3, 1), (7, 7), (1, 2)])
def test_all_questions_are_gone_through_once(features, size, count):
    questions, seen = seven(), []
    for rows, batch, drawn in all_batches(
        look_up(features), questions, batch_size=size, count=count
    ):
        assert rows.shape == (size, count)
        assert batch["features"].shape == (size, 3, 4)
        assert drawn.inputs["tokens"].shape == (size, count, 5)
        for b, n in np.argwhere(rows >= 0):
            row = rows[b, n]
            seen.append(row)
            np.testing.assert_array_equal(
                drawn.inputs["tokens"][b, n], questions.tokens[row]
            )
            (photo,) = (i for i, m in enumerate(questions.members) if row in m)
            np.testing.assert_array_equal(
                batch["features"][b], features.array[photo, 0]
            )
        assert (drawn.weights[rows < 0] == 0).all()
    assert sorted(seen) == list(range(28))


CONCEPTS = Concepts(["cat", "dog", "grass"])


def test_questions_tell_which_concepts_they_mention():
    records = [record("is it a dog or a cat?", "up"), record("what is up?", "up")]
    questions = Questions(records, VOCABULARY, SPACE, recipe(), concepts=CONCEPTS)
    drawn = questions.take([np.array([1, 0, -1])], STRAIGHT)
    found = [[0, 0, 0, 0], [2, 1, 0, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(drawn.inputs["asked"], [found])
    assert drawn.inputs["asked"].dtype == np.int32


def test_what_may_be_there_is_not_denied():
    asked = np.array([[[1, 0], [2, 0], [1, 2], [0, 0]]] * 2, np.int32)
    denies = np.array([[True, True, True, True], [False] * 4])
    drawn = Drawn({"asked": asked}, None, np.ones((2, 4), np.float32), denies)
    there = np.array([[DOUBT + 0.1, DOUBT - 0.1, 0.9]] * 2)
    found = drawn.believe(there).weights
    np.testing.assert_array_equal(found, [[0, 1, 0, 1], [1, 1, 1, 1]])


def test_only_made_up_denials_are_doubted():
    rows = [
        record("a dog?", "no", question_type="presence"),
        record("a dog?", "yes", question_type="presence"),
        record("a dog?", "no"),
    ]
    questions = Questions(rows, VOCABULARY, SPACE, recipe(), concepts=CONCEPTS)
    assert questions.denies.tolist() == [True, False, False]
    drawn = questions.take([np.array([0, 1, 2, -1])], STRAIGHT)
    assert drawn.denies.tolist() == [[True, False, False, False]]


def texts():
    """Two captions that a photo of a cat stands in for."""
    told = np.zeros((3, 3, 2), np.float32)
    told[0] = [(0.9, 0.8), (0.1, 0.2), (0.3, 0.4)]
    source = TextSource(
        ["a cat", "a dog"],
        [
            [Question("naming", "what is up?", "left", 1.0)],
            [
                Question("naming", "what is a?", "right", 0.5),
                Question("presence", "a cat?", "no", 1.0),
                Question("naming", "what?", "unknown", 1.0),
            ],
        ],
    )
    space = AnswerSpace(["left", "right", "no"])
    imagined = Imagined(told, [[[0]], [], []])
    return Texts([source], VOCABULARY, space, recipe(), CONCEPTS, imagined)


def test_captions_without_photos_become_questions_about_made_up_ones():
    batch, drawn = texts().draw(40, 3, np.random.default_rng(0))
    assert set(batch) == {"said", "there"}
    assert batch["said"].shape == batch["there"].shape == (40, 3)
    assert drawn.inputs["tokens"].shape == (40, 3, 5)
    cats = batch["said"][:, 0] == np.float32(0.9)
    assert 5 < cats.sum() < 35
    for row in range(40):
        said = drawn.weights[row].nonzero()[0]
        answers = drawn.targets[row][said].argmax(axis=-1)
        if cats[row]:
            assert answers.tolist() == [0]
        else:  # what the dog has taken over is told of no cat any more
            assert batch["said"][row, 1] == np.float32(0.9)
            assert sorted(answers) == [1, 2]
            weights = dict(zip(answers, drawn.weights[row][said], strict=True))
            assert weights == {1: 0.5, 2: 1.0}


def test_texts_depend_on_the_seed_alone():
    draws = [texts().draw(9, 2, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert same(draws[:1], draws[1:2])
    assert not same(draws[:1], draws[2:])


def test_questions_without_photos_follow_those_about_photos(features):
    look = look_up(features)
    found = epoch(look, texts=texts(), texts_count=3)
    assert len(found) == 6
    for place, (batch, drawn) in enumerate(found):
        assert ("said" in batch) == (place % 2 == 1)
        if place % 2:  # three captions, 6 questions of each
            assert drawn.inputs["tokens"].shape == (3, 6, 5)
    photos = [pair for pair in found if "features" in pair[0]]
    assert same(found[2:], epoch(look, texts=texts(), texts_count=3, start=2))
    assert len(photos) == 3
