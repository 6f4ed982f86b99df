"""English words: forms of the same word, and words that only look like one."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MORE
from lemminflect import getAllLemmas

from shared.text import lexicon
from shared.text.english import (
    forms,
    is_doubled_plural,
    plural,
    present_participle,
    read_word,
    spelt_like,
    third_person,
)
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

BUNDLES = [
    Path(__file__).parents[1] / name / "bundle/vocabulary.txt"
    for name in ("captioner", "vqa")
]

KINDS = """
man men / woman women / policeman policemen / child children / person people
foot feet / tooth teeth / goose geese / wolf wolves / knife knives / scarf scarves
dog dogs / bus buses / dress dresses / box boxes / match matches
puppy puppies / boy boys / t-shirt t-shirts / sky skies / sheep / volcano volcanoes
run runs ran running / sit sits sat sitting / stand stands stood standing
hold holds held holding / ride rides rode ridden riding / swim swims swam swum swimming
throw throws threw thrown throwing / wear wears wore worn wearing
lie lies lain lying / eat eats ate eaten eating / drive drives driven driving
fly flies flew flown flying / catch catches caught catching
leap leaps leapt leaped leaping / jump jumps jumped jumping / play plays played playing
smile smiles smiled smiling / carry carries carried carrying / jog jogs jogged jogging
tie ties tied tying / travel travels traveled travelled traveling travelling
ski skis skiing / canoe canoes canoed canoeing / go goes went gone going
be am is are was were been / focus focuses focused focusing focussed
"""


@pytest.mark.parametrize("kind", KINDS.strip().replace(" / ", "\n").splitlines())
def test_forms_are_found_from_the_base_and_the_base_from_each(kind):
    words = kind.split()
    base, known = words[0], {*words, "other", "words"}
    assert forms(base, known) == set(words)
    for word in words:
        assert {base, word} <= forms(word, known)


@pytest.mark.parametrize(
    "pair",
    [
        *("wing w", "ring red", "bed b", "bed be", "thing the", "string str", "its it"),
        *("his hi", "as a", "is i", "sling sled", "hoping hop", "hopping hope"),
        *("staring star", "starring stare", "baring bar", "caring car", "seed see"),
        *("feed fee", "news new", "shorts short", "evening even", "shed she"),
        *("tired tire", "suited suite", "wading wad", "hundred hund"),
        *("does doe", "dying dye", "grass gras", "hers her", "her hers", "this thi"),
        *("skied sky", "runner run", "tallest tall", "ground grind", "left leave"),
        *("clothes cloth", "winding wind", "legging leg", "dresser dress", "as ass"),
        *("beard bear", "card car", "ready read", "skis sky", "skies ski"),
        *(
            "balding bald",
            "wedding wed",
            "being be",
            "building build",
            "paint painting",
        ),
        *("glasses glass", "pants pant", "shorts short", "woods wood", "trunks trunk"),
        *(
            "saw see",
            "found find",
            "felt feel",
            "wound wind",
            "bound bind",
            "rose rise",
        ),
        *(
            "leaves leaf",
            "leaves leave",
            "dice die",
            "lay lie",
            "dyed die",
            "lied lying",
        ),
        *("bearing bear", "born bear", "stove stave", "bored board", "moped mope"),
        *("buses busy", "cares car", "planes plan", "pines pin", "tapes tap"),
        *("number numb", "bigger big", "best good", "quickly quick", "windows wind"),
    ],
)
def test_words_that_only_look_alike_are_not_linked(pair):
    word, other = pair.split()
    assert forms(word, {word, other}) == {word}
    assert forms(other, {word, other}) == {other}


def test_a_word_need_not_be_known_and_may_have_no_form():
    assert forms("leapt", {"leaps", "lea", "heap"}) == {"leaps"}
    assert forms("qqq", {"q"}) == set()
    assert forms("", {"s", "es", "ing", "ed"}) == set()
    assert forms("'s", ["'s", "'"]) == {"'s"}


@pytest.mark.parametrize("path", BUNDLES, ids=["captioner", "vqa"])
def test_links_of_the_included_vocabularies(path):
    if not path.is_file():
        pytest.skip("no model comes along")
    known = set(Vocabulary.load(path).words[len(SPECIAL_WORDS) :])
    some = sorted(known) if MORE else sorted(known)[::20]
    found = {word: forms(word, known) for word in some}
    assert all(word in same for word, same in found.items())
    assert all(
        word in forms(form, known) for word, same in found.items() for form in same
    )
    assert max(map(len, found.values())) <= 7  # those of "be"
    assert forms("dogs", known) == {"dog", "dogs"}
    bases = {word: {read_word(form).base for form in found[word]} for word in some}
    assert all(len(base - {"", word}) <= 2 for word, base in bases.items())


@pytest.mark.parametrize(
    ("word", "many"),
    [
        *(("dog", "dogs"), ("man", "men"), ("puppy", "puppies"), ("bench", "benches")),
        *(("toy", "toys"), ("person", "people"), ("fish", "fish"), ("ox", "oxen")),
        *(("sheep", "sheep"), ("goose", "geese"), ("mouse", "mice"), ("bus", "buses")),
        *(("series", "series"), ("lens", "lenses"), ("scarf", "scarves")),
        *((word, word) for word in ("pants", "slacks", "flops", "glasses", "jeans")),
        *((word, word) for word in ("sunglasses", "trunks", "rollerskates", "skis")),
        *((word, word) for word in ("people", "men", "heels", "steps", "spectacles")),
        *(("seagull", "seagulls"), ("log", "logs"), ("top", "tops"), ("tutu", "tutus")),
    ],
)
def test_a_plural_is_made_once(word, many):
    assert plural(word) == many
    assert plural(many) == many


def test_doubled_plurals_are_told_from_plain_ones():
    doubled = ["flopses", "slackses", "pantses", "rollerskateses", "trunkses"]
    plain = ["dresses", "horses", "buses", "glasses", "sunglasses", "vases", "purses"]
    assert [word for word in doubled + plain if is_doubled_plural(word)] == doubled


@pytest.mark.parametrize(
    ("verb", "ing", "third"),
    [
        *(("run", "running", "runs"), ("ride", "riding", "rides")),
        *(("lie", "lying", "lies"), ("ski", "skiing", "skis"), ("do", "doing", "does")),
        *(("have", "having", "has"), ("go", "going", "goes")),
        *(("squat", "squatting", "squats"), ("carry", "carrying", "carries")),
        *(("waterski", "waterskiing", "waterskis"), ("see", "seeing", "sees")),
    ],
)
def test_verbs(verb, ing, third):
    assert (present_participle(verb), third_person(verb)) == (ing, third)


def test_near_words_are_spelt_alike():
    known = ["what", "is", "'s", "n't", "dog", "dogs", "helmet", "flopses"]
    assert spelt_like("dogss", known) == ["dogs", "dog"]
    assert spelt_like("dgo", known)[0] == "dog"
    assert spelt_like("do", known) == []  # too short to tell
    assert spelt_like("elephant", known) == []
    assert spelt_like("flops", known) == []  # "flopses" is no word
    assert len(spelt_like("helmet", [f"helmet{c}" for c in "abcdef"])) == 3


def test_the_lexicon_waits_until_it_is_needed():
    code = (
        "import sys; from shared.text.english import forms, spelt_like\n"
        "assert not {'lemminflect', 'difflib', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bases_are_those_of_the_lexicon():
    lines, own = lexicon._read()
    words = {line.split(",")[0] for line in lines[:: 1 if MORE else 20]} | {*own}
    words |= {"okay", "cyclops", "saws", "seagulls", "", "é", "'m", "zzz"}
    for word in filter(str.islower, words):
        assert list(lexicon.bases_of(word).items()) == [*getAllLemmas(word).items()]
