import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from captioner.config import DecodingConfig
from captioner.inflections import inflections
from captioner.rules import Rules, Sampling, make_rules, prefix_words
from shared.config import revise_config
from shared.errors import AppError
from shared.text import EOS, SPECIAL_WORDS, UNK, Vocabulary

WORDS = """
a the dog dogs cat man men woman runs run running ran jumps of on with grass red café 's
is zebras ball
""".split()  # noqa: SIM905
VOCABULARY = Vocabulary([*SPECIAL_WORDS, *WORDS])
BUNDLE = Path(__file__).parents[1] / "captioner/bundle/vocabulary.txt"


def ids(words):
    return tuple(sorted(VOCABULARY.ids[word] for word in words.split()))


def rules(**changes):
    return make_rules(revise_config(DecodingConfig(), changes, "It"), VOCABULARY)


def test_a_request_of_nothing_is_a_plain_beam_search():
    assert rules() == Rules(
        bos_id=2,
        eos_id=3,
        pad_id=0,
        max_words=20,
        beam_size=3,
        banned_ids=(UNK,),
        ending_ids=ids("a the of on with is"),  # those of BAD_ENDINGS that are known
    )


def test_numbers_are_handed_on():
    found = rules(
        beam_size=6,
        groups=3,
        diversity=0.25,
        length_penalty="average",
        min_words=4,
        max_words=9,
        no_repeat=2,
    )
    assert found[3:9] == (9, 4, 6, 3, 0.25, "average")
    assert found.no_repeat == 2
    assert rules(diversity=0.25).diversity == 0.0  # of one group there is none


def test_rules_can_be_the_key_of_a_cache():
    request = {"must": ["dog"], "ban": ["cat"], "prefix": "a", "method": "beam"}
    assert {rules(**request): 1}[rules(**request)] == 1
    assert hash(rules(method="sample")) != hash(rules())


def test_a_sample_has_its_own_numbers():
    found = rules(method="sample", temperature=0.5, top_k=4, top_p=0.9)
    assert found.sampling == Sampling(0.5, 4, 0.9)
    assert rules(method="sample", top_k=len(VOCABULARY)).sampling.top_k == 0


def test_banned_words_that_nobody_can_say_are_ignored():
    assert rules(ban=["dog", "zeppelin", "Cat!"]).banned_ids == (UNK, *ids("dog cat"))
    assert rules(ban=["dog"], inflections=True).banned_ids == (UNK, *ids("dog dogs"))
    found = rules(ban=["zebra", "ran"], inflections=True)
    assert found.banned_ids == (UNK, *ids("zebras run runs ran running"))


def test_bad_endings_that_nobody_can_say_are_ignored():
    endings = ["Red", "cafe\u0301", "zeppelin", "<eos>", "<unk>", "next to", ""]
    assert rules(bad_endings=endings).ending_ids == ids("red café")


@pytest.mark.parametrize(
    ("must", "with_inflections", "groups"),
    [
        ([], False, []),
        (["Dog", "cat"], False, ["dog", "cat"]),
        (["dog", "dog.", "DOG"], False, ["dog"]),
        (["dog"], True, ["dog dogs"]),
        (["dog", "dogs"], True, ["dog dogs"]),
        (["dog", "dogs"], False, ["dog", "dogs"]),
        (["zebra"], True, ["zebras"]),  # unknown itself
        (["ran", "men"], True, ["run runs ran running", "man men"]),
        ([unicodedata.normalize("NFD", "Café")], False, ["café"]),
        (["\u2019s"], False, ["'s"]),
        (["dog", "cat", "man", "ball"], False, ["dog", "cat", "man", "ball"]),
    ],
)
def test_must_words_become_groups(must, with_inflections, groups):
    found = rules(must=must, inflections=with_inflections).must_ids
    assert found == tuple(ids(group) for group in groups)


def test_a_must_word_keeps_the_forms_that_are_not_banned():
    vocabulary = Vocabulary([*SPECIAL_WORDS, "building", "buildings", "build", "red"])
    request = DecodingConfig(must=("buildings",), ban=("build",), inflections=True)
    assert make_rules(request, vocabulary).must_ids == ((5,),)


