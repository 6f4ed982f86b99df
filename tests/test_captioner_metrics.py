import json
import math
import shutil
import sys
import time
import warnings
from collections import Counter
from itertools import combinations
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from captioner.files.results import read_results
from captioner.metrics import cider, official
from captioner.metrics.bleu import bleu
from captioner.metrics.cider import CiderD
from captioner.metrics.photo_metrics import PHOTO_METRICS, score_each
from captioner.metrics.report import (
    score_captions,
)
from captioner.metrics.rouge import common_length
from shared.errors import AppError
from shared.text.vocabulary import split_words

CAPTIONS = {
    "dog.jpg": "A brown dog runs through the grass.",
    "beach.jpg": "Two children play on the beach",
    "bike.jpg": "a man rides a bicycle down the street",
}
REFERENCES = {
    "dog.jpg": [
        "A brown dog is running through tall grass.",
        "The dog runs in the grass, its tongue out.",
        "A dog running",
    ],
    "beach.jpg": [
        "Two kids playing on a sandy beach.",
        "Children play on the beach near the water.",
        "Two children are building a sand castle on the beach.",
    ],
    "bike.jpg": [
        "A man is riding a bike down a city street.",
        "A man rides his bicycle down the street",
        "a cyclist in the man's street",
    ],
}
HYPOTHESES = [split_words(text) for text in CAPTIONS.values()]
REFERENCE_WORDS = [[split_words(t) for t in texts] for texts in REFERENCES.values()]

sentence = st.lists(st.sampled_from("abcdé狗"), max_size=9)
corpus = st.lists(
    st.tuples(sentence, st.lists(sentence, min_size=1, max_size=4)),
    min_size=1,
    max_size=6,
)


def peer_scores(name, pairs):
    """What pycocoevalcap makes of the same words: (of the corpus, of each image)."""
    package = pytest.importorskip(f"pycocoevalcap.{name.lower()}.{name.lower()}")
    scorer = getattr(package, name)(4) if name == "Bleu" else getattr(package, name)()
    silent = {"verbose": 0} if name == "Bleu" else {}
    hypotheses = {i: [" ".join(words)] for i, (words, _) in enumerate(pairs)}
    references = {i: [" ".join(r) for r in texts] for i, (_, texts) in enumerate(pairs)}
    return scorer.compute_score(references, hypotheses, **silent)


def rouge_l(hypotheses, references):
    return score_each("ROUGE-L", hypotheses, references)


def cider_scores(hypotheses, references):
    return score_each("CIDEr-D", hypotheses, references)


