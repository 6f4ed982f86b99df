"""Questions for things by their names, of all everyday words."""

from collections import Counter
from random import Random

import pytest

from vqa.questions.named import read_names
from vqa.questions.naming import main_thing, name_questions
from vqa.questions.pairs import presence_questions


@pytest.mark.parametrize(
    ("captions", "thing"),
    [
        (["A cat sleeps on a couch.", "A kitten on the sofa."], "cat"),
        (["A plate of food with a hot dog on a table."], "hot dog"),
        (["A man rides an elephant.", "Some people on elephants."], "elephant"),
        (["A woman smiles.", "A lady is smiling."], "person"),
        (["Two children on the grass."], "person"),
        (["An orange bus in the street."], "bus"),
        (["A bowl of oranges on the table."], "orange"),
        (["It is nice."], ""),
    ],
)
def test_the_main_thing_is_what_most_captions_name_first(captions, thing):
    assert main_thing(read_names(captions))[0] == thing


def test_what_only_one_of_five_captions_names_is_not_the_main_thing():
    captions = ["A lamp.", "It is dark.", "It is night.", "So dark.", "Quite dark."]
    assert main_thing(read_names(captions)) == ("", 0.0)


def test_narrow_words_count_for_wider_ones():
    named = read_names(["A puppy.", "An animal."])
    assert named.votes == Counter(dog=1, animal=2)
    assert named.first == Counter(dog=1, animal=1)
    assert named.leaves() == ["dog"]


def answers(captions, seed=0):
    asked = name_questions(read_names(captions), Random(seed))
    return {(question.text, question.answer) for question in asked}


def every(captions):
    return set().union(*(answers(captions, seed) for seed in range(40)))


def test_kinds_and_rooms_are_asked_for():
    asked = every(["A tabby cat in a bathroom sink."])
    assert ("what animal is this?", "cat") in asked
    assert ("what room is this?", "bathroom") in asked
    assert ("what is in the picture?", "cat") in asked


def test_of_two_animals_neither_is_the_animal():
    asked = every(["A cat and a dog.", "A dog beside a cat."])
    assert not [text for text, _ in asked if "animal" in text]


@pytest.mark.parametrize(
    ("caption", "question", "answer"),
    [
        ("A pizza sitting on top of a table.", "what is on the table?", "pizza"),
        ("A plate of broccoli.", "what is on the plate?", "broccoli"),
        ("A vase filled with flowers.", "what is in the vase?", "flower"),
        ("A cat is lying in a suitcase.", "what is in the suitcase?", "cat"),
        ("A dog hides under a bed.", "what is under the bed?", "dog"),
    ],
)
def test_what_is_on_and_in_things_is_asked_for(caption, question, answer):
    assert (question, answer) in every([caption])


def test_nobody_is_a_thing_on_a_couch():
    asked = every(["A man sits on a couch and a dog runs on grass."])
    assert not [text for text, _ in asked if "couch?" in text]
    assert ("what is on the grass?", "dog") in asked


def claims(captions, most_alike=100, seed=0):
    named = [read_names([caption]) for caption in captions]
    return ask(named, most_alike, seed=seed)


def ask(named, most_alike, most=1000, seed=0):
    asked = [()] * len(named)
    return list(presence_questions(named, asked, Random(seed), most_alike, most))


CAPTIONS = [
    *("A cat on a bed.", "A dog in a park.", "A bus in a street.", "A cat and a dog."),
    *("Two men with an umbrella.", "An animal.", "A zebra on grass.", "A giraffe."),
] * 6


def test_yes_and_no_are_as_frequent_for_each_thing_and_wording():
    counts = {"yes": Counter(), "no": Counter()}
    for claim in claims(CAPTIONS):
        counts[claim.question.answer][claim.question.text] += 1
    assert counts["yes"] == counts["no"]
    assert len(counts["yes"]) > 40


def test_yes_is_said_of_what_is_mentioned_and_no_of_what_is_not():
    for claim in claims(CAPTIONS):
        votes = read_names([CAPTIONS[claim.photo]]).votes
        assert (claim.thing in votes) == (claim.question.answer == "yes")


def test_an_animal_of_no_name_may_be_any():
    for claim in claims(CAPTIONS):
        if CAPTIONS[claim.photo] == "An animal." and claim.question.answer == "no":
            assert claim.thing not in ("cat", "dog", "zebra", "giraffe")


def test_half_of_what_is_missing_is_asked_about_its_like():
    captions = ["A cat."] * 30 + ["A dog."] * 30 + ["A bus."] * 300
    asked = [
        c for c in claims(captions) if (c.thing, c.question.answer) == ("cat", "no")
    ]
    dogs = sum(captions[claim.photo] == "A dog." for claim in asked)
    assert 0.3 < dogs / len(asked) < 0.8


def test_no_more_than_so_many_are_asked():
    counts = Counter(
        (c.thing, c.question.answer) for c in claims(CAPTIONS, most_alike=4)
    )
    assert max(counts.values()) == 4


def test_no_photo_is_asked_about_more_often():
    named = [read_names([caption]) for caption in CAPTIONS]
    found = ask(named, 100, 3)
    assert max(Counter(claim.photo for claim in found).values()) == 3
    counts = Counter((claim.question.text, claim.question.answer) for claim in found)
    assert all(counts[text, "yes"] == counts[text, "no"] for text, _ in counts)


def test_nothing_is_asked_twice():
    named = [read_names([caption]) for caption in CAPTIONS]
    asked = [("is there a cat?", "is there a dog?")] * len(named)
    found = list(presence_questions(named, asked, Random(0), 100, 1000))
    assert not {claim.question.text for claim in found} & set(asked[0])
    assert len({(claim.photo, claim.question.text) for claim in found}) == len(found)


def test_things_that_captions_tend_to_leave_out_are_not_denied():
    rare = ["A dog by a tree."] + ["A dog."] * 4
    named = [read_names(rare)] * 20 + [read_names(["A bus."] * 5)] * 20
    asked = {claim.thing for claim in ask(named, 100)}
    assert "dog" in asked
    assert "tree" not in asked


def test_words_have_their_articles_and_plurals():
    texts = {
        c.question.text for c in claims(["An umbrella and scissors.", "A bus."] * 40)
    }
    assert "is there an umbrella?" in texts
    assert "are there any umbrellas?" in texts
    assert not [text for text in texts if "a scissors" in text or " a umbrella" in text]