def test_a_prefix_is_split_like_captions_and_read_as_far_as_it_is_known():
    decoding = DecodingConfig(prefix="The man's  ZEBRA, ", must=("man", "red"))
    found = make_rules(decoding, VOCABULARY)
    assert prefix_words(decoding) == ["the", "man", "'s", "zebra"]
    known = [VOCABULARY.ids[word] for word in ("the", "man", "'s")]
    assert found.prefix_ids == (*known, UNK)
    assert UNK in found.banned_ids  # anywhere else
    assert found.must_ids == (ids("man"), ids("red"))  # man is there already
    assert prefix_words(DecodingConfig(prefix="  ")) == []
    assert rules(prefix=" \n").prefix_ids == ()


@pytest.mark.parametrize("with_inflections", [False, True])
def test_a_must_word_typed_in_the_prefix_need_not_be_known(with_inflections):
    request = {"prefix": "a zebra", "inflections": with_inflections}
    assert rules(must=["Zebra"], **request).must_ids == ()


def test_the_most_that_fits_is_accepted():
    assert rules(prefix="a dog", max_words=3, must=["dog", "cat"])
    assert rules(max_words=1, must=["cat"])
    assert rules(must=["dog"], beam_size=4, groups=2)
    assert rules(ban=[word for word in WORDS if word != "dog"])


MANY = ["dog", "cat", "man", "ball", "red"]
ALL = {"ban": WORDS}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"must": ["zebra"]},
            r'^must "zebra": .* not learnt this word, .* knows: "zebras"\. Ask for one '
            r"of them, or train the model further",
        ),
        ({"must": ["runing"]}, r'knows: "running"'),
        ({"must": ["qqq"]}, r'must "qqq": .* No known word is near\. Leave it out, or'),
        ({"must": ["qqq"], "inflections": True}, r"No known word is near"),
        ({"must": ["balls"], "ban": ["ball"]}, r'must "balls": .* No known word is'),
        ({"must": ["unk"]}, r'must "unk": .* not learnt'),
        ({"must": ["<unk>"]}, r'must "unk": .* not learnt'),
        (
            {"must": ["dog"], "ban": ["cat", "DOG"]},
            r'^"dog" is both a must-word and banned by "cat", "DOG"\. Take it off one',
        ),
        (
            {"must": ["dog"], "ban": ["dogs"], "inflections": True},
            r'"dog" is both .* by "dogs", all forms of each \(inflections\)\. Take',
        ),
        (
            {"must": ["zebra"], "ban": ["zebras"], "inflections": True},
            r'"zebra" is both a must-word and banned by "zebras"',
        ),
        (
            {"must": MANY},
            r'^5 must-words are too many: "dog", .* at most 4\. Leave some out\.$',
        ),
        (
            {"must": ["two dogs"]},
            r'^must "two dogs" is 2 words here: "two", "dogs"\. Give single words,',
        ),
        ({"must": ["cannot"]}, r'must "cannot" is 2 words here: "can", "not"\.'),
        ({"must": [""]}, r'^must "" holds no word\. Give single words'),
        ({"must": ["!!"]}, r'^must "!!" holds no word'),
        ({"ban": ["dog's"]}, r'^ban "dog\'s" is 2 words here: "dog", "\'s"\.'),
        ({"ban": ["--"]}, r'^ban "--" holds no word'),
        (
            {"prefix": "A dog runs", "max_words": 3},
            r'^The prefix "A dog runs" takes 3 of max_words 3, .* at least 4\.$',
        ),
        (
            {"prefix": "a zebra", "max_words": 1},
            r"takes 2 of max_words 1, .*least 3\.$",
        ),
        (
            {"prefix": "a dog", "must": ["cat", "dog", "man"], "max_words": 3},
            r"^max_words 3 is too few: the prefix takes 2, and the must-words that it "
            r"lacks take 2\. Give a max_words of at least 4, or ask for less\.$",
        ),
        ({"must": ["cat", "dog"], "max_words": 1}, r"prefix takes 0, .*at least 2,"),
        (
            {"prefix": "A dog", "ban": ["dog"]},
            r'^The prefix "A dog" has a banned word: "dog"\. .* not ban "dog"\.$',
        ),
        (
            {"prefix": "Two Zebra", "ban": ["zebra"]},
            r'a banned word: "zebra"\.',
        ),
        (
            {"prefix": "the men", "ban": ["man"], "inflections": True},
            r'word: "men"\. .* not ban "man", all forms of each \(inflections\)\.',
        ),
        ({"prefix": "..."}, r'^The prefix "\.\.\." holds no word\. Type how'),
        (ALL, r"^All 23 words that the model knows are banned, .* Ban fewer words\.$"),
        (
            {"method": "sample", "must": ["dog"]},
            r'^must "dog" needs the method beam; .* Use beam, or ask for no must-words',
        ),
        (
            {"method": "sample", "groups": 3},
            r"^groups 3 needs the method beam; .* Use beam, or groups 1\.$",
        ),
    ],
)
def test_what_is_impossible_is_refused(changes, message):
    with pytest.raises(AppError, match=message):
        rules(**changes)


