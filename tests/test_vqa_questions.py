"""Questions from captions: grammar, votes, what is absent, and what is asked."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.errors import AppError
from shared.text.english import present_participle
from vqa.questions.absence import Absence
from vqa.questions.actions import action
from vqa.questions.clauses import parse
from vqa.questions.counting import count_facts
from vqa.questions.lexicon import lexicon
from vqa.questions.making import (
    ask_texts,
    claims_about,
    make_questions,
    open_questions,
)
from vqa.questions.photo import Photo, Subject, Unsaid, agreed, telling
from vqa.questions.question import Captioned
from vqa.questions.wordforms import plural_of, split_terms, with_article
from vqa.questions.writing import write_questions

_TEXT = """a no not without like as isn't baby toy car bowl dressed a two the man dog
dogs boy girls woman red black and white shirt hat is are
running jumps plays sitting wearing holding ball on in with grass beach 's , .
of group who while swings slides rides bike water looking zyx"""
WORDS = _TEXT.split()


def read_facts(captions):
    return count_facts([parse(caption) for caption in captions])


def clauses(caption):
    return [
        (
            [subject.noun.word for subject in clause.subjects],
            clause.verb,
            [thing.noun.word for thing in clause.objects],
            [(preposition, thing.noun.word) for preposition, thing in clause.places],
        )
        for clause in parse(caption).clauses
    ]


def asked(*captions, seed=1):
    """Question and answer of all open questions, whatever their wordings."""
    photo = Photo(read_facts(captions), Random(seed))
    return {(q.kind, q.text): q.answer for q in open_questions(photo)}


def answers(kind, *captions):
    found = set()
    for seed in range(12):
        questions = asked(*captions, seed=seed)
        found |= {answer for (k, _), answer in questions.items() if k == kind}
    return found


# Terms and grammar


def test_terms_are_found_in_any_form():
    assert split_terms("The T-shirts, in front of a swimming pool.") == [
        "the", "t-shirts", ",", "in_front_of", "a", "swimming_pool", ".",
    ]  # fmt: skip
    assert split_terms("the man's hat") == ["the", "man", "'s", "hat"]


@pytest.mark.parametrize(
    ("word", "plural"),
    [("dog", "dogs"), ("man", "men"), ("puppy", "puppies"), ("bench", "benches"),
     ("tennis_ball", "tennis_balls"), ("sheep", "sheep"), ("pants", "pants"),
     ("toy", "toys"), ("person", "people")],
)  # fmt: skip
def test_plurals(word, plural):
    assert plural_of(word) == plural


@pytest.mark.parametrize(
    ("verb", "form"),
    [("run", "running"), ("ride", "riding"), ("lie", "lying"), ("ski", "skiing"),
     ("sit", "sitting"), ("eat", "eating"), ("throw", "throwing"), ("play", "playing"),
     ("snowboard", "snowboarding"), ("squat", "squatting"), ("hop", "hopping")],
)  # fmt: skip
def test_ing(verb, form):
    assert verb in lexicon().verbs
    assert present_participle(verb) == form


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        (
            "A man in a red shirt is riding two horses on the beach .",
            [(["man"], "ride", ["horse"], [("on", "beach")])],
        ),
        (
            "A boy and a girl play in the water while a dog watches .",
            [
                (["boy", "girl"], "play", [], [("in", "water")]),
                (["dog"], "watch", [], []),
            ],
        ),
        (
            "The girl slides down the slide",
            [(["girl"], "slide", [], [("down", "slide")])],
        ),
        (
            "A man throws a ball and runs",
            [(["man"], "throw", ["ball"], []), (["man"], "run", [], [])],
        ),
        (
            "Men rest on a bluff overlooking the ocean",
            [(["man"], "rest", ["ocean"], [])],
        ),
        (
            "A girl feeds ducks in the water",
            [(["girl"], "feed", ["duck"], [])],
        ),
        (
            "A man watches a dog running on grass",
            [(["man"], "watch", ["dog"], []), (["dog"], "run", [], [("on", "grass")])],
        ),
        (
            "A man in blue and a woman wearing a hat walk",
            [(["woman"], "wear", ["hat"], [])],
        ),
    ],
)
def test_who_does_what(caption, expected):
    assert clauses(caption)[: len(expected)] == expected


def test_phrases_have_colors_numbers_owners_and_places():
    man, shirt, dogs, _ = parse(
        "A man in a red and white shirt with two small dogs in snow"
    ).phrases
    assert (shirt.colors, dogs.count, dogs.adjectives) == (
        ("red", "white"),
        2,
        ("small",),
    )
    assert [(p, thing.noun.word) for p, thing in man.places][:2] == [
        ("in", "shirt"), ("with", "dog"),
    ]  # fmt: skip
    hat = parse("the boy's blue hat").phrases[0]
    assert (hat.noun.word, hat.owner, hat.colors) == ("hat", "boy", ("blue",))


@pytest.mark.parametrize(
    ("caption", "count"),
    [("a dog", 1), ("three dogs", 3), ("a pair of dogs", 2), ("a group of dogs", 0),
     ("dogs", 0), ("several dogs", 0)],
)  # fmt: skip
def test_counts_of_phrases(caption, count):
    assert parse(caption).phrases[0].count == count


NAMED_ONLY = {
    # caption: what is there, and what may not be
    "a woman pushes a baby stroller": ("person stroller woman", "baby"),
    "a man in a bear costume": ("costume man person", "bear"),
    "horse statues in a park": ("park statue", "horse"),
    "a statue of a horse": ("statue", "horse"),
    "a fire truck": ("truck", ""),
    "a dog bowl on the floor": ("floor", "dog"),
    "a dog show": ("", "dog"),
    "a hot dog costume": ("costume", "hot_dog"),
    "a toy car on a bed": ("bed toy", "car"),
    "a stuffed bear": ("toy", "bear"),
    "a wooden horse and a paper airplane": ("", "airplane horse paper"),
    "a boy in a baseball cap": ("boy child hat person", ""),
    "a car window": ("window", "car"),
    "a street sign": ("sign", "street"),
    "flower pots near a bike wheel": ("wheel", "bike flower"),
    "the man 's hat": ("hat", "man"),
    "a shirt with a picture of a cat": ("shirt", "cat"),
    "a picture of a cat on a shirt": ("shirt", "cat"),
    "a shirt with a cat on it": ("shirt", "cat"),
    "a picture of a cat on a bed": ("animal bed cat", ""),
    "a cake shaped like a dog": ("cake", "dog"),
    "a girl dressed up as a cat sits": ("child girl person", "cat"),
    "a man with his arms out like a bird": ("man person", "bird"),
    "a bear cub": ("animal bear", ""),
    "a baby girl": ("baby child girl person", ""),
    "a snow hill near a street corner": ("hill snow street", ""),
    "a man kite surfing": ("man person", ""),
    "a man rocks out on stage": ("man person stage", ""),
    "a man not wearing a hat on a beach and a dog": (
        "animal dog man person",
        "beach hat",
    ),
    "a man isn't wearing a hat, but a scarf": ("man person scarf", "hat"),
    "a man who doesn\u2019t ride a bike": ("man person", "bike"),
    "a boy without a shirt or shoes on a bike": (
        "bike boy child person",
        "shirt shoes",
    ),
    "a girl with no helmet rides a horse": ("animal child girl horse person", "helmet"),
    "no people are in the street": ("street", "person"),
    "neither a dog nor a cat": ("", "cat dog"),
    "not only a dog but a cat": ("animal cat dog", ""),
    "a couch instead of a bed": ("couch", "bed"),
    "a rubber duck": ("", "duck"),
    "a man in a tiger striped shirt": ("man person shirt", "tiger"),
    "a man pretends to be a dog": ("man person", "dog"),
    "a dog fails to catch a frisbee and runs": ("animal dog", "frisbee"),
}


@pytest.mark.parametrize("caption", NAMED_ONLY)
def test_what_is_only_named_is_neither_there_nor_missing(caption):
    there, unsure = (set(words.split()) for words in NAMED_ONLY[caption])
    facts = read_facts([caption])
    assert set(facts.mentions) == there
    assert facts.unsure == unsure
    assert unsure <= facts.unclear()


def test_what_is_denied_is_not_done_or_worn():
    facts = read_facts(["A man not wearing a hat is not riding a bike ."])
    assert (facts.actions["man"], facts.relations) == ({}, {})
    assert "riding a bike" not in facts.actions["person"]
    bare = read_facts(["A boy without a shirt runs .", "A boy with no shirt runs ."])
    claims = claims_about(Photo(bare, Random(1)), Unsaid({}, {}))
    shirt = [claim.verdict.truth for claim in claims if claim.what == "shirt"]
    assert shirt and not any(shirt)


def test_clothes_belong_to_the_nearest():
    facts = read_facts(["A dog jumps at a girl wearing a pink jacket ."])
    assert ("dog", "wear") not in facts.relations
    facts = read_facts(["A woman plays with a dog in a red collar ."])
    assert ("woman", "wear") not in facts.relations


@pytest.mark.parametrize("word", ["flip_flops", "slacks", "sweatpants", "high_heels"])
def test_plurals_are_not_doubled(word):
    assert plural_of(word) == word
    said = word.replace("_", " ")
    texts = {
        text
        for seed in range(30)
        for _, text in asked(f"A man in yellow {said}", f"Yellow {said}", seed=seed)
    }
    assert any(said in text for text in texts)
    assert not any(said + "es" in text for text in texts)


@given(st.lists(st.sampled_from(WORDS), max_size=14))
def test_any_words_can_be_read(words):
    said = parse(" ".join(words))
    for clause in said.clauses:
        assert all(phrase in said.phrases for phrase in clause.subjects)
    assert len(asked(" ".join(words))) >= 0


# Tables


def test_tables_speak_of_the_same_words():
    known = lexicon()
    for word, broader in known.broader.items():
        assert {word, broader} <= set(known.kind_of)
    for words in (*known.implies.values(), *known.parts.values(), *known.alike):
        assert set(words) <= set(known.kind_of)
    for words in (known.mass, known.plural_only, known.also_called, known.ridden):
        assert set(words) <= {*known.kind_of, "steps", "trousers"}
    for answer, verbs in known.actions.items():
        assert set(verbs) <= set(known.verbs), answer
    assert {*known.participles.values()} <= set(known.verbs)
    assert set(known.played) <= set(known.sports)
    assert set(known.vague) <= set(known.actions)


@pytest.mark.parametrize(
    ("verb", "things", "words", "expected"),
    [
        ("ride", ["bike"], {}, "riding a bike"),
        ("ride", ["ocean"], {}, "surfing"),
        ("ride", [], {}, ""),
        ("play", [], {"soccer"}, "playing soccer"),
        ("play", ["guitar"], {}, "playing guitar"),
        ("play", ["ball"], {}, "playing"),
        ("take", [], {"picture"}, "taking a picture"),
        ("throw", ["football"], {}, "throwing a ball"),
        ("do", [], {"trick"}, "doing a trick"),
        ("have", ["ball"], {}, ""),
        ("look", [], {}, ""),
        ("leap", [], {}, "jumping"),
    ],
)
def test_actions_as_people_would_say_them(verb, things, words, expected):
    assert action(verb, things, set(words), animal=False) == expected


# Votes


def test_narrow_words_count_for_wider_ones():
    assert lexicon().wider("boy") == ["boy", "child", "person"]
    assert lexicon().wider("duck") == ["duck", "bird", "animal"]
    facts = read_facts(["A boy runs .", "A child runs .", "Someone is outside ."])
    assert [facts.mentions[w] for w in ("boy", "child", "person")] == [1, 2, 3]
    assert facts.named["person"] == 1
    assert facts.actions["person"]["running"] == 2


@pytest.mark.parametrize(
    ("captions", "count"),
    [
        (["two dogs", "two dogs run"], 2),
        (["a dog chases another dog", "two dogs"], 2),
        (["two dogs", "a dog"], 0),
        (["a dog", "a dog", "two dogs"], 0),
        (["two dogs", "two dogs", "dogs"], 0),
        (["a dog"], 1),
    ],
)
def test_counts_need_agreement(captions, count):
    assert read_facts(captions).count("dog") == count


def test_what_is_implied_is_present_and_what_is_alike_unclear():
    facts = read_facts(["A surfer rides a wave ."])
    assert {"water", "ocean", "surfboard", "person"} <= facts.present()
    assert {"lake", "pool"} <= facts.unclear()
    assert "street" not in facts.unclear() | facts.present()


def test_agreement_needs_a_clear_lead_or_words_alike():
    assert agreed(Counter(red=3, blue=2)) == ("red", 1.0)
    assert agreed(Counter(red=2, blue=2)) == ("", 0.0)
    assert agreed(Counter(red=1)) == ("red", 0.7)
    assert agreed(Counter(street=2, road=2)) == ("street", pytest.approx(0.7))
    assert agreed(Counter()) == ("", 0.0)


def test_telling_actions_win_over_vague_ones():
    assert telling(Counter({"standing": 2, "playing soccer": 2}))[0] == "playing soccer"
    assert telling(Counter({"standing": 3, "eating": 1}))[0] == "standing"


# What is absent


def test_absence_is_chaos_estimate():
    # The first thing is mentioned once in two photos and twice in one.
    mentions = np.array([[1, 5], [1, 5], [2, 5], [0, 0], [0, 0], [0, 0]])
    absence = Absence(mentions, captions=5)
    assert absence.unsaid[0] == pytest.approx(0.8 * 3 / (2 * 2))
    assert absence.unsaid[1] == pytest.approx(0.8 * 1 / (2 * 1))
    doubt, usual = absence.doubts(mentions)
    assert doubt.shape == usual.shape == mentions.shape
    assert (doubt >= 0).all() and (doubt <= 1).all()
    # The photos alike always say the second thing, so nobody leaves it unsaid.
    assert doubt[0, 1] == 0
    assert doubt[0, 0] > 0.2


def test_absence_knows_less_from_one_caption():
    mentions = np.array([[1, 0], [1, 1], [0, 1]])
    assert (Absence(mentions, captions=1).unsaid == 2).all()


# Questions


DOG = [
    "A brown dog runs on the grass with a red ball in its mouth .",
    "The brown dog is running across a lawn .",
    "A dog carrying a ball runs through grass .",
]
MAN = [
    "A man in a blue shirt and a black hat plays guitar on a bench .",
    "An old man wearing a blue shirt sits on a bench playing a guitar .",
    "A man with a hat is playing the guitar .",
]


def test_questions_about_a_dog():
    assert answers("color", *DOG) == {"brown", "red"}
    assert answers("action", *DOG) == {"running"}
    assert answers("place", *DOG) == {"grass"}
    assert answers("count", *DOG) == {"1"}
    assert answers("animal", *DOG) == {"dog"}
    assert "ball" in answers("object", *DOG)


def test_questions_about_a_man():
    assert answers("action", *MAN) == {"playing guitar"}
    assert {"hat"} <= answers("clothing", *MAN) <= {"hat", "shirt"}
    assert answers("color", *MAN) == {"blue", "black"}
    assert answers("who", *MAN) == {"man"}
    assert {"guitar", "bench"} <= answers("object", *MAN)


def test_contradictions_are_not_asked():
    assert answers("color", "a red car", "a blue car") == set()
    assert answers("color", "a red car and a blue car", "a red car") == set()
    assert "red" in answers("color", "a red car", "a red car", "a blue car")


def test_wordings_vary_and_fit_the_number():
    texts = {text for seed in range(30) for _, text in asked(*DOG, seed=seed)}
    assert {"what is the dog doing?", "what's the dog doing?"} <= texts
    assert any("colour" in text for text in texts)
    many = ["Two dogs run .", "Two dogs are running ."]
    texts = {text for seed in range(30) for _, text in asked(*many, seed=seed)}
    assert "what are the dogs doing?" in texts
    assert not any("is the dogs" in text for text in texts)


def test_articles():
    words = ("dog", "umbrella", "uniform", "grass", "sky", "tennis_racket")
    texts = ["a dog", "an umbrella", "a uniform", "grass", "the sky", "a tennis racket"]
    assert [with_article(word) for word in words] == texts


def test_pronouns_only_where_nobody_else_is_meant():
    facts = read_facts(["A man walks a dog .", "A man with a dog ."])
    man = Subject("man", plural=False)
    texts = {Photo(facts, Random(i)).speak_of(man)["who"] for i in range(50)}
    assert "he" not in texts and "the man" in texts
    alone = read_facts(["A man walks .", "A man is outside ."])
    assert "he" in {Photo(alone, Random(i)).speak_of(man)["who"] for i in range(50)}


def test_every_template_can_be_filled():
    photo = Photo(read_facts(MAN), Random(1))
    things = ("dog", "hat", "guitar", "bike", "do:swimming", "do:playing guitar")
    sure = dict.fromkeys(things, 0.0)
    unsaid = Unsaid(sure, dict.fromkeys(sure, 0.1))
    found = list(claims_about(photo, unsaid))
    for claim in found:
        for turn in range(len(claim.wordings)):
            assert claim.question(turn).text.endswith("?")
    truths = {claim.question(0).text: claim.verdict.truth for claim in found}
    assert truths["is there a dog in the picture?"] is False
    said = {
        claim.about: claim.verdict.truth for claim in found if claim.kind == "action"
    }
    assert said["man playing guitar"] is True
    assert said["man swimming"] is False


def captioned(count=45):
    """Photos of dogs that run on grass and of men who sit in snow, some for dev."""
    scenes = (
        DOG,
        ["A man in a red coat sits in the snow .", "A man sits in snow ."] * 2,
        MAN,
    )
    return [
        Captioned(
            f"{i}.jpg",
            Path(f"/photos/{i}.jpg"),
            tuple(scenes[i % 3]),
            "dev" if i % 5 == 0 else "train",
        )
        for i in range(count)
    ]


def test_yes_and_no_are_balanced_for_everything_that_is_asked():
    rows = make_questions(captioned())
    closed = [row for row in rows if row["answer_type"] == "yes/no"]
    assert len(closed) > 200
    for split in ("train", "dev"):
        balance = Counter()
        for row in closed:
            if row["split"] == split:
                balance[row["question_type"]] += 1 if row["answers"] == ["yes"] else -1
        assert set(balance.values()) == {0}
    snow = [row for row in closed if row["question"] == "is there any snow?"]
    assert Counter(row["answers"][0] for row in snow)["yes"] * 2 == len(snow) > 0


def test_rows_say_all_that_is_needed():
    for row in make_questions(captioned()):
        assert list(row) == [
            "image", "question", "answers", "split", "question_type", "answer_type",
            "weight",
        ]  # fmt: skip
        assert row["question"].endswith("?") and "{" not in row["question"]
        assert "_" not in row["question"] + row["answers"][0]
        assert len(row["answers"]) == 1 and 0 < row["weight"] <= 1
        number = row["answers"][0].isdigit()
        assert (row["answer_type"] == "number") == number


def test_questions_are_the_same_each_time_and_few_enough():
    rows = make_questions(captioned(), most=12)
    assert rows == make_questions(captioned(), most=12)
    assert rows != make_questions(captioned(), most=12, seed=2)
    assert max(Counter(row["image"] for row in rows).values()) <= 24
    about = Counter((row["image"], row["question"]) for row in rows)
    assert max(about.values()) == 1


def test_questions_are_the_same_in_every_process():
    """Sets of words have another order in each, unless PYTHONHASHSEED is set."""
    code = """if True:
        from vqa.questions.making import ask_texts
        said = ["a dog on a street and a road", "a man with a cup and a bottle"] * 20
        print([one for asked in ask_texts(said) for one in asked])
        """
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1


def test_the_usual_is_learned_from_train_alone():
    photos = captioned()
    dev = [i for i, photo in enumerate(photos) if photo.split == "dev"]
    photos[dev[0]] = Captioned("x.jpg", Path("/x.jpg"), ("A zebra .",) * 3, "dev")
    before = [r for r in make_questions(captioned()) if r["split"] == "train"]
    after = [r for r in make_questions(photos) if r["split"] == "train"]
    assert {r["question"] for r in after if "zebra" in r["question"]} == set()
    assert len(before) > 0
    with pytest.raises(ValueError, match="photos of split train"):
        make_questions([photo for photo in captioned() if photo.split == "dev"])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=10), min_size=1, max_size=6))
def test_any_captions_give_well_formed_rows(captions):
    texts = tuple(" ".join(words) for words in captions)
    photos = [Captioned(f"{i}", Path(f"{i}"), texts, "train") for i in range(3)]
    for row in make_questions(photos):
        assert row["question"].endswith("?") and row["answers"][0]


# Files


def write_photos(folder, photos=40):
    (folder / "images").mkdir(parents=True)
    lines = ["image,caption,split"]
    for i in range(photos):
        Image.new("RGB", (4, 4)).save(folder / "images" / f"{i}.png")
        split = "dev" if i % 5 == 0 else "train"
        lines += [f'{i}.png,"{caption}",{split}' for caption in (DOG, MAN)[i % 2]]
    (folder / "captions.csv").write_text("\n".join(lines))


def test_photos_are_named_from_where_the_questions_lie(tmp_path):
    write_photos(tmp_path / "set")
    text = write_questions(tmp_path / "set", tmp_path / "questions.jsonl")
    rows = [
        json.loads(x) for x in (tmp_path / "questions.jsonl").read_text().splitlines()
    ]
    assert {(tmp_path / row["image"]).is_file() for row in rows} == {True}
    assert not Path(rows[0]["image"]).is_absolute()
    assert f"{len(rows):,} questions about 40 photos" in text
    assert "presence yes/no" in text and "put or link" not in text.lower()


def test_photos_elsewhere_are_named_by_themselves(tmp_path):
    write_photos(tmp_path / "set")
    (tmp_path / "out").mkdir()
    text = write_questions(tmp_path / "set", tmp_path / "out" / "q.jsonl")
    row = json.loads((tmp_path / "out" / "q.jsonl").read_text().splitlines()[0])
    assert row["image"] == "0.png"
    assert "Put or link them there" in text


def test_files_that_cannot_be_written_or_have_nothing_to_learn_from(tmp_path):
    write_photos(tmp_path / "set")
    with pytest.raises(AppError, match="cannot be written"):
        write_questions(tmp_path / "set", tmp_path / "no" / "q.jsonl")
    (tmp_path / "set" / "captions.csv").write_text(
        "image,caption,split\n1.png,A dog,test\n"
    )
    with pytest.raises(AppError, match="no photos in split train"):
        write_questions(tmp_path / "set", tmp_path / "q.jsonl")
    assert not (tmp_path / "q.jsonl").exists()


def test_a_caption_without_a_photo_is_asked_about_what_it_says():
    captions = ["A red bus in a street."] * 5 + ["Two zebras eat grass."] * 5 + ["Yes."]
    found = ask_texts(captions, most=6)
    assert found == ask_texts(captions, most=6)
    assert found != ask_texts(captions, most=6, seed=2)
    assert len(found) == len(captions)
    buses = {(one.text, one.answer) for asked in found[:5] for one in asked}
    assert {answer for text, answer in buses if "color" in text} == {"red"}
    assert ("what animal is this?", "zebra") not in buses
    zebras = {(one.text, one.answer) for asked in found[5:10] for one in asked}
    assert {answer for text, answer in zebras if text.startswith("how many")} == {"2"}
    assert {answer for text, answer in zebras if "animal" in text} >= {"zebra"}
    for captioned, other in ((buses, "zebra"), (zebras, "bus")):
        claims = [a for t, a in captioned if t.startswith("is there") and other in t]
        assert set(claims) <= {"no"}
    for asked in found:
        assert len({one.text for one in asked}) == len(asked)


def test_what_only_the_names_know_is_not_denied():
    captions = {"dog": "A dog runs.", "cat": "A cat sits.", "bus": "A bus stops."}
    said = [*captions.values(), "A leopard."] * 15
    photos = [
        Captioned(f"{i}.jpg", Path(f"{i}.jpg"), (text,) * 5, "train")
        for i, text in enumerate(said)
    ]
    asked = [
        row
        for row in make_questions(photos)
        if "animal" in row["question"] and row["answer_type"] == "yes/no"
    ]
    assert {row["answers"][0] for row in asked} == {"yes", "no"}
    for row in asked:
        if "A leopard." in said[int(row["image"].removesuffix(".jpg"))]:
            assert row["answers"] == ["yes"]
