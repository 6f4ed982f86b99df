import json
import random
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.errors import AppError
from vqa.data import Record
from vqa.metrics import wups as wups_room
from vqa.metrics.accuracy import choice_match, exact_match, vqa_accuracy
from vqa.metrics.report import Report, Score
from vqa.metrics.scoring import score_answers, score_each
from vqa.metrics.wups import split_items, wups
from vqa.text.answers import normalize_official


def ask(number, *answers, photo=None, **more):
    photo = photo or f"{number}.jpg"
    return Record(photo, Path(photo), "?", answers, "dev", f"q{number}", **more)


# Ten people a question, and what the published evaluator makes of the answer.
WORKED = [
    ("yes", ["yes"] * 8 + ["no"] * 2, 1),
    ("no", ["yes"] * 8 + ["no"] * 2, 0.6),
    ("no", ["yes"] * 7 + ["no"] * 3, 0.9),
    ("no", ["yes"] * 9 + ["no"], 0.3),
    ("maybe", ["yes"] * 9 + ["no"], 0),
    ("none", ["none"] * 4 + ["0"] * 6, 1),  # both become 0
    ("0", ["none"] * 9 + ["zero"], 1),
    ("0", ["none"] * 10, 0),  # unanimous: taken at their word
    ("yes!", ["yes"] * 10, 0),
    ("yes!", ["yes"] * 9 + ["yeah"], 1),
    ("the dog", ["dog"] * 10, 0),
    ("Dog\n", ["dog"] * 10, 1),
    ("dog", ["DOG "] * 10, 1),
    ("t shirt", ["t-shirt"] * 5 + ["shirt"] * 5, 1),
    ("", ["a"] * 9 + ["b"], 1),  # the letter "a" is an article
]


@pytest.mark.parametrize(("answer", "people", "accuracy"), WORKED)
def test_official_accuracy_by_hand(answer, people, accuracy):
    assert vqa_accuracy(answer, people) == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("answer", "people", "accuracy"),
    [
        ("yes!", ["yes"] * 10, 1),
        ("0", ["none"] * 10, 0),
        ("Two", ["2"] * 2 + ["3"] * 8, 0.6),
        ("a", ["A"] * 9 + ["b"], 1),
        ("red", ["red"], 1),  # the official accuracy of one person's answer is 0
        ("red", ["red", "pink"], 0.5),
        ("", ["?"] * 10, 0),
    ],
)
def test_clean_accuracy_by_hand(answer, people, accuracy):
    assert vqa_accuracy(answer, people, "clean") == pytest.approx(accuracy)


def test_accuracy_needs_people():
    with pytest.raises(ValueError, match=r"scored against people's\. Received: none"):
        vqa_accuracy("yes", [])


def published_accuracy(answer, people):
    """What the evaluator's description says, step by step, on numbered people."""
    plain = [flat(text) for text in people]
    answer = flat(answer)
    if any(text != plain[0] for text in plain):
        plain = [normalize_official(text) for text in plain]
        answer = normalize_official(answer)
    scores = []
    for left_out in range(len(plain)):
        others = [*plain[:left_out], *plain[left_out + 1 :]]
        matching = [text for text in others if text.lower() == answer.lower()]
        scores.append(min(1, len(matching) / 3))
    return sum(scores) / len(scores)


def flat(text):
    return text.replace("\n", " ").replace("\t", " ").strip()


people_say = st.sampled_from(
    [
        "yes",
        "Yes",
        "yes!",
        " yes",
        "none",
        "0",
        "zero",
        "the dog",
        "dog",
        "a",
        "",
        "1,0",
    ]
)


@settings(max_examples=200)
@given(people_say, st.lists(people_say, min_size=1, max_size=12))
@example("yes", ["yes"] * 4 + ["no"] * 6)
def test_official_accuracy_equals_another_telling_of_it(answer, people):
    assert vqa_accuracy(answer, people) == published_accuracy(answer, people)


