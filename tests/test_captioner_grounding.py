from types import SimpleNamespace

import numpy as np
import pytest
from conftest import concept_captioner, photo

from captioner.config import ConfidenceConfig
from captioner.describing.confidence import judge
from captioner.describing.grounding import LEAST, LEAST_OWN, Grounding
from captioner.search.config import DecodingConfig
from captioner.search.strategy import SELDOM
from shared.concepts.words import names_of, read_concepts
from shared.text.vocabulary import SPECIAL_WORDS

CONCEPTS = ("person", "dog", "hot dog", "hamster", "tree", "car", "race car", "cat")
WORDS = (
    *(*SPECIAL_WORDS, "a", "man", "surfers", "his", "puppies", "dog", "animals"),
    *("hamster", "trees", "cars", "cat", "jumping", "wall", "kid", "hot", "kitty"),
    *("blond", "little"),
)


def seen(said=None, **there):
    """What one photo shows: 0.9 of each concept, unless it is said."""
    probs = {word: 0.9 for word in CONCEPTS} | {
        word.replace("_", " "): prob for word, prob in there.items()
    }
    row = np.float32([[probs[word] for word in CONCEPTS]])
    return SimpleNamespace(there=row, said=row if said is None else row * said)


@pytest.fixture(scope="module")
def grounding():
    return Grounding(WORDS, CONCEPTS)


def banned(grounding, what, wanted=(), **least):
    none = dict.fromkeys(("people", "animals", "things", "support"), 0)
    decoding = DecodingConfig(**none | least)
    bias = grounding.bias(what, decoding, wanted)
    if bias is None:
        return set()
    assert bias.shape == (1, len(WORDS)) and bias.dtype == np.float32
    assert set(np.unique(bias)) <= {0, SELDOM}
    return {word for word, cost in zip(WORDS, bias[0], strict=True) if cost}


def test_words_for_people_need_a_person(grounding):
    nobody = seen(person=0.3)
    people = {"man", "surfers", "his", "kid", "blond"}
    assert banned(grounding, nobody, people=0.35) == people
    assert banned(grounding, nobody, people=0.25) == set()
    assert banned(grounding, seen(person=0.5), people=0.35) == set()
    # Of people whom nobody would mention, a caption does not speak, of dogs it may.
    unmentioned = seen(said=0.3)
    assert banned(grounding, unmentioned, people=0.35, animals=0.35) == people


def test_words_of_ones_own_need_what_looks_like_their_examples():
    grounding = Grounding((*WORDS, "miso"), (*CONCEPTS, "miso"), ["miso"])
    none = dict.fromkeys(("people", "animals", "things", "support"), 0)
    for there, cost in ((LEAST_OWN - 0.01, SELDOM), (LEAST_OWN + 0.01, 0)):
        row = np.full((1, len(CONCEPTS) + 1), 0.9, np.float32)
        row[:, -1] = there
        what = SimpleNamespace(there=row, said=row)
        bias = grounding.bias(what, DecodingConfig(**none))
        np.testing.assert_array_equal(bias, [[0] * len(WORDS) + [cost]])


def test_words_for_animals_need_the_nearest_that_detectors_know(grounding):
    assert banned(grounding, seen(dog=0.1, hot_dog=0.1), animals=0.2) == {
        "puppies",
        "dog",
    }
    # A hot dog is no dog, but has the word.
    assert banned(grounding, seen(dog=0.1), animals=0.2) == {"puppies"}
    assert banned(grounding, seen(cat=0.1), animals=0.2) == {"cat", "kitty"}
    none = seen(dog=0.1, hot_dog=0.1, cat=0.1, hamster=0.15)
    assert "animals" in banned(grounding, none, animals=0.2)
    assert "hamster" not in banned(grounding, none, animals=0.2)  # not detected
    assert "animals" not in banned(grounding, seen(dog=0.1, cat=0.1), animals=0.2)


def test_an_animal_is_not_taken_for_another_that_is_much_surer(grounding):
    cow_like = seen(dog=0.4, hot_dog=0.1, cat=0.85, hamster=0.5)
    assert banned(grounding, cow_like, animals=0.2) == {"puppies", "dog"}
    assert banned(grounding, cow_like) == set()
    both = seen(dog=0.45, hot_dog=0.1, cat=0.85)
    assert banned(grounding, both, animals=0.2) == set()