@settings(max_examples=150, deadline=None)
@given(corpus)
@example([(["a"], [["a"]])])  # BLEU-2 is 0.001, as in the official scorer
@example([([], [["a"]])])
@example([(["b"], [["a", "a"]])])
@example([("abcd", ["abcd"]), ("abc", ["abd"])])  # too short to have a 4-gram
def test_scores_equal_pycocoevalcap_on_any_words(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = bleu(hypotheses, references)
    assert ours == pytest.approx(peer_scores("Bleu", pairs)[0], abs=1e-6)

    for words, texts, score, peer in zip(
        hypotheses,
        references,
        rouge_l(hypotheses, references),
        peer_scores("Rouge", pairs)[1],
        strict=True,
    ):
        if words or all(texts):  # the official scorer gives "" against "" a full 1
            assert score == pytest.approx(peer, abs=1e-6)
        else:
            assert score == 0

    ciders = cider_scores(hypotheses, references)
    if any(words for texts in references for words in texts):  # else it raises
        assert ciders == pytest.approx(peer_scores("Cider", pairs)[1], abs=1e-6)
    assert all(0 <= score <= 10 + 1e-9 for score in ciders)


def test_scores_equal_pycocoevalcap_on_sentences():
    pairs = list(zip(HYPOTHESES, REFERENCE_WORDS, strict=True))
    scores = score_captions(CAPTIONS, REFERENCES).scores
    peers = [100 * score for score in peer_scores("Bleu", pairs)[0]]
    assert [scores[f"BLEU-{n}"] for n in (1, 2, 3, 4)] == pytest.approx(peers, abs=1e-6)
    assert scores["ROUGE-L"] == pytest.approx(100 * peer_scores("Rouge", pairs)[0])
    # Papers print pycocoevalcap's CIDEr of 0.55 as 55.0.
    assert scores["CIDEr-D"] == pytest.approx(100 * peer_scores("Cider", pairs)[0])


def test_cider_has_document_frequencies_of_all_references():
    # As training does it: many hypotheses for one of many reference images.
    pairs = list(zip(HYPOTHESES, REFERENCE_WORDS, strict=True))
    scorer = CiderD(REFERENCE_WORDS)
    assert len(scorer) == 3
    for index in range(3):
        for words in [*HYPOTHESES, REFERENCE_WORDS[index][0], ["unheard", "of"], []]:
            changed = [*pairs]
            changed[index] = (words, pairs[index][1])
            expected = peer_scores("Cider", changed)[1][index]
            (score,) = scorer.score([index], [words])
            assert score == pytest.approx(expected, abs=1e-6)


def test_bleu_of_papineni():
    # Papineni et al. 2002: a modified unigram precision of 2/7 in section 2.1, and
    # 17/18 for candidate 1 of example 1, as long as its closest reference.
    references = ["the cat is on the mat", "there is a cat on the mat"]
    assert bleu([["the"] * 7], [[r.split() for r in references]])[0] == pytest.approx(
        2 / 7
    )
    candidate = (
        "it is a guide to action which ensures that the military always obeys the "
        "commands of the party"
    )
    references = [
        "it is a guide to action that ensures that the military will forever heed "
        "party commands",
        "it is the guiding principle which guarantees the military forces always "
        "being under the command of the party",
        "it is the practical guide for the army always to heed the directions of "
        "the party",
    ]
    scores = bleu([candidate.split()], [[r.split() for r in references]])
    assert scores[0] == pytest.approx(17 / 18)
    assert scores[1] == pytest.approx(math.sqrt(17 / 18 * 10 / 17))


def test_bleu_by_hand():
    # 3 of 4 words, 1 of 3 pairs; 4 words against 6: exp(1 - 6/4).
    scores = bleu(["abxd"], [["abcdef"]])
    short = math.exp(-0.5)
    assert scores[0] == pytest.approx(short * 3 / 4)
    assert scores[1] == pytest.approx(short * math.sqrt(3 / 4 / 3))
    assert scores[2:] == pytest.approx((0, 0), abs=1e-4)


def test_bleu_takes_the_shorter_of_two_equally_close_references():
    assert bleu(["aaa"], [["aa", "aaaa"]])[0] == pytest.approx(1)
    assert bleu(["aaa"], [["aaaa", "aa"]])[0] == pytest.approx(1)


def test_bleu_is_of_the_corpus_not_a_mean():
    # 1 of 1 word and 1 of 3 words are 2 of 4, not 2/3.
    assert bleu(["a", "axy"], [["a"], ["abc"]])[0] == pytest.approx(0.5)


def test_rouge_l_of_lin():
    # Lin 2004, section 3.1: LCS of 3 and of 2 out of 4 words.
    reference = [["police", "killed", "the", "gunman"]]
    hypotheses = [
        ["police", "kill", "the", "gunman"],
        ["the", "gunman", "kill", "police"],
    ]
    assert rouge_l(hypotheses, [reference] * 2) == pytest.approx([0.75, 0.5])


def test_rouge_l_by_hand_mixes_the_best_references():
    # Precision 2/2 from the long reference, recall 1/1 from the short one.
    assert rouge_l([["a", "b"]], [["axbxx", "b"]]) == pytest.approx([1.0])
    # P = 1/2, R = 1/4: 2.44/8 / (1/4 + 1.44/2)
    assert rouge_l(["ax"], [["abcd"]]) == pytest.approx([0.305 / 0.97])


@given(sentence, sentence)
def test_longest_common_subsequence_equals_brute_force(first, second):
    def subsequences(words):
        return {s for n in range(len(words) + 1) for s in combinations(words, n)}

    longest = max(map(len, subsequences(first[:6]) & subsequences(second[:6])))
    assert common_length(first[:6], second[:6]) == longest


def test_cider_by_hand():
    # "a" is in both images and weighs log 2/2 = 0; all else weighs log 2.
    scorer = CiderD([[["a", "dog"]], [["a", "cat"]]])

    def score(*words):
        return scorer.score([0], [words])[0]

    assert score("a", "dog") == pytest.approx(10 * (1 + 1) / 4)
    assert score("a", "cat") == 0
    assert score("dog") == pytest.approx(10 / 4 * math.exp(-1 / 72))
    # Clipped: min(2, 1) * 1 / (2 * 1), so repeating a word does not pay.
    assert score("dog", "dog") == pytest.approx(10 / 4 * 0.5)
    # The pair "a dog" is right, "dog runs" is not: 1 / sqrt(2) for words and pairs.
    assert score("a", "dog", "runs") == pytest.approx(
        10 * 2 / math.sqrt(2) / 4 * math.exp(-1 / 72)
    )


def test_cider_of_a_perfect_caption_is_ten():
    texts = [[list("abcde")], [list("fghij")]]
    assert cider_scores([t[0] for t in texts], texts) == pytest.approx([10, 10])


def test_cider_reward_sees_a_caption_that_breaks_off_if_eos_is_a_word():
    scorer = CiderD([[["a", "dog", "runs", "<eos>"]], [["a", "cat", "<eos>"]]])
    whole, broken = ["a", "dog", "runs", "<eos>"], ["a", "dog", "runs"]
    scores = scorer.score([0, 0], [whole, broken])
    assert scores[1] < scores[0]


def plain_cider(words, image, references):
    """The equation of `CiderD`, with Counters."""

    def count(words, n):
        return Counter(zip(*(words[i:] for i in range(n)), strict=False))

    def weigh(words, n):
        return {
            gram: times * math.log(len(references) / max(1, mentions[gram]))
            for gram, times in count(words, n).items()
        }

    def norm(weights):
        return math.sqrt(sum(weight**2 for weight in weights.values()))

    total = 0.0
    for n in range(1, 5):
        mentions = Counter(
            gram
            for texts in references
            for gram in {gram for text in texts for gram in count(text, n)}
        )
        own = weigh(words, n)
        for text in references[image]:
            other = weigh(text, n)
            dot = sum(min(w, other[g]) * other[g] for g, w in own.items() if g in other)
            gap = max(0, len(words) - 1) - max(0, len(text) - 1)
            if dot:
                total += math.exp(-(gap**2) / 72) * dot / norm(own) / norm(other)
    return 10 / 4 * total / len(references[image])


@pytest.mark.parametrize("seed", range(4))
def test_cider_equals_its_equation_whatever_is_scored_at_once(seed, monkeypatch):
    monkeypatch.setattr(cider, "COUNTED", 3)
    monkeypatch.setattr(cider, "SCORED", 7)
    rng = Random(seed)

    def say(words):
        return rng.choices(words, k=rng.randrange(9))

    references = [[say("aabcd") for _ in range(rng.randint(1, 4))] for _ in range(8)]
    captions = [say("aabcdxy") for _ in range(40)]  # x and y are in no reference
    images = rng.choices(range(8), k=40)
    scores = CiderD(iter(references)).score(images, captions)
    expected = map(plain_cider, captions, images, [references] * 40)
    assert scores == pytest.approx(list(expected), abs=1e-9)
    assert CiderD(references).score([], []) == []


@pytest.mark.parametrize("score", [bleu, rouge_l, cider_scores])
@pytest.mark.parametrize("references", [[], [[]], [[["a"]], []]])
def test_words_without_references_are_a_mistake(score, references):
    with pytest.raises(ValueError, match="reference"):
        score([["a"]] * len(references), references)


@pytest.mark.parametrize("score", [bleu, rouge_l, cider_scores])
def test_one_caption_for_each_image(score):
    with pytest.raises(ValueError, match="2 captions for 1 images"):
        score([["a"], ["b"]], [[["a"]]])


def test_report_counts_and_explains():
    report = score_captions(CAPTIONS, REFERENCES)
    assert list(report.scores) == [
        *("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D")
    ]
    assert report.images == 3
    assert report.references_per_image == (3, 3)
    assert report.distinct_captions == 3
    assert report.distinct_words == len({word for h in HYPOTHESES for word in h})
    assert report.mean_length == pytest.approx(sum(map(len, HYPOTHESES)) / 3)
    assert "references of these 3 images, 0 to 1000" in report.protocol
    assert json.loads(json.dumps(report.to_dict()))["scores"] == report.scores
    table = str(report).splitlines()
    assert table[0].startswith(f"BLEU-1   {report.scores['BLEU-1']:6.1f}  of 100   (")
    assert table[5].startswith(f"CIDEr-D  {report.scores['CIDEr-D']:6.1f}  of 1000  (")
    assert "3 images, 3 references each" in table
    assert table[-1].startswith("warning: CIDEr-D over 3 images means little")


def test_a_metric_of_photos_is_reported_by_a_line(monkeypatch):
    class Length:
        most = 20.0

        def __init__(self, references):
            self.references = references

        def score(self, indices, captions):
            sizes = [len(self.references[index]) for index in indices]
            return [len(c) / size for c, size in zip(captions, sizes, strict=True)]

    monkeypatch.setitem(PHOTO_METRICS, "Length", Length)
    report = score_captions(CAPTIONS, REFERENCES)
    lengths = [len(words) / 3 for words in HYPOTHESES]
    assert report.scores["Length"] == pytest.approx(100 * sum(lengths) / 3)
    assert f"Length   {report.scores['Length']:6.1f}  of 2000" in str(report)


def test_references_are_matched_by_name_not_by_order():
    backwards = dict(reversed(CAPTIONS.items()))
    assert score_captions(backwards, REFERENCES) == score_captions(CAPTIONS, REFERENCES)


def test_one_image_has_no_cider():
    report = score_captions({"a": "a dog"}, {"a": ["a dog", "A dog runs fast."]})
    assert report.scores["CIDEr-D"] == 0
    assert report.scores["BLEU-1"] == pytest.approx(100)
    assert "one image always scores 0" in report.warnings[0]
    assert "1 images, 2 references each" in str(report)


def test_fifty_images_with_their_own_captions_raise_no_doubt():
    captions = {str(n): f"a picture of thing{n}" for n in range(50)}
    report = score_captions(captions, {n: [text] for n, text in captions.items()})
    assert report.warnings == ()
    assert report.scores["BLEU-4"] == pytest.approx(100)


def test_the_same_caption_for_every_image_is_doubted():
    names = [str(n) for n in range(60)]
    references = {n: [f"a dog runs past thing{n}"] for n in names}
    report = score_captions(dict.fromkeys(names, "a dog runs"), references)
    assert report.distinct_captions == 1
    assert report.warnings[0].startswith("different captions for 60 images: only 1.")
    assert len(report.warnings) == 1


def test_empty_captions_score_zero():
    report = score_captions(dict.fromkeys(REFERENCES, " ... "), REFERENCES)
    assert set(report.scores.values()) == {0}
    assert report.mean_length == 0
    assert "captions without words, which score 0: 3." in report.warnings
    mixed = score_captions({**CAPTIONS, "dog.jpg": ""}, REFERENCES)
    assert (
        0
        < mixed.scores["CIDEr-D"]
        < score_captions(CAPTIONS, REFERENCES).scores["CIDEr-D"]
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("caption", "texts"),
    [
        ("dog", ["dog"]),
        ("x", ["a dog runs"]),
        ("a dog that runs and runs and runs until the night", ["dog", "a dog"]),
        ("un chien Über 狗 на траве", ["Un chien über 狗 на траве"]),
        ("a dog", ["...", "!"]),
        ("", ["?"]),
    ],
)
def test_odd_captions_have_scores_in_range(caption, texts):
    report = score_captions(
        {"a": caption, "b": "two cats"}, {"a": texts, "b": ["two cats sleep"]}
    )
    assert all(0 <= score <= 100.001 for score in list(report.scores.values())[:5])
    assert 0 <= report.scores["CIDEr-D"] <= 1000
    fewest, most = report.references_per_image
    assert (fewest, most) == (1, len(texts))
    assert ("1 to 2 references" in str(report)) == (most == 2)


@pytest.mark.parametrize(
    ("captions", "references", "message"),
    [
        (
            {"a": "x"},
            {n: ["y"] for n in "abcde"},
            r"Images without a caption: 4 \(b, c, d, \.\.\.\)",
        ),
        (
            {n: "x" for n in "abc"},
            {"a": ["y"]},
            r"Captions for unknown images: 2 \(b, c\).*captions for 3 images",
        ),
        ({"a": "x"}, {"a": []}, r"Images without references: 1 \(a\)"),
        ({}, {}, "no images to score"),
    ],
)
@pytest.mark.parametrize("official", [False, True])
def test_every_image_must_be_scored(captions, references, message, official):
    with pytest.raises(AppError, match=message):
        score_captions(captions, references, official=official)


def test_references_as_one_string_are_a_mistake():
    with pytest.raises(ValueError, match="not a string"):
        score_captions({"a": "a dog"}, {"a": "a dog"})


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "results.json"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_read_results_of_coco(write):
    entries = [{"image_id": 7, "caption": "a dog"}, {"image_id": "b", "caption": ""}]
    results = read_results(write(json.dumps(entries, indent=1)))
    assert results == {"7": "a dog", "b": ""}
    assert results.skipped == ()


def test_read_results_of_ours(write):
    lines = [
        {"image": "a b.jpg", "caption": "ein Hund läuft 狗\u2028", "log_prob": -3.5},
        {"image": "bad.jpg", "error": "not a picture"},
        {"file_name": "c.jpg", "image_id": 3, "caption": "x", "error": None},
        {"image": "again.jpg", "error": "interrupted"},
        {"image": "again.jpg", "caption": "a cat"},
    ]
    text = "\ufeff" + "\r\n".join(json.dumps(x, ensure_ascii=False) for x in lines)
    results = read_results(write(text + "\n\n"))
    assert results == {
        "a b.jpg": "ein Hund läuft 狗\u2028",
        "c.jpg": "x",
        "again.jpg": "a cat",
    }
    assert results.skipped == ("bad.jpg",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. It should hold captions"),
        ("[]", "holds no captions"),
        ('{"image": "a", "error": "bad"}', r"no captions \(1 records with errors\)"),
        ("image,caption\na,b", "line 1 is not valid JSON"),
        ('\n{"image": "a", "caption": "x"}\n{"image": ', "line 3 is not valid JSON"),
        ('[{"image": "a", "caption": "x"}', "results.json is not valid JSON"),
        ('["a dog"]', r'entry 1: expected .*Received: "a dog"'),
        ('{"a": "a dog"}', 'line 1: expected "image", "file_name" or "image_id"'),
        ('[{"image_id": true, "caption": "x"}]', "entry 1: expected"),
        ('[{"image_id": 1.5, "caption": "x"}]', "entry 1: expected"),
        ('[{"image": "", "caption": "x"}]', "entry 1: expected"),
        ('[{"image_id": 4}]', 'entry 1, image 4: expected "caption"'),
        ('[{"image_id": 4, "caption": ["x"]}]', 'image 4: expected "caption"'),
        (
            '[{"image_id": 4, "caption": "x"}, {"image_id": "4", "caption": "y"}]',
            "entry 2: image 4 has a caption already",
        ),
    ],
)
def test_read_results_says_what_is_wrong(write, text, message):
    with pytest.raises(AppError, match=message):
        read_results(write(text))