@given(people_say, st.lists(people_say, min_size=4, max_size=12))
def test_clean_accuracy_is_at_most_one_and_ignores_order(answer, people):
    score = vqa_accuracy(answer, people, "clean")
    assert 0 <= score <= 1
    assert score == vqa_accuracy(answer, people[::-1], "clean")


def test_exact_match():
    assert exact_match("Chair ", ["chair"]) == 1
    assert exact_match("lamp,book", ["book, lamp"]) == 1
    assert exact_match("book, book", ["book"]) == 1  # sets
    assert exact_match("book", ["book, lamp"]) == 0
    assert exact_match("two", ["2"]) == 0
    assert exact_match("two", ["2"], "clean") == 1
    assert exact_match("the lake.", ["at the lake", "lake"], "clean") == 1
    assert exact_match("night stand", ["night_stand"], "clean") == 0
    assert exact_match("", ["red"]) == 0
    assert exact_match("", ["?"], "clean") == exact_match("", [""]) == 0


def test_choices_and_boxes():
    telling = ask(1, choices=("Red.", "Blue.", "Red", "Pink."), right=0)
    assert choice_match("red. ", telling) == 1
    assert choice_match(0, telling) == 1
    assert choice_match("Red", telling) == 0
    assert choice_match(1, telling) == 0
    pointing = ask(2, boxes=((0, 0, 9, 9), (5, 5, 9, 9)), right=1)
    assert choice_match("1", pointing) == choice_match(1, pointing) == 1
    assert choice_match("0", pointing) == 0
    with pytest.raises(AppError, match=r"q2: .* a number from 0 to 1. Received: 'red'"):
        choice_match("red", pointing)


VOTES = [
    ask(1, *["yes"] * 8, *["no"] * 2, answer_type="yes/no", question_type="is the"),
    ask(2, *["no"] * 9, "yes", answer_type="yes/no", question_type="is the"),
    ask(3, *["2"] * 5, *["3"] * 5, answer_type="number", question_type="how many"),
    ask(4, *["red"] * 2, *["blue"] * 8, photo="3.jpg", answer_type="other"),
]
ANSWERS = {"q1": "yes", "q2": "yes", "q3": "two", "q4": "red"}
BLIND = {"q1": "no", "q2": "no", "q3": "4", "q4": "blue"}


def test_report_of_votes():
    report = score_answers(VOTES, ANSWERS, BLIND)
    # 1, 0.3, 1 and 0.6; blind 0.6, 1, 0 and 1
    main = report.scores["VQA accuracy"]
    assert (main.rounded, main.questions, main.blind) == (72.5, 4, pytest.approx(65))
    normalised = report.scores["class-normalised"]  # four classes of one question
    assert normalised.value == pytest.approx(72.5)
    groups = {
        title: {name: (s.rounded, s.questions) for name, s in group.items()}
        for title, group in report.groups.items()
    }
    assert groups == {
        "answer type": {"yes/no": (65.0, 2), "number": (100.0, 1), "other": (60.0, 1)},
        "yes or no": {"no": (30.0, 1), "yes": (100.0, 1)},
        "question type": {"is the": (65.0, 2), "how many": (100.0, 1)},
    }
    assert list(groups["answer type"]) == ["yes/no", "number", "other"]
    assert (report.questions, report.photos) == (4, 3)
    assert "published evaluator" in report.protocol
    assert "(official); class-normalised: its mean over classes" in report.protocol


def test_scores_are_rounded_as_the_evaluator_prints_them():
    rng = random.Random(0)
    records = [
        ask(i, *rng.choices(["yes", "no", "Yes."], k=10), answer_type="yes/no")
        for i in range(77)
    ]
    answers = {r.id: rng.choice(["yes", "no"]) for r in records}
    main = score_answers(records, answers).scores["VQA accuracy"]
    accuracies = [published_accuracy(answers[r.id], r.answers) for r in records]
    assert main.value == 100 * float(sum(accuracies)) / len(accuracies)
    assert main.rounded == round(main.value, 2)


