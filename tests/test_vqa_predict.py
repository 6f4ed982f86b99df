"""A VQA model of random weights at work: order, errors, choices, boxes, doubts."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import (
    VQA_CONCEPTS,
    VQA_SPACE,
    VQA_VOCABULARY,
    fake_answerer,
    photo,
    tiny_vqa_config,
    tiny_vqa_model,
    write_tiny_vqa,
)
from keras import ops
from PIL import Image

from shared.bundles import litert
from shared.concepts.graph import CONCEPTS
from shared.errors import AppError
from shared.nets.export import trace, write_litert
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words
from vqa import load_model
from vqa.answering import predict
from vqa.answering.photo_answerer import ANSWERING, PHOTOS_AHEAD, PhotoAnswerer
from vqa.answering.predict import load_bundle, load_vqa
from vqa.answering.replies import NOT_SURE, Asked
from vqa.jobs.export import trace_graphs
from vqa.net.runtime_keras import KerasRuntime
from vqa.net.runtime_litert import LiteRTRuntime
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts

COLOR, MANY, IS_IT = "What color is the hat?", "How many?", "Is it red?"
BOXES = ((0, 0, 1, 1), (0.1, 0.2, 0.4, 0.9), (0.5, 0.5, 1, 1))

pytestmark = pytest.mark.usefixtures("small_net")


@pytest.fixture(scope="module")
def model(small_net):
    return tiny_vqa_model(tiny_vqa_config())


@pytest.fixture(scope="module")
def answerer(model):
    return with_keras(tiny_vqa_config(), model)


@pytest.fixture(scope="module")
def chooser(small_net):
    config = tiny_vqa_config("choices", hops=1)
    return with_keras(config, tiny_vqa_model(config))


@pytest.fixture(scope="module")
def pointer(small_net):
    config = tiny_vqa_config("boxes")
    return with_keras(config, tiny_vqa_model(config))


@pytest.fixture(scope="module")
def unusual(unusual_net):
    config = tiny_vqa_config("boxes", encoder="strips", cell="plain")
    return with_keras(config, tiny_vqa_model(config))


@pytest.fixture(scope="module")
def told(small_net):
    config = tiny_vqa_config(concepts={"slots": 3, "units": 6})
    return with_keras(config, tiny_vqa_model(config))


def with_keras(config, model):
    space = VQA_SPACE if config.objective == "answers" else None
    concepts = Concepts(VQA_CONCEPTS) if config.concepts else None
    return PhotoAnswerer(config, VQA_VOCABULARY, space, KerasRuntime(model), concepts)


def changed(answerer, **answering):
    """The same with other temperatures or doubts."""
    config = answerer.config
    answering = config.answering.model_copy(update=answering)
    config = config.model_copy(update={"answering": answering})
    return PhotoAnswerer(config, VQA_VOCABULARY, answerer.space, answerer.runtime)


def as_arrays(answerer, source, question):
    """Inputs of the model itself."""
    words = split_words(question)
    tokens = VQA_VOCABULARY.encode(words, answerer.config.vocabulary.max_words)
    return {"images": answerer.read(source)[None], "tokens": tokens[None, None]}


def scores_of(answerer, source, question, choices=None):
    inputs = as_arrays(answerer, source, question)
    if choices is not None:
        inputs["choices"] = np.asarray(choices)[None, None]
    found = answerer.runtime.model(inputs)
    return [ops.convert_to_numpy(scores)[0, 0] for scores in found]


def softmax(scores):
    raised = np.exp(scores.astype(float) - scores.max())
    return raised / raised.sum()


def by_text(answers):
    return {answer.text: answer.confidence for answer in answers}


def test_a_reply_ranks_the_answers_of_the_model(answerer):
    best = set()
    for seed in range(6):
        reply = answerer.ask(photo(seed), COLOR, blind=True)
        confidence = [answer.confidence for answer in reply.answers]
        assert confidence == sorted(confidence, reverse=True)
        assert (reply.answer, reply.confidence) == reply.answers[0]
        seen, guessed = scores_of(answerer, photo(seed), COLOR)
        for answers, scores in ((reply.answers, seen), (reply.guesses, guessed)):
            expected = dict(zip(VQA_SPACE.answers, softmax(scores), strict=True))
            assert by_text(answers) == pytest.approx(expected, abs=1e-4)
        assert reply.attention.shape == (2, 16)
        assert reply.attention.dtype == np.float32
        np.testing.assert_allclose(reply.attention.sum(1), 1, atol=1e-5)
        assert reply.notes == ()
        best.add(reply.answer)
    assert len(best) > 1  # it sees its photos


def test_a_model_with_concepts_answers_by_what_the_question_mentions(told):
    model = told.runtime.model
    for seed in range(3):
        for question in (COLOR, "is the dog red?", MANY):
            arrays = as_arrays(told, photo(seed), question)
            mentioned = Concepts(VQA_CONCEPTS).find(split_words(question))
            found = model({**arrays, "asked": mentioned[None, None]})
            (expected, _) = (ops.convert_to_numpy(scores)[0, 0] for scores in found)
            reply = told.ask(photo(seed), question)
            expected = dict(zip(VQA_SPACE.answers, softmax(expected), strict=True))
            assert by_text(reply.answers) == pytest.approx(expected, abs=1e-4)


def test_a_bundle_with_concepts_answers_as_before(told, tmp_path):
    bundle = write_tiny_vqa(tmp_path / "bundle", told.config, told.runtime.model)
    loaded = load_vqa(bundle, runtime="keras")
    assert loaded.concepts.words == VQA_CONCEPTS
    first, second = (one.ask(photo(0), COLOR) for one in (told, loaded))
    assert by_text(second.answers) == pytest.approx(by_text(first.answers), abs=0.01)
    (bundle / "concepts.tsv").unlink()
    with pytest.raises(AppError, match=r"concepts\.tsv"):
        load_vqa(bundle, runtime="keras")


def test_the_twin_guesses_the_same_of_every_photo(answerer):
    first, second = (answerer.ask(photo(s), COLOR, blind=True) for s in (0, 1))
    assert first.guesses == second.guesses
    assert first.answers != second.answers
    assert answerer.ask(photo(0), COLOR).guesses == ()


def test_temperatures_make_it_less_bold(answerer):
    warm = changed(answerer, temperature=4.0, blind_temperature=8.0)
    reply = warm.ask(photo(1), COLOR, blind=True)
    seen, guessed = scores_of(answerer, photo(1), COLOR)
    for answers, scores in ((reply.answers, seen / 4), (reply.guesses, guessed / 8)):
        expected = dict(zip(VQA_SPACE.answers, softmax(scores), strict=True))
        assert by_text(answers) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_as_many_answers_are_given_as_asked_for(answerer, count):
    reply = answerer.ask(photo(0), COLOR, count=count, blind=True)
    assert len(reply.answers) == len(reply.guesses) == min(count, 5)
    assert reply.answers == answerer.ask(photo(0), COLOR).answers[:count]


def test_no_answer_at_all_is_a_mistake_of_the_program(answerer):
    with pytest.raises(ValueError, match=r"at least 1. Received: count=0"):
        answerer.ask(photo(0), COLOR, count=0)


def test_below_its_threshold_it_is_not_sure(answerer):
    reply = answerer.ask(photo(0), COLOR)
    for unsure, expected in (
        (reply.confidence - 1e-4, reply.answer),
        (reply.confidence + 1e-4, NOT_SURE),
    ):
        found = changed(answerer, unsure=unsure).ask(photo(0), COLOR)
        assert found.answer == expected
        assert (found.confidence, found.answers) == (reply.confidence, reply.answers)
    doubtful = changed(answerer, unsure=0.99)
    assert doubtful.ask(photo(0), COLOR, choices=("red", "no")).answer != NOT_SURE


def test_each_answer_may_be_judged_by_itself(model):
    config = tiny_vqa_config(loss="soft")
    soft = with_keras(config, model)
    reply = soft.ask(photo(2), COLOR)
    seen, _ = scores_of(soft, photo(2), COLOR)
    expected = dict(zip(VQA_SPACE.answers, 1 / (1 + np.exp(-seen)), strict=True))
    assert by_text(reply.answers) == pytest.approx(expected, abs=1e-4)
    for choices in (("red", "no"), ("red", "dog")):  # known, and one that is not
        reply = soft.ask(photo(2), COLOR, choices=choices)
        assert sum(by_text(reply.answers).values()) == pytest.approx(1)


def test_known_choices_are_ranked_as_the_answers_they_are(answerer):
    reply = answerer.ask(
        photo(3), COLOR, choices=("Blue hat!", "no", "two"), blind=True
    )
    seen, guessed = scores_of(answerer, photo(3), COLOR)
    for answers, scores in ((reply.answers, seen), (reply.guesses, guessed)):
        confidence = softmax(scores[[3, 1, 4]])  # "two" is the answer "2"
        expected = dict(zip(("Blue hat!", "no", "two"), confidence, strict=True))
        assert by_text(answers) == pytest.approx(expected, abs=1e-4)


def test_of_unknown_choices_the_words_count(answerer):
    choices = ("red", "blue dog", "zebra's hat")
    reply = answerer.ask(photo(3), COLOR, choices=choices, blind=True)
    ids = VQA_VOCABULARY.ids
    words = [
        [ids["red"], 0, 0],
        [ids["blue"], ids["dog"], 0],
        [1, ids["'s"], ids["hat"]],
    ]
    scores = scores_of(answerer, photo(3), COLOR, np.array(words, np.int32))
    for answers, row in zip((reply.answers, reply.guesses), scores, strict=True):
        expected = dict(zip(choices, softmax(row), strict=True))
        assert by_text(answers) == pytest.approx(expected, abs=1e-4)


CHOICES = {
    # choices: those that are left, and a part of each note
    ("red", "zebra", "no"): (("red", "no"), ["no word of the choice 'zebra', so it"]),
    ("red", "no", "a gnu"): (("red", "no"), ["no word of the choice 'a gnu'"]),
    ("red", "colur", "no"): (("red", "no"), ["'colur' (it knows color), so"]),
    ("red", "", "no", "?!"): (("red", "no"), ["'' has no word", "'?!' has no word"]),
    ("A red", "no", "red."): (("A red", "no"), ["'A red' and 'red.' are the same"]),
    ("blue zebra", "no"): (("blue zebra", "no"), ["the word 'zebra'"]),
    ("hats", "no"): (("hats", "no"), ["'hats'; it reads 'hat' instead"]),
    ("2", "no", "-2"): (("2", "no"), ["no word of the choice '-2'"]),
}


@pytest.mark.parametrize("choices", CHOICES)
def test_what_a_model_knows_of_choices_is_ranked_and_the_rest_named(answerer, choices):
    left, parts = CHOICES[choices]
    reply = answerer.ask(photo(3), COLOR, choices=choices, blind=True)
    assert by_text(reply.answers).keys() == by_text(reply.guesses).keys() == {*left}
    assert sum(by_text(reply.answers).values()) == pytest.approx(1)
    assert len(reply.notes) == len(parts)
    for note, part in zip(reply.notes, parts, strict=True):
        assert part in note
    (again,) = answerer.answer(answerer.look(photo(3)), [Asked(COLOR, choices)])
    assert again.answers == reply.answers


def test_one_known_choice_is_judged_among_all_answers(answerer):
    everything = by_text(answerer.ask(photo(3), COLOR).answers)
    reply = answerer.ask(photo(3), COLOR, choices=("red", "zebra", "gnu"))
    assert by_text(reply.answers) == {"red": pytest.approx(everything["red"])}
    assert "among all its answers" in reply.notes[-1]
    doubtful = changed(answerer, unsure=0.99)
    assert doubtful.ask(photo(3), COLOR, choices=("red", "gnu")).answer == NOT_SURE
    reply = answerer.ask(photo(3), COLOR, choices=("blue dog", "zebra"))
    assert "says nothing" in reply.notes[-1]


def test_a_model_that_chooses_ranks_any_choices(chooser):
    choices = ("a red hat", "blue", "the dog's")
    reply = chooser.ask(photo(1), COLOR, choices=choices, blind=True)
    assert by_text(reply.answers).keys() == by_text(reply.guesses).keys() == {*choices}
    assert sum(by_text(reply.answers).values()) == pytest.approx(1)
    turned = chooser.ask(photo(1), COLOR, choices=choices[::-1])
    assert by_text(turned.answers) == pytest.approx(by_text(reply.answers), abs=1e-5)
    other = chooser.ask(photo(2), COLOR, choices=choices, blind=True)
    assert by_text(other.answers) != by_text(reply.answers)
    assert other.guesses == reply.guesses


def test_a_model_that_points_ranks_boxes(pointer):
    reply = pointer.ask(photo(1), COLOR, boxes=BOXES, blind=True)
    scores = scores_of(pointer, photo(1), COLOR, np.array(BOXES, np.float32))
    for answers, row in zip((reply.answers, reply.guesses), scores, strict=True):
        expected = dict(zip("012", softmax(row), strict=True))
        assert by_text(answers) == pytest.approx(expected, abs=1e-4)
    (only,) = pointer.ask(photo(1), COLOR, boxes=BOXES[:1]).answers
    assert only == ("0", 1.0)


REFUSED = {
    r"has no word in it": ("answerer", {"question": "?!"}),
    r"2001 letters; at most 2000": ("answerer", {"question": "a" * 2001}),
    r"at least two different choices": ("answerer", {"choices": ("red", "red")}),
    r"at least two different": ("answerer", {"choices": ("red", "Red!", "a red", "?")}),
    r"no word of the choices 'zebra', 'a gnu', so it cannot": (
        "answerer",
        {"choices": ("zebra", "a gnu")},
    ),
    r"boxes need one that was trained to point": ("answerer", {"boxes": BOXES}),
    r"give some with --choices": ("chooser", {}),
    r"trained to point": ("chooser", {"boxes": BOXES}),
    r"none were given": ("pointer", {}),
    r"Box 1 .*\(10, 20, 30, 40\).* no part of the photo": (
        "pointer",
        {"boxes": (BOXES[0], (10, 20, 30, 40))},
    ),
    r"Box 0 .*\(0.5, 0, 0.5, 1\)": ("pointer", {"boxes": ((0.5, 0, 0.5, 1),)}),
}


@pytest.mark.parametrize("match", REFUSED)
def test_what_cannot_be_asked_is_refused_before_the_photo_is_read(
    match, request, monkeypatch
):
    name, options = REFUSED[match]
    asked = {"question": COLOR, **options}
    answerer = request.getfixturevalue(name)
    monkeypatch.setattr(answerer, "read", lambda _: pytest.fail("it was read"))
    with pytest.raises(AppError, match=match):
        answerer.ask("photo.jpg", **asked)
    with pytest.raises(AppError, match=match):
        answerer.check(Asked(**asked))


def test_boxes_may_reach_over_the_edge(pointer):
    whole = pointer.ask(photo(1), COLOR, boxes=((-0.01, 0, 1.2, 1), BOXES[1]))
    reply = pointer.ask(photo(1), COLOR, boxes=BOXES[:2])
    assert by_text(whole.answers) == pytest.approx(by_text(reply.answers), abs=1e-5)


@pytest.mark.parametrize(
    ("question", "notes"),
    [
        (COLOR, []),
        ("What colour is the hat?", ["'colour'; it reads 'color' instead."]),
        ("Where is the dog?", ["'where'", "questions that start with 'where is'"]),
        ("How many hat hat hat hat hat?", ["first 6 words; the question has 7"]),
        ("Zebra?", ["'zebra'", "It knows no word of the question"]),
    ],
)
def test_notes_say_what_about_the_question_is_new(answerer, question, notes):
    knowing = changed(answerer, openings=("what color", "how many"))
    reply = knowing.ask(photo(0), question)
    assert len(reply.notes) == len(notes)
    for sentence, part in zip(reply.notes, notes, strict=True):
        assert part in sentence


def test_questions_about_a_photo_are_answered_one_by_one(answerer):
    asked = [
        Asked(COLOR),
        Asked("?"),
        Asked(IS_IT, ("yes", "no")),
        Asked(COLOR, boxes=BOXES),
        *(Asked(MANY, ("2", f"{word} dog")) for word in ("red", "blue")),
        *[Asked(IS_IT)] * 9,
    ]
    features = answerer.look(photo(4))
    replies = answerer.answer(features, asked, blind=True)
    assert len(replies) == len(asked)
    for one, reply in zip(asked, replies, strict=True):
        if one == Asked("?") or one.boxes:
            assert isinstance(reply, AppError)
            continue
        alone = answerer.ask(photo(4), one.question, choices=one.choices, blind=True)
        for name in ("answers", "guesses"):
            found, expected = (by_text(getattr(r, name)) for r in (reply, alone))
            assert found == pytest.approx(expected, abs=1e-5)
        np.testing.assert_allclose(reply.attention, alone.attention, atol=1e-5)
    assert answerer.answer(features, []) == []
    assert [type(e) for e in answerer.answer(features, [Asked("")] * 2)] == [
        AppError
    ] * 2


def items(seeds):
    return [
        (photo(seed), [Asked(COLOR), Asked(IS_IT, ("yes", "no"))]) for seed in seeds
    ]


def test_all_photos_are_answered_in_order(answerer):
    asked = items(range(21))
    found = list(answerer.ask_all(asked, count=2))
    for (source, replies), (expected, _) in zip(found, asked, strict=True):
        assert source is expected
        color, is_it = replies
        alone = answerer.ask(source, COLOR, count=2)
        assert by_text(color.answers) == pytest.approx(by_text(alone.answers), abs=1e-5)
        assert {answer.text for answer in is_it.answers} == {"yes", "no"}
    assert list(answerer.ask_all([])) == []
    assert [r for _, r in answerer.ask_all([(photo(0), [])])] == [[]]


def test_broken_photos_do_not_stop_the_others(answerer, tmp_path):
    (tmp_path / "empty.jpg").touch()
    sources = [photo(0), b"no image", tmp_path / "empty.jpg", "gone.png", photo(1)]
    found = list(answerer.ask_all((s, [Asked(COLOR), Asked("?")]) for s in sources))
    assert [s is source for (s, _), source in zip(found, sources, strict=True)]
    for place, (_, (first, second)) in enumerate(found):
        assert isinstance(second, AppError)
        assert isinstance(first, AppError) is (place in (1, 2, 3))
    assert "gone.png" in str(found[3][1][0])
    assert "no word" in str(found[4][1][1])
    with pytest.raises(AppError, match="not an image"):
        answerer.ask(b"no image", COLOR)


def test_sources_are_taken_as_they_are_needed(answerer):
    taken = []

    def sources():
        for item in items(range(100)):
            taken.append(item)
            yield item

    before = set(threading.enumerate())
    found = answerer.ask_all(sources())
    assert taken == []
    for count in range(1, 4):
        next(found)
        assert len(taken) <= count + ANSWERING + PHOTOS_AHEAD
    found.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_a_mistake_in_the_program_is_not_hidden(answerer):
    def sources():
        yield photo(0), [Asked(COLOR)]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(answerer.ask_all(sources()))
    with pytest.raises(ValueError, match="image array"):
        list(answerer.ask_all([(np.zeros((3, 3, 7), np.uint8), [Asked(COLOR)])]))


def test_threads_may_share_a_model(model):
    fresh = with_keras(tiny_vqa_config(), model)
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda s: fresh.ask(photo(s % 5), COLOR, blind=True), range(40))
        )
    for seed, reply in enumerate(found):
        alone = fresh.ask(photo(seed % 5), COLOR)
        assert by_text(reply.answers) == pytest.approx(by_text(alone.answers), abs=1e-5)


def test_a_photo_may_be_a_path_bytes_or_an_array(answerer, tmp_path):
    image = Image.fromarray(photo(4))
    image.save(tmp_path / "a.png")
    expected = answerer.ask(photo(4), COLOR).answers
    data = (tmp_path / "a.png").read_bytes()
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), data, image):
        assert answerer.ask(source, COLOR).answers == expected


@pytest.fixture(scope="module")
def bundle(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict") / "bundle"
    return write_tiny_vqa(folder, tiny_vqa_config(), model)


def test_a_bundle_answers_as_its_model_does(bundle, answerer):
    loaded = load_vqa(bundle)
    assert loaded.config == answerer.config
    assert loaded.space.answers == VQA_SPACE.answers
    for seed in range(3):
        first, second = (a.ask(photo(seed), COLOR) for a in (loaded, answerer))
        # Weights are rounded in a bundle, see `shared.bundles.weights`.
        assert by_text(first.answers) == pytest.approx(
            by_text(second.answers), abs=0.05
        )


def test_a_bundle_trained_in_half_precision_runs_in_single(model, tmp_path):
    config = tiny_vqa_config().model_copy(update={"precision": "mixed_bfloat16"})
    _, _, _, net = load_bundle(write_tiny_vqa(tmp_path / "half", config, model))
    assert net.answerers[0].project.compute_dtype == "float32"


def test_a_model_that_points_has_no_list_of_answers(tmp_path):
    config = tiny_vqa_config("boxes")
    folder = write_tiny_vqa(tmp_path / "boxes", config, tiny_vqa_model(config))
    assert not (folder / "answers.txt").exists()
    assert load_vqa(folder).space is None


def test_a_bundle_without_its_answers_is_damaged(model, tmp_path):
    folder = write_tiny_vqa(tmp_path / "bundle", tiny_vqa_config(), model)
    (folder / "answers.txt").write_text("no\nyes\nred\nblue hat\n2\n")
    with pytest.raises(AppError, match=r"answers.txt"):
        load_vqa(folder)
    (folder / "answers.txt").unlink()
    with pytest.raises(AppError, match=r"answers.txt"):
        load_vqa(folder)


def test_a_bundle_of_another_task_or_size_is_refused(model, tmp_path):
    config = tiny_vqa_config()
    words = Vocabulary([*SPECIAL_WORDS, "dog"])
    folder = write_tiny_vqa(tmp_path / "words", config, model, words)
    with pytest.raises(AppError):
        load_vqa(folder)
    space = AnswerSpace(["yes", "no"])
    folder = write_tiny_vqa(tmp_path / "answers", config, model, space=space)
    with pytest.raises(AppError):
        load_vqa(folder)


def test_the_shortest_way_answers_a_question(bundle):
    reply = load_model(bundle, runtime="keras").ask(photo(0), COLOR)
    assert str(reply) == reply.answer in {"not sure", *VQA_SPACE.answers}


def test_a_missing_bundle_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(AppError, match=r"No trained model in .*nothing"):
        load_vqa(tmp_path / "nothing")
    monkeypatch.setattr(predict, "SHIPPED", tmp_path / "shipped")
    with pytest.raises(AppError, match=r"No trained model in .*shipped"):
        load_vqa()


def test_keras_is_taken_where_litert_does_not_work(bundle, monkeypatch):
    assert load_vqa(bundle).runtime.name == "keras"
    with pytest.raises(AppError, match=r"LiteRT cannot run this: .*vqa export"):
        load_vqa(bundle, runtime="litert")
    monkeypatch.setattr(litert.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AppError, match=r"it is not installed"):
        load_vqa(bundle, runtime="litert")
    with pytest.raises(ValueError, match=r"`runtime` must be .*Received: .*'onnx'"):
        load_vqa(bundle, runtime="onnx")


def test_without_keras_a_bundle_says_what_it_needs(bundle, monkeypatch):
    def absent(*_):
        raise ModuleNotFoundError("No module named 'keras'", name="keras")

    monkeypatch.delitem(sys.modules, "vqa.net.runtime_keras")
    monkeypatch.setattr("builtins.__import__", absent)
    with pytest.raises(AppError, match=r"needs Keras, and keras is not installed"):
        load_vqa(bundle)


def put_inside(graphs):
    """Let `answer` itself find out what is there, as it does in older exports."""
    concepts, answer = graphs.pop("concepts"), graphs["answer"]

    def whole(features, tokens, asked):
        told = concepts(features=features)
        given = {"features": features, "tokens": tokens, "asked": asked}
        return answer(**given, said=told["said"], there=told["there"])

    specs, others = answer.structured_input_signature
    graphs["answer"] = trace(whole, *specs, others["asked"])


def written(answerer, folder, change=lambda graphs: None):
    """A runtime of LiteRT for the same weights."""
    images = np.stack([answerer.read(photo(seed)) for seed in range(8)])
    model, length = answerer.runtime.model, answerer.config.vocabulary.max_words
    graphs = trace_graphs(model, length)
    change(graphs)
    known = len(model.concepts.words) if "concepts" in graphs else 0
    part = folder / litert.PART
    part.mkdir(parents=True)
    files = write_litert(graphs, model.weights, images, "float16")
    for name, content in files.items():
        (part / name).write_bytes(content)
    count = len(answerer.space) if answerer.space else 0
    return LiteRTRuntime(folder, 1, answerer.config, count, known)


@pytest.fixture(scope="module")
def told_written(told, tmp_path_factory):
    return written(told, tmp_path_factory.mktemp("told") / "new")


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="LiteRT is not installed")
@pytest.mark.parametrize("name", ["answerer", "chooser", "told", "unusual"])
def test_litert_answers_as_keras_does(name, request, tmp_path):
    answerer = request.getfixturevalue(name)
    if name == "told":
        light = request.getfixturevalue("told_written")
    else:
        light = written(answerer, tmp_path)
    grid = (2, 4) if name == "unusual" else (4, 4)
    assert light.grid == answerer.runtime.grid == grid
    other = PhotoAnswerer(
        answerer.config, VQA_VOCABULARY, answerer.space, light, answerer.concepts
    )
    options = {
        "answerer": [{}, {"choices": ("red", "no")}, {"choices": ("red dog", "hat")}],
        "chooser": [{"choices": ("red dog", "a blue hat", "2")}],
        "unusual": [{"boxes": BOXES}],
        "told": [{}, {"choices": ("red", "no")}],
    }[name]
    for seed in range(3):
        for question in (COLOR, IS_IT, MANY):
            for one in options:
                first, second = (
                    net.ask(photo(seed), question, blind=True, **one)
                    for net in (answerer, other)
                )
                for mine, its in (
                    (first.answers, second.answers),
                    (first.guesses, second.guesses),
                ):
                    assert by_text(its) == pytest.approx(by_text(mine), abs=0.1)
                assert first.attention.shape == second.attention.shape
                np.testing.assert_allclose(first.attention, second.attention, atol=0.05)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="LiteRT is not installed")
def test_exports_that_have_the_concept_net_inside_answer_the_same(
    told, told_written, tmp_path
):
    old = written(told, tmp_path / "old", put_inside)
    assert not (tmp_path / "old" / CONCEPTS).exists()
    first, second = (
        PhotoAnswerer(told.config, VQA_VOCABULARY, told.space, runtime, told.concepts)
        for runtime in (told_written, old)
    )
    for seed in range(3):
        for question in (COLOR, IS_IT):
            assert by_text(first.ask(photo(seed), question).answers) == pytest.approx(
                by_text(second.ask(photo(seed), question).answers), abs=1e-6
            )


@pytest.mark.parametrize("choices", [(), ("yes", "no"), ("red hat", "blue dog")])
def test_numbers_that_are_not_finite_are_told(choices, monkeypatch):
    answerer = fake_answerer()
    answer = answerer.runtime.answer

    def answer_in_vain(*args):
        return type(found := answer(*args))(*(part * np.nan for part in found))

    monkeypatch.setattr(answerer.runtime, "answer", answer_in_vain)
    with pytest.raises(AppError, match="no answer, as its numbers are not finite"):
        answerer.ask(photo(1), "What color is the hat?", choices=choices)