def test_a_changed_copy_of_a_config_is_checked_as_well():
    decoding = DecodingConfig().model_copy(update={"min_words": 30})
    with pytest.raises(AppError, match="min_words 30 is more than max_words 20"):
        make_rules(decoding, VOCABULARY)


def test_rules_come_without_heavy_libraries():
    code = (
        "import sys; from captioner.rules import make_rules\n"
        "assert not {'keras', 'tensorflow', 'nltk'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Inflections

KINDS = """
man men / woman women / policeman policemen / child children / person people
foot feet / tooth teeth / goose geese / wolf wolves / knife knives / scarf scarves
dog dogs / bus buses / dress dresses / glass glasses / box boxes / match matches
puppy puppies / boy boys / t-shirt t-shirts / sky skies / sheep / volcano volcanoes
run runs ran running / sit sits sat sitting / stand stands stood standing
hold holds held holding / ride rides rode ridden riding / swim swims swam swum swimming
throw throws threw thrown throwing / wear wears wore worn wearing
lie lies lay lain lying / eat eats ate eaten eating / drive drives drove driven driving
fly flies flew flown flying / catch catches caught catching
leap leaps leapt leaped leaping / jump jumps jumped jumping / play plays played playing
smile smiles smiled smiling / carry carries carried carrying / jog jogs jogged jogging
tie ties tied tying / travel travels traveled travelled traveling travelling
ski skis skied skiing / canoe canoes canoed canoeing / go goes went gone going
be am is are was were been being / focus focuses focused focusing focussed
"""


@pytest.mark.parametrize("kind", KINDS.strip().replace(" / ", "\n").splitlines())
def test_forms_are_found_from_the_base_and_the_base_from_each(kind):
    words = kind.split()
    base, known = words[0], {*words, "other", "words"}
    assert inflections(base, known) == set(words)
    for word in words:
        assert {base, word} <= inflections(word, known)


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
    ],
)
def test_words_that_only_look_alike_are_not_linked(pair):
    word, other = pair.split()
    assert inflections(word, {word, other}) == {word}
    assert inflections(other, {word, other}) == {other}


def test_a_word_need_not_be_known_and_may_have_no_form():
    assert inflections("leapt", {"leaps", "lea", "heap"}) == {"leaps"}
    assert inflections("qqq", {"q"}) == set()
    assert inflections("", {"s", "es", "ing", "ed"}) == set()
    assert inflections("'s", ["'s", "'"]) == {"'s"}


@pytest.mark.skipif(not BUNDLE.is_file(), reason="no model comes along")
def test_links_of_the_included_vocabulary():
    known = set(Vocabulary.load(BUNDLE).words[EOS + 1 :])
    found = {word: inflections(word, known) for word in known}
    assert all(word in forms for word, forms in found.items())
    assert all(word in found[form] for word, forms in found.items() for form in forms)
    assert max(map(len, found.values())) <= 8  # those of "be", of which it knows 7
    assert found["men"] == {"man", "mans", "men"}