def test_class_normalised_weighs_rare_answers_as_much():
    records = [ask(i, "yes") for i in range(9)] + [ask(9, "red")]
    report = score_answers(records, {r.id: "yes" for r in records})
    assert report.scores["exact match"].value == 90
    assert report.scores["class-normalised"].value == 50
    assert report.scores["class-normalised"].questions == 10


def test_single_answers_and_accepted_ones_are_matched_exactly():
    records = [ask(1, "2", "two", "couple", "2 dogs"), ask(2, "yes"), ask(3, "no")]
    answers = {"q1": "Two.", "q2": "no", "q3": "no"}
    report = score_answers(records, answers, protocol="clean")
    assert report.scores["exact match"].value == pytest.approx(200 / 3)
    assert report.scores["exact match"].blind is None
    assert "one accepted answer is enough (clean)" in report.protocol
    # The type is told by the answer where the source does not say.
    assert list(report.groups["answer type"]) == ["yes/no", "number"]
    assert report.groups["yes or no"]["no"].value == 100
    assert "question type" not in report.groups


def test_answers_that_are_no_words_have_no_class():
    report = score_answers([ask(1, "?")], {"q1": "?"})
    assert list(report.scores) == ["exact match"]
    assert report.groups == {}


def many(count, *people, start=0, **more):
    return [ask(i, *people, **more) for i in range(start, start + count)]


def test_one_odd_question_does_not_decide_the_metric():
    """Six of ten people and two: 60 % where "no" was said, whatever else is asked."""
    votes = many(50, *["yes"] * 8, *["no"] * 2)
    odd = [
        ask(90, "no", "no", "maybe"),
        ask(91, "no"),
        ask(92, choices=("no", "yes"), right=0),
    ]
    for records in (votes, [*odd, *votes], [*votes, *odd[:1]]):
        report = score_answers(records, {r.id: "no" for r in records})
        assert next(iter(report.scores)) == "VQA accuracy"
        assert report.scores["VQA accuracy"].rounded == 60
        assert report.questions == 50
        said = [text for text in report.warnings if "left out" in text]
        unfit = len(records) - 50
        assert said == (
            [
                "questions left out, as VQA accuracy needs 4 people's answers or "
                f"more: {unfit}"
            ]
            if unfit
            else []
        )


def test_a_few_voted_questions_do_not_make_votes_of_single_answers():
    voted = [ask(90, *["red"] * 9, "blue"), ask(91, *["red"] * 3)]
    records = [*many(5, "red"), *voted]
    report = score_answers(records, {r.id: "red" for r in records[:-1]} | {"q91": "x"})
    assert report.scores["exact match"].value == pytest.approx(600 / 7)
    assert "questions with many people's answers, of which any counts: 1" in (
        report.warnings
    )


def test_mostly_choices_are_scored_as_choices():
    chosen = many(3, choices=("a", "b"), right=1)
    report = score_answers([*chosen, ask(9, "b")], dict.fromkeys(["q0", "q1", "q2"], 1))
    assert list(report.scores) == ["multiple choice"]
    assert (report.questions, report.scores["multiple choice"].value) == (3, 100)
    assert any("multiple choice needs a right choice: 1" in w for w in report.warnings)


def test_accuracy_of_other_than_ten_people_is_said_to_be_such():
    report = score_answers(many(3, *["yes"] * 5), {f"q{i}": "yes" for i in range(3)})
    assert report.scores["VQA accuracy"].value == 100
    assert any("does not compare with published ones: 3" in w for w in report.warnings)


@pytest.mark.parametrize(
    ("people", "score"), [(1, 0), (2, 1 / 3), (3, 2 / 3), (4, 1), (9, 1), (10, 1)]
)
def test_each_person_is_left_out_however_many_there_are(people, score):
    assert vqa_accuracy("yes", ["yes"] * people) == pytest.approx(score)
    assert published_accuracy("yes", ["yes"] * people) == pytest.approx(score)