def test_words_for_things_are_banned_only_if_asked_and_detected(grounding):
    none = seen(car=0.01, race_car=0.01, tree=0.01)
    assert banned(grounding, none, people=0.35, animals=0.2) == set()
    assert banned(grounding, none, things=0.05) == {"cars"}
    # A race car is a car.
    assert banned(grounding, seen(car=0.01, tree=0.01), things=0.05) == set()


def test_what_somebody_asks_for_is_not_banned(grounding):
    wanted = [WORDS.index("man")]
    found = banned(grounding, seen(person=0.1), wanted, people=0.35)
    assert found == {"surfers", "his", "kid", "blond"}


def test_words_pay_for_what_they_name_being_doubtful(grounding):
    none = dict.fromkeys(("people", "animals", "things"), 0)
    what = seen(tree=0.5, cat=0.0, said=0.1)
    what.said[0, CONCEPTS.index("cat")] = 0.4  # said oftener than seen
    what.there[0, CONCEPTS.index("person")] = 0.0
    what.said[0, CONCEPTS.index("person")] = 0.0
    bias = grounding.bias(what, DecodingConfig(**none, support=0.5))
    cost = dict(zip(WORDS, bias[0], strict=True))
    assert cost["trees"] == pytest.approx(0.5 * np.log(0.5))
    assert cost["cat"] == pytest.approx(0.5 * np.log(0.4))
    assert cost["his"] == pytest.approx(0.5 * np.log(LEAST))
    assert cost["a"] == cost["jumping"] == cost["wall"] == cost["hot"] == 0


def test_photos_have_a_bias_each(grounding):
    parts = [seen(person=prob) for prob in (0.1, 0.9)]
    both = SimpleNamespace(
        there=np.concatenate([part.there for part in parts]),
        said=np.concatenate([part.said for part in parts]),
    )
    bias = grounding.bias(both, DecodingConfig())
    assert (bias[:, WORDS.index("man")] == [SELDOM, 0]).all()


def test_words_that_name_nothing_leave_the_search_alone():
    plain = Grounding([*SPECIAL_WORDS, "red"], CONCEPTS)
    assert plain.bias(seen(person=0), DecodingConfig()) is None
    assert np.isnan(plain.support(seen().there)).all()


def test_support_is_that_of_the_likeliest_that_a_word_may_be_about(grounding):
    what = seen(dog=0.2, hot_dog=0.7, person=0.4)
    found = dict(zip(WORDS, grounding.support(what.there)[0], strict=True))
    assert (found["dog"], found["puppies"]) == pytest.approx((0.7, 0.2))
    assert found["man"] == found["his"] == pytest.approx(0.4)
    assert np.isnan([found["a"], found["jumping"], found["<unk>"]]).all()


def weighed(grounding, text, what):
    tokens = [WORDS.index(word) for word in text.split()]
    return grounding.weigh(tokens, what.there[0], what.said[0])


def test_what_a_caption_names_is_compared_with_what_is_there(grounding):
    what = seen(person=0.4, dog=0.2, cat=0.6, hot_dog=0.1, car=0.5)
    least, most, missed = weighed(grounding, "a man puppies", what)
    assert np.exp([least, most]) == pytest.approx([0.2, 0.4])
    assert missed == pytest.approx(0.6)  # the cat
    assert weighed(grounding, "kitty", what)[2] == pytest.approx(0.5)
    # A race car and a hamster are missed by no detector, and people by design.
    assert weighed(grounding, "kitty cars", seen(dog=0, hot_dog=0))[2] == 0


def test_a_caption_that_names_nothing_has_no_support(grounding):
    least, most, missed = weighed(grounding, "a jumping <unk>", seen(car=0.95))
    assert np.exp([least, most]) == pytest.approx([LEAST, LEAST])
    assert missed == pytest.approx(0.95)
    least = weighed(grounding, "dog", seen(dog=0, hot_dog=0))[0]
    assert least == pytest.approx(np.log(LEAST))


