"""The figures of the report, worked by hand, on drawn photos."""

import io
import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vqa.data import Record, read_dataset
from vqa.text.answers import AnswerSpace
from vqa.text.words import choose_vocabulary
from vqa.training.answer_shares import best_answer, weigh_answers
from vqa.training.datacheck import check_dataset

DAQUAR = Path(__file__).parents[2] / "shared/data/daquar"
IDS = itertools.count()


def jpeg(shade):
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (shade % 256, 90, 200)).save(file, "JPEG")
    return file.getvalue()


class Stored:
    """A photo without a file."""

    def __init__(self, name, content):
        self.name, self.content = name, content

    def read_bytes(self):
        return self.content


def ask(split, question, *answers, name=None, **more):
    """One question, about a photo of its split unless named."""
    name = name or f"{split}.jpg"
    image = Stored(name, jpeg(sum(name.encode())))
    return Record(name, image, question, answers, split, str(next(IDS)), **more)


def small():
    return [
        *(ask("train", "what color is it", "red") for _ in range(3)),
        *(ask("train", "what color is it", " Blue ") for _ in range(2)),
        *(ask("train", "how many dogs", answer) for answer in ("2", "2", "red", "7")),
        ask("dev", "what color was it", "BLUE"),
        ask("dev", "what color is the dog", "red"),
        ask("dev", "how many cats", "2"),
        ask("dev", "is it red", "yes"),
    ]


def test_report(tmp_path):
    check = check_dataset(small(), answers=2, min_count=2)
    assert check.ok
    lines = str(check).splitlines()
    for line in (
        "split       photos questions  answered   a photo",
        "train            1         9         9       9.0",
        "dev              1         4         4       4.0",
        "answers: 4 different in train, 1 of them to one question only; the most "
        "frequent, by first words:",
        "  all                            9  red 44.4%; blue 22.2%; 2 22.2%; 7 11.1%",
        "  what color                     5  red 60.0%; blue 40.0%",
        "  how many                       4  2 50.0%; red 25.0%; 7 25.0%",
        "without looking, dev, exact match:",
        "  always 'red'             25.0%",
        "  by the first two words   50.0%",
        "        2      50.0%",
        "words: 7 in train's questions, 7 of them at least twice; with those of the "
        "answers, a new model knows 13, and 73.3% of the words in dev's",
        "questions: 3.6 words on average, 5 in the longest",
        "no problems found, but 2 warnings",
    ):
        assert line in lines, line


def test_counts():
    check = check_dataset(small(), min_count=5)
    assert (check.photos, check.questions) == (
        {"train": 1, "dev": 1},
        {"train": 9, "dev": 4},
    )
    assert (check.words, check.kept) == (7, 4)  # what, color, is, it
    assert check.coverage == 9 / 15  # with `red`, which is an answer
    assert check.lengths == {4: 5 + 1, 3: 4 + 1 + 1, 5: 1}
    assert check.balance.ceilings[4]["dev"] == 0.75
    assert check.balance.answers == 4  # there are no more


def test_ceiling_and_guesses_of_ten_people():
    votes = ["yes"] * 6 + ["no"] * 3 + ["maybe"]
    records = [ask("train", "is it", *["no"] * 10), ask("train", "is it", "maybe")]
    records += [ask("train", "is it", *["no"] * 4), ask("test", "is it", *votes)]
    records += [ask("test", "is it", *["maybe"] * 10), ask("test", "is it", "no")]
    openings = {r.id: "is it" for r in records}
    balance = weigh_answers(records, openings, 1)
    assert balance.metric == "VQA accuracy"
    assert balance.ceilings[1] == {"test": pytest.approx(0.45)}  # 0.9 and 0
    assert balance.priors == {"test": (pytest.approx(0.45),) * 2}
    assert "always 'no'              45.0%" in str(balance)
    balance = weigh_answers(records, openings, 2)
    assert balance.ceilings[2]["test"] == pytest.approx(0.95)


def test_answers_are_compared_as_training_compares_them():
    """People who write numbers out are no other people."""
    train = [
        ask("train", "how many", answer) for answer in ("2", "Two.", "2 dogs", "3")
    ]
    dev = [ask("dev", "how many", answer) for answer in ("two", "the 2 dogs", "three")]
    balance = weigh_answers(train + dev, {r.id: "" for r in train + dev}, 2)
    assert (balance.different, balance.once) == (3, 2)
    space = AnswerSpace.from_answers((r.answers for r in train), 2)
    assert balance.ceilings[2]["dev"] == space.ceiling(r.answers for r in dev) == 2 / 3
    assert weigh_answers(train + dev, {r.id: "" for r in train + dev}, 3).ceilings[
        3
    ] == {"dev": 1}
    assert balance.priors["dev"] == (1 / 3, 1 / 3)