def test_scores_of_single_questions_have_the_mean_of_the_set():
    records = [*VOTES, ask(5, "no"), ask(6)]
    each = score_each(records, ANSWERS | {"q5": "no"})
    assert list(each) == ["q1", "q2", "q3", "q4"]
    report = score_answers(records, ANSWERS | {"q5": "no"})
    assert 25 * sum(each.values()) == pytest.approx(report.scores["VQA accuracy"].value)


def test_report_of_choices():
    records = [
        ask(1, "Red.", choices=("Blue.", "Red."), right=1, question_type="what"),
        ask(2, "Two.", choices=("Two.", "One."), right=0, question_type="how"),
        ask(3, boxes=((0, 0, 1, 1), (0, 0, 2, 2)), right=1, question_type="which"),
    ]
    report = score_answers(records, {"q1": "red.", "q2": 1, "q3": "1"})
    assert list(report.scores) == ["multiple choice"]
    assert report.scores["multiple choice"].rounded == 66.67
    assert {n: s.value for n, s in report.groups["question type"].items()} == {
        "what": 100,
        "how": 0,
        "which": 100,
    }


def test_report_is_a_table_and_json():
    report = score_answers(VOTES, ANSWERS, BLIND)
    lines = str(report).splitlines()
    assert lines[0].split() == ["score", "blind", "gain", "questions"]
    assert lines[1].split() == ["VQA", "accuracy", "72.50", "65.00", "+7.50", "4"]
    assert len({len(line) for line in lines[:3]}) == 1
    assert "by yes or no" in lines
    assert any(line.startswith("4 questions about 3 photos; VQA") for line in lines)
    assert lines[-1].startswith("warning: 4 questions say little")
    assert "blind" not in str(score_answers(VOTES, ANSWERS))

    saved = json.loads(json.dumps(report.to_dict()))
    assert saved["scores"]["VQA accuracy"]["rounded"] == 72.5
    assert saved["groups"]["answer type"]["other"]["blind"] == 100
    assert saved["protocol"] == report.protocol


def test_long_groups_are_cut_short():
    group = {f"what {i}": Score(50.0, 1) for i in range(25)}
    report = Report(
        {"exact match": Score(50.0, 25)}, {"type": group}, (1, 2), 25, 5, ""
    )
    assert "  ... and 5 more" in str(report)
    assert "what 19" in str(report)
    assert "what 20" not in str(report)


def test_questions_that_nobody_answered_are_left_out():
    records = [*VOTES, ask(5)]
    report = score_answers(records, ANSWERS)
    assert report.questions == 4
    assert "questions that nobody answered, left out: 1" in report.warnings
    assert score_answers(records, {**ANSWERS, "q5": "red"}).scores == report.scores


def test_doubtful_answers_get_warnings():
    report = score_answers(VOTES, dict.fromkeys(ANSWERS, " "))
    assert "empty answers, which are wrong: 4" in report.warnings
    assert any("the answer is always ' '" in text for text in report.warnings)


@pytest.mark.parametrize(
    ("records", "answers", "more", "message"),
    [
        (VOTES, {"q1": "yes"}, {}, r"Questions without answers: 3 \(q2, q3, q4\)"),
        (VOTES, {**ANSWERS, "x": ""}, {}, r"not among those to score.*: 1 \(x\)"),
        (VOTES, ANSWERS, {"blind": {}}, "Questions without answers without the photo"),
        (
            [ask(1)],
            {"q1": "yes"},
            {},
            "Nobody's answers are known to these 1 questions",
        ),
        ([], {}, {}, "Nobody's answers are known"),
        (VOTES, ANSWERS, {"with_wups": True}, "These are scored by VQA accuracy"),
    ],
)
def test_what_cannot_be_scored(records, answers, more, message):
    with pytest.raises(AppError, match=message):
        score_answers(records, answers, **more)


ALIKE = {("chair", "sofa"): 0.95, ("chair", "table"): 0.8, ("lamp", "sofa"): 0.5}


def alike(first, second):
    return ALIKE.get((first, second), ALIKE.get((second, first), 0.0))


