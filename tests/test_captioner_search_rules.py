import subprocess
import sys
import unicodedata

import pytest

from captioner.search.beam import BeamSearch
from captioner.search.config import DecodingConfig
from captioner.search.neutral import Neutral, Sides
from captioner.search.rules import Rules, make_rules, prefix_words
from captioner.search.sample import Sampling
from shared.config import revise_config
from shared.errors import AppError
from shared.text.vocabulary import SPECIAL_WORDS, UNK, Vocabulary

WORDS = """
a the dog dogs cat man men woman runs run running ran jumps of on with grass red café 's
is zebras ball
""".split()  # noqa: SIM905
VOCABULARY = Vocabulary([*SPECIAL_WORDS, *WORDS])


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
        strategy=BeamSearch(diversity=0.0),  # of one group there is none
        banned_ids=(UNK,),
        ending_ids=ids("a the of on with is"),  # those of BAD_ENDINGS that are known
    )


PEOPLE = Vocabulary(
    [
        *SPECIAL_WORDS,
        *[
            "a",
            "person",
            "man",
            "guy",
            "woman",
            "boy",
            "girl",
            "kid",
            "child",
            "his",
            "herself",
        ],
    ]
)
A, PERSON, MAN, GUY, WOMAN, BOY, GIRL, KID, CHILD, HIS, HERSELF = range(4, 15)


def neutral(vocabulary=PEOPLE, margin=0.8, **changes):
    decoding = revise_config(DecodingConfig(), {"neutral": margin, **changes}, "It")
    return make_rules(decoding, vocabulary).neutral


def test_the_words_that_tell_sex_and_age_are_those_that_are_known():
    assert neutral() == Neutral(
        margin=0.8,
        sexes=(
            Sides(PERSON, (MAN, GUY), (WOMAN,)),
            Sides(CHILD, (BOY,), (GIRL,)),
        ),
        ages=(Sides(PERSON, (MAN, GUY, WOMAN), (BOY, GIRL, CHILD, KID)),),
        male=(MAN, GUY, BOY),
        female=(WOMAN, GIRL),
        he=(HIS,),
        she=(HERSELF,),
    )


def test_nothing_is_neutral_unless_it_is_wanted_and_can_be():
    assert neutral(margin=0) is None
    assert DecodingConfig().neutral == 0  # as bundles without it were made
    assert neutral(Vocabulary([*SPECIAL_WORDS, "a", "dog", "man"])) is None


def test_what_cannot_be_said_stands_for_nothing_and_what_must_be_is():
    assert neutral(ban=("child",)).sexes[1].neutral == KID
    banned = neutral(ban=("child", "kid", "person"))
    assert (banned.sexes, banned.ages) == ((), ())
    wanted = neutral(must=("girl", "his"))
    assert wanted.sexes == (Sides(PERSON, (MAN, GUY), (WOMAN,)),)
    assert wanted.ages[0].other == (BOY, CHILD, KID)
    assert wanted.he == () and wanted.female == (WOMAN, GIRL)


def test_colors_are_doubted_unless_they_are_asked_for():
    vocabulary = Vocabulary([*SPECIAL_WORDS, "a", "red", "car", "grey"])
    decoding = DecodingConfig(colors=0.2)
    ids = vocabulary.ids
    rules = make_rules(decoding, vocabulary)
    assert (rules.color_ids, rules.colors) == ((ids["red"], ids["grey"]), 0.2)
    wanted = make_rules(revise_config(decoding, {"must": ["red"]}, "It"), vocabulary)
    assert wanted.color_ids == (ids["grey"],)
    assert make_rules(DecodingConfig(), vocabulary).color_ids == ()


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
    strategy = BeamSearch(groups=3, diversity=0.25)
    assert found[3:8] == (9, 4, 6, strategy, "average")
    assert found.no_repeat == 2
    assert rules(diversity=0.25) == rules()


def test_words_echo_where_all_may_repeat():
    vocabulary = Vocabulary([*SPECIAL_WORDS, "and", "brown", "of", "with"])
    once = make_rules(DecodingConfig(no_repeat=2), vocabulary)
    assert once.joining_ids == (4, 6, 7)
    assert make_rules(DecodingConfig(no_repeat=0), vocabulary).joining_ids is None
    letters = Vocabulary([*SPECIAL_WORDS, *"abc"], "character")
    assert make_rules(DecodingConfig(no_repeat=2), letters).joining_ids is None


def test_rules_can_be_the_key_of_a_cache():
    request = {"must": ["dog"], "ban": ["cat"], "prefix": "a", "method": "beam"}
    assert {rules(**request): 1}[rules(**request)] == 1
    assert hash(rules(method="sample")) != hash(rules())


def test_a_sample_has_its_own_numbers():
    found = rules(method="sample", temperature=0.5, top_k=4, top_p=0.9)
    assert found.strategy == Sampling(temperature=0.5, top_k=4, top_p=0.9)
    assert rules(method="sample", top_k=len(VOCABULARY)).strategy.top_k == 0


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
    vocabulary = Vocabulary([*SPECIAL_WORDS, "holding", "holdings", "hold", "red"])
    request = DecodingConfig(must=("holdings",), ban=("hold",), inflections=True)
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
        "import sys; from captioner.search.rules import make_rules\n"
        "assert not {'keras', 'tensorflow', 'nltk', 'lemminflect'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


NEW_STRATEGY = """
from typing import ClassVar
from captioner.search.sample import Sampling
from captioner.search.strategies import STRATEGIES

class MinP(Sampling):
    shown: ClassVar = {"Above a share": {}}
    min_p: float = 0.1

STRATEGIES["min_p"] = MinP

from captioner.search.config import DecodingConfig
from captioner.search.rules import make_rules
from shared.config import revise_config
from shared.errors import AppError
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

changes = {"method": "min_p", "min_p": 0.2, "top_k": 3}
found = revise_config(DecodingConfig(), changes, "It")
assert str(found) == "method min_p, top_k 3, min_p 0.2", found
rules = make_rules(found, Vocabulary([*SPECIAL_WORDS, *"abcdef"]))
assert rules.strategy == MinP(min_p=0.2, top_k=3), rules
try:
    revise_config(DecodingConfig(), {"method": "best"}, "It")
except AppError as error:
    assert "'beam', 'sample' or 'min_p'" in str(error), error
from captioner.page.controls import DRAWN, METHODS
assert METHODS["Above a share"] == {"method": "min_p"}
assert "Above a share" in DRAWN
"""


@pytest.mark.slow
def test_a_strategy_is_registered_by_a_line():
    subprocess.run([sys.executable, "-c", NEW_STRATEGY], check=True)