def test_each_caption_has_its_evidence_and_its_probability():
    """Photos of one batch and captions of one photo are judged each by itself."""
    sentences = {"a car": 0.6, "a tree": 0.4}
    there = {"car": 0.1, "tree": 0.9}
    weights = ConfidenceConfig(bias=2, words=1, least=1, most=0, missed=-1)
    plain = concept_captioner(sentences, there, unsure=0.61)
    judging = concept_captioner(sentences, there, confidence=weights, unsure=0.5)
    (batch,) = judging.caption_all([photo(1)] * 2, hedge=False)
    for _, found in batch:
        car, tree = found[:2]
        assert car.evidence.words == pytest.approx(np.log(0.6) / 3, abs=1e-3)
        assert np.exp(car.evidence.least) == pytest.approx(0.1)
        assert tree.evidence.missed == pytest.approx(0.1)
        for one in car, tree:
            assert one.confidence == one.right == judge(one.evidence, weights)
        assert (car.unsure, tree.unsure) == (True, False)
    best = plain.caption(photo(1))[0]
    assert best.right is None and best.evidence == car.evidence
    assert best.confidence == pytest.approx(0.6 ** (1 / 3), abs=1e-3)
    assert best.unsure is False
    assert concept_captioner(sentences, there).caption(photo(1))[0].unsure is None


def test_a_captioner_says_only_what_is_there():
    sentences = {"a man and a dog": 0.5, "a dog on grass": 0.3, "some grass": 0.2}

    def caption(there, **changes):
        captioner = concept_captioner(sentences, there)
        return captioner.caption(photo(1), **changes)[0].text

    alone, nothing = {"person": 0.1, "dog": 0.9}, {"person": 0.1, "dog": 0.1}
    assert caption({"person": 0.9, "dog": 0.9}) == "A man and a dog."
    assert caption(alone) == "A dog on grass."
    assert caption(nothing) == "Some grass."
    assert caption(nothing, animals=0.05) == "A dog on grass."
    assert caption(nothing, animals=0, people=0) == "A man and a dog."
    assert caption(nothing, must=["dog"]) == "A dog on grass."
    assert caption(alone, prefix="a man") == "A man and a dog."


def test_names_of_a_thing_are_found_together(grounding):
    found = [{WORDS[i] for i in ids} for ids in grounding.things]
    assert found == [{"trees"}, {"cars"}]  # no people, no animals
    words = (*SPECIAL_WORDS, "sofa", "bike", "couches", "cars", "bicycle", "car")
    found = Grounding(words, ("couch", "bike", "car")).things
    assert {frozenset(words[i] for i in ids) for ids in found} == {
        frozenset(names)
        for names in ({"sofa", "couches"}, {"bike", "bicycle"}, {"cars", "car"})
    }


def test_a_captioner_names_a_thing_once():
    sentences = {"a car on cars": 0.6, "the dog of dogs": 0.4}
    captioner = concept_captioner(sentences, {"car": 0.9, "dog": 0.9})
    assert captioner.caption(photo(1))[0].text == "The dog of dogs."
    assert captioner.caption(photo(1), once=False)[0].text == "A car on cars."


def test_a_captioner_prefers_what_is_surely_there():
    sentences = {"a car": 0.6, "a tree": 0.4}
    captioner = concept_captioner(sentences, {"car": 0.1, "tree": 0.9})
    assert captioner.caption(photo(1))[0].text == "A car."
    found = captioner.caption(photo(1), support=0.5)
    assert [caption.text for caption in found[:2]] == ["A tree.", "A car."]
    assert found[0].log_prob == pytest.approx(np.log(0.4), abs=1e-4)  # the model's


def test_the_names_of_things_go_without_the_lexicon():
    """Regular plurals, as the lexicon has them where it has any."""
    from shared.text.english import plural

    others = {"cattle", "clothes", "mouse", "ox", "woods", "spaghetti", "noodles"}
    others |= {"police", "luggage", "baggage", "shades", "surf", "audience", "youth"}
    for concept in read_concepts().values():
        names = names_of(concept)
        assert {concept.word, concept.plural, *concept.also} <= names
        for name in {*concept.also} - others:
            *first, last = name.split(" ")
            assert " ".join([*first, plural(last)]) in names