@pytest.mark.parametrize(
    ("answer", "reference", "threshold", "score"),
    [
        ("Chair", "chair ", 0.9, 1),
        ("chair", "sofa", 0.9, 0.95),
        ("chair", "table", 0.9, 0.08),  # below the threshold, a tenth
        ("chair", "table", 0.0, 0.8),
        ("chair", "red", 0.0, 0),
        ("lamp,chair", "chair, lamp", 0.9, 1),
        ("chair", "chair, table", 0.0, 0.8),  # 1 one way, 1 * 0.8 the other
        ("chair, table", "sofa", 0.0, 0),  # table and sofa share nothing here
        ("chair, lamp", "sofa", 0.0, 0.95 * 0.5),
        ("", "chair", 0.0, 0),
        ("", " , ", 0.0, 1),
    ],
)
def test_wups_by_hand(answer, reference, threshold, score):
    assert wups(answer, reference, threshold, alike) == pytest.approx(score)
    assert wups(reference, answer, threshold, alike) == pytest.approx(score)


items = st.lists(st.sampled_from(["chair", "sofa", "table", "lamp"]), max_size=4)


@given(items, items)
def test_wups_lies_between_exact_match_and_one(first, second):
    first, second = ",".join(first), ",".join(second)
    strict, lenient = (wups(first, second, limit, alike) for limit in (0.9, 0.0))
    assert 0 <= strict <= lenient <= 1
    assert (strict == 1) == (set(split_items(first)) == set(split_items(second)))


class FakeMeaning:
    def __init__(self, depths):
        self.depths = depths

    def wup_similarity(self, other):
        return self.depths.get(other)


@pytest.fixture
def no_memory():
    for function in (wups_room.wu_palmer, wups_room._meanings):
        function.cache_clear()
    yield
    for function in (wups_room.wu_palmer, wups_room._meanings):
        function.cache_clear()


def test_wordnet_takes_the_closest_meanings(monkeypatch, no_memory):
    couch, lounge, chairman = FakeMeaning({}), FakeMeaning({}), FakeMeaning({})
    seat = FakeMeaning({couch: 0.9, lounge: 0.96})
    couch.depths, lounge.depths = {seat: 0.9}, {seat: 0.96}
    meanings = {"chair": [chairman, seat], "sofa": [couch, lounge]}

    class WordNet:
        @staticmethod
        def synsets(word, pos):
            assert pos == "n"
            return meanings.get(word, [])

    monkeypatch.setitem(sys.modules, "nltk.corpus", type("m", (), {"wordnet": WordNet}))
    assert wups_room.wu_palmer("chair", "sofa") == 0.96
    assert wups_room.wu_palmer("chair", "red") == 0
    records = [ask(1, "sofa"), ask(2, "red", "blue")]
    answers = {"q1": "chair", "q2": "blue"}
    report = score_answers(records, answers, with_wups=True)
    assert list(report.scores) == [
        "exact match",
        "WUPS@0.9",
        "WUPS@0.0",
        "class-normalised",
    ]
    assert report.scores["exact match"].value == 50
    assert report.scores["WUPS@0.9"].value == pytest.approx(98)
    assert "; WUPS: Wu-Palmer" in report.protocol


def test_without_wordnet_the_error_says_how_to_get_it(monkeypatch, no_memory):
    class NoWordNet:
        @staticmethod
        def synsets(word, pos):
            raise LookupError("Resource wordnet not found.")

    fake = type("m", (), {"wordnet": NoWordNet})
    monkeypatch.setitem(sys.modules, "nltk.corpus", fake)
    with pytest.raises(AppError, match=r"LookupError.*put it into nltk_data/corpora"):
        wups("chair", "sofa")
    assert wups("chair", "chair") == 1  # needs no WordNet
    monkeypatch.setitem(sys.modules, "nltk.corpus", None)
    with pytest.raises(AppError, match=r"python -m nltk\.downloader wordnet"):
        wups("chair", "sofa")