def test_best_answer():
    assert best_answer(ask("train", "Q", "a", "B", "b ", "c")) == "b"
    assert best_answer(ask("train", "Q", "b", "a")) == "b"
    assert best_answer(ask("train", "Q", " ")) == best_answer(ask("train", "Q")) == ""


@given(st.randoms(), st.integers(1, 6))
def test_a_longer_list_never_reaches_less(rng: random.Random, people):
    def some(split):
        answers = [rng.choice("abcdefgh") for _ in range(people)]
        return Record("n", Path("n"), "q", tuple(answers), split, str(next(IDS)))

    records = [some(split) for split in ("train", "dev") for _ in range(30)]
    openings = {record.id: "" for record in records}
    balances = [weigh_answers(records, openings, size) for size in range(1, 9)]
    scores = [balance.ceilings[balance.answers]["dev"] for balance in balances]
    assert scores == sorted(scores)


def test_types_of_the_source_are_kept():
    types = ["what color", "what color", "how many", ""]
    records = [ask("train", "q", "a", question_type=t) for t in types]
    balance = weigh_answers(records, {r.id: "q" for r in records}, 10)
    assert [(g.name, g.questions) for g in balance.groups] == [
        ("all", 4),
        ("what color", 2),
        ("(none)", 1),
        ("how many", 1),
    ]
    assert balance.kinds == "type"


def test_choices_and_boxes():
    box = (0.0, 0.0, 1.0, 1.0)
    records = [
        ask("train", "which", boxes=(box,) * 4, right=1),
        ask("dev", "which", boxes=(box,) * 4, right=2),
        ask("dev", "which", choices=("a", "b"), right=0),
    ]
    check = check_dataset(records)
    assert check.ok
    assert "right by choosing blindly: train 25.0%, dev 37.5%" in str(check)


# Problems


def with_problem(*records):
    return check_dataset([*small(), *records])


def test_photos_that_cannot_be_read(tmp_path):
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    (tmp_path / "c.jpg").write_bytes(jpeg(3)[:-20])
    records = [
        Record(f"{n}.jpg", tmp_path / f"{n}.jpg", "Q", ("a",), "train", f"{n}{i}")
        for n in "abc"
        for i in range(2)
    ]
    seen = []
    check = check_dataset(
        [*small(), *records], progress=lambda done, total: seen.append((done, total))
    )
    assert not check.ok
    assert check.missing == (("a.jpg", "there is no such file."),)
    assert [name for name, _ in check.broken] == ["b.jpg", "c.jpg"]
    assert "problem: missing photos: 1\n    a.jpg: there is no such file." in str(check)
    assert seen == [(i, 5) for i in range(1, 6)]


def test_photo_in_two_splits():
    check = with_problem(ask("test", "what", "red", name="dev.jpg"))
    assert check.leaks == (("dev.jpg",),)
    copy = ask("dev", "what", "red", name="copy.jpg")
    check = with_problem(
        Record("copy.jpg", Stored("copy.jpg", jpeg(sum(b"train.jpg"))), *copy_of(copy))
    )
    assert check.leaks == (("train.jpg", "copy.jpg"),)
    assert "flatter: 1" in str(check)
    assert check.repeats == 0


def copy_of(record):
    return record.question, record.answers, record.split, record.id


def test_photo_twice_in_a_split_is_only_noted():
    copy = ask("dev", "what", "red", name="copy.jpg")
    check = with_problem(
        Record("copy.jpg", Stored("copy.jpg", jpeg(sum(b"dev.jpg"))), *copy_of(copy))
    )
    assert (check.repeats, check.leaks, check.ok) == (1, (), True)
    assert "note: photos that repeat one of their own split: 1" in str(check)


def test_questions_without_answer_or_word():
    check = with_problem(ask("dev", "what is it", " "), ask("train", "?!", "red"))
    assert len(check.unanswered) == len(check.wordless) == 1
    assert check.unanswered[0].endswith(": what is it")
    assert check.answered == {"train": 10, "dev": 4}
    assert not check.ok


def test_a_test_split_may_be_without_answers_but_not_in_part():
    assert with_problem(ask("test", "what is it")).ok
    check = with_problem(ask("test", "what is it"), ask("test", "what is it", "a"))
    assert len(check.unanswered) == 1


def test_no_train_or_dev():
    for check, split in (
        (check_dataset([r for r in small() if r.split == "dev"]), "train"),
        (check_dataset([r for r in small() if r.split == "train"]), "dev"),
    ):
        assert check.problems == [f"no questions with answers in split {split}"]
        assert str(check)
    assert len(check_dataset([]).problems) == 2