def test_read_results_of_no_file_or_no_text(tmp_path):
    with pytest.raises(AppError, match=r"none\.json cannot be read: No such file"):
        read_results(tmp_path / "none.json")
    (tmp_path / "image.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(AppError, match=r"image\.json, line 1 is not UTF-8"):
        read_results(tmp_path / "image.json")


def test_official_without_the_package(monkeypatch):
    monkeypatch.setattr(official, "find_spec", lambda name: None)
    with pytest.raises(AppError, match=r"pip install \"sightread\[official\]\""):
        score_captions(CAPTIONS, REFERENCES, official=True)


def test_official_without_java(monkeypatch):
    monkeypatch.setattr(official, "find_spec", lambda name: object())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AppError, match="needs Java"):
        score_captions(CAPTIONS, REFERENCES, official=True)


@pytest.fixture
def fake_java(monkeypatch, tmp_path):
    """A Java that knows its version and then does as told."""
    if sys.platform == "win32":
        pytest.skip("a shell script stands in for Java")
    pytest.importorskip("pycocoevalcap.meteor.meteor")

    def install(command):
        path = tmp_path / "java"
        path.write_text(f'#!/bin/sh\n[ "$1" = -version ] && exit {command}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return install


def test_official_with_a_java_that_only_says_there_is_none(fake_java):
    fake_java("1")
    with pytest.raises(AppError, match="`java -version` does not work"):
        score_captions(CAPTIONS, REFERENCES, official=True)


@pytest.mark.slow
def test_official_with_a_java_that_fails(fake_java):
    fake_java("0\necho out of memory >&2; exit 1")
    with pytest.raises(AppError, match=r"official scorer failed: .*lost sentences"):
        score_captions(CAPTIONS, REFERENCES, official=True)


@pytest.mark.slow
def test_official_stops_a_java_that_hangs(fake_java, monkeypatch, tmp_path):
    fake_java(f"0\nsleep 4; touch {tmp_path}/woke")
    monkeypatch.setattr(official, "START_SECONDS", 2.0)
    start = time.monotonic()
    with pytest.raises(AppError, match="no answer in 2 s, so it was stopped"):
        score_captions(CAPTIONS, REFERENCES, official=True)
    assert time.monotonic() - start < 4
    time.sleep(3)
    assert not (tmp_path / "woke").exists()  # Java went down with its parent


@pytest.mark.slow
def test_official_is_close_to_ours_and_adds_meteor(capfd):
    pytest.importorskip("pycocoevalcap.meteor.meteor")
    if shutil.which("java") is None:
        pytest.skip("no Java")
    captions = {**CAPTIONS, "empty.jpg": "", "über.jpg": "Über 狗\u2028 chien"}
    references = {
        **REFERENCES,
        "empty.jpg": ["a tree in the snow"],
        "über.jpg": ["über 狗 chien", "..."],
    }
    ours = score_captions(captions, references)
    theirs = score_captions(captions, references, official=True)
    assert list(theirs.scores) == [*ours.scores, "METEOR"]
    assert 20 < theirs.scores["METEOR"] < 60
    # The tokenisers agree on these sentences.
    for name, score in ours.scores.items():
        assert theirs.scores[name] == pytest.approx(score, abs=1e-4), name
    assert theirs.distinct_words == ours.distinct_words
    assert theirs.mean_length == ours.mean_length
    assert "PTB" in theirs.protocol
    assert capfd.readouterr() == ("", "")