def test_same_answer_everywhere_and_words_too_rare():
    records = [ask(split, "is it", "yes") for split in ("train", "dev")]
    problems = check_dataset(records, min_count=2).problems
    assert problems == [
        "all training questions have the same answer, 'yes'",
        "no word is seen twice, see `min_count`",
    ]


@pytest.mark.parametrize(
    ("questions", "glued"),
    [
        (["图片里有几只狗", "狗是什么颜色的"], True),
        (["几只狗", "在哪里", "是猫吗"], True),
        (["犬は何匹いますか", "何色ですか"], True),
        (["มีสุนัขกี่ตัว", "สุนัขสีอะไร"], True),
        (["ມີໝາຈັກໂຕ", "ໝາສີຫຍັງ"], True),
        (["ခွေးဘယ်နှစ်ကောင်ရှိလဲ"], True),
        (["តើមានឆ្កែប៉ុន្មាន"], True),
        (["狗 是 什么 颜色 的", "有 几 只 狗", "在 哪里"], False),
        (["개는 무슨 색입니까?", "개가 몇 마리 있나요?"], False),
        (["Какого цвета собака?", "ما لون الكلب؟", "कुत्ता किस रंग का है?"], False),
        (["what color is it", "how many dogs", "图片里有几只狗"], False),
    ],
)
def test_questions_without_spaces_are_a_problem(questions, glued):
    records = [
        ask(split, question, "2")
        for split in ("train", "dev")
        for question in questions
    ]
    check = check_dataset(records)
    said = [text for text in check.problems if "a script without spaces" in text]
    assert len(said) == glued
    assert not glued or repr(questions[0][:40]) in said[0]


def test_long_questions_are_noted():
    check = with_problem(ask("train", "is it so " * 9, "no"))
    assert check.ok
    assert "models read so many: 1" in str(check)


def test_words_are_those_that_training_learns(tmp_path):
    """Of questions that can be learnt from: answered, about photos that can be read."""
    gone = Record("x.jpg", Path("x.jpg"), "zebra zebra", ("no",), "train", "gone")
    records = [
        *small(),
        ask("train", "emu emu", " "),
        gone,
        ask("train", "ox", "a cow"),
    ]
    check = check_dataset(records, min_count=2, answers=3)
    learn = [r for r in records if r.split == "train" and r.answers != (" ",)]
    learn = [record for record in learn if record.id != "gone"]
    space = AnswerSpace.from_answers((r.answers for r in learn), 3)
    expected = choose_vocabulary((r.question for r in learn), space.answers, 2)
    assert check.vocabulary == len(expected)
    assert "emu" not in check.rare and "zebra" not in check.rare
    assert check.rare == {"ox": 1}
    assert "1 word is not learnt (seen less than twice" in str(check)


def test_a_small_set_is_said_to_be_small():
    few = [ask("train", f"is it {i}", "ab"[i % 2], name=f"{i}.jpg") for i in range(21)]
    few += [ask("dev", "is it", "a", name=f"dev{i}.jpg") for i in range(3)]
    check = check_dataset(few)
    assert check.ok
    assert any(text.startswith("3 photos are too few") for text in check.warnings)
    assert any("3 dev questions are too few" in text for text in check.warnings)
    assert str(check).endswith("no problems found, but 2 warnings")
    few += [ask("dev", "is it", "a", name=f"more{i}.jpg") for i in range(40)]
    assert check_dataset(few).warnings == []
    assert str(check_dataset(few)).endswith("no problems found")


def test_sizes_are_those_of_what_can_be_learnt():
    records = [*small(), ask("dev", "is it?", ""), ask("test", "is it?", "no")]
    check = check_dataset(records, answers=7)
    assert check.sizes.train == check.photos["train"]
    assert check.sizes.asked == check.answered["dev"]
    assert (check.sizes.words, check.sizes.answers) == (check.vocabulary, 7)


def test_odd_file_names_can_be_printed():
    name = b"\xff.jpg".decode("utf-8", "surrogateescape")
    check = with_problem(Record(name, Path(name), "Q", ("a",), "train", "x"))
    assert str(check).encode()


@pytest.mark.skipif(not DAQUAR.is_dir(), reason="DAQUAR is not in shared/data")
def test_the_real_daquar():
    records = [r for r in read_dataset(DAQUAR) if "image1" in r.name][:400]
    check = check_dataset(records)
    assert not check.missing and not check.broken and not check.leaks
    assert check.balance.priors["dev"][1] > check.balance.priors["dev"][0]
