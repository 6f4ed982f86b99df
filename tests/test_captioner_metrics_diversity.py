"""How different captions are, and how far their scores can be trusted."""

import json
from pathlib import Path

import numpy as np
import pytest
from nltk.translate.bleu_score import sentence_bleu

from captioner.cli import main
from captioner.files.results import read_results
from captioner.metrics.bleu import bleu, count_bleu, score_bleu
from captioner.metrics.chair import count_things
from captioner.metrics.diversity import measure_diversity, measure_nbest
from captioner.metrics.photo_metrics import score_each
from captioner.metrics.report import score_captions
from shared.runs.resampling import RESAMPLES

REFERENCES = {
    f"{n}.jpg": [f"a {color} {thing} in the {place}", f"the {thing} is {color}"]
    for n, (color, thing, place) in enumerate(
        (color, thing, place)
        for color in ("red", "blue")
        for thing in ("dog", "car", "bird")
        for place in ("park", "street")
    )
}
CAPTIONS = {
    name: f"a dog in the {texts[0].split()[-1]}" for name, texts in REFERENCES.items()
}
WORDS = [text.split() for text in CAPTIONS.values()]
TEXTS = [[text.split() for text in texts] for texts in REFERENCES.values()]


def test_bleu_of_samples_is_that_of_their_captions():
    counts = count_bleu(WORDS, TEXTS)
    rng = np.random.default_rng(1)
    for _ in range(20):
        drawn = rng.integers(len(WORDS), size=len(WORDS))
        again = bleu([WORDS[i] for i in drawn], [TEXTS[i] for i in drawn])
        for order, score in enumerate(again, 1):
            sums = counts[drawn].sum(axis=0)
            assert score_bleu(sums, order) == pytest.approx(score, rel=1e-12)


def test_intervals_are_those_of_scoring_each_sample():
    report = score_captions(CAPTIONS, REFERENCES)
    rng = np.random.default_rng(1)
    samples = [rng.integers(len(WORDS), size=len(WORDS)) for _ in range(RESAMPLES)]
    each = np.array(score_each("CIDEr-D", WORDS, TEXTS))
    fourth = [
        bleu([WORDS[i] for i in drawn], [TEXTS[i] for i in drawn])[3]
        for drawn in samples[:100]
    ]
    found = report.tallies["BLEU-4"]
    sums = np.stack([found.counts[drawn].sum(axis=0) for drawn in samples[:100]])
    assert found.score(sums) == pytest.approx(100 * np.array(fourth))
    ciders = [100 * each[drawn].mean() for drawn in samples]
    expected = np.quantile(ciders, (0.025, 0.975))
    assert report.intervals["CIDEr-D"] == pytest.approx(expected)
    things = count_things(CAPTIONS, REFERENCES)
    false = [100 * things[d, 3].sum() / things[d, 1].sum() for d in samples]
    expected = np.quantile(false, (0.025, 0.975))
    assert report.intervals["CHAIR-i"] == pytest.approx(expected)
    assert set(report.intervals) == {*report.scores, "CHAIR-s", "CHAIR-i"}
    saved = json.loads(json.dumps(report.to_dict()))
    assert saved["intervals"]["CHAIR-i"] == pytest.approx(expected)
    assert "tallies" not in saved


def test_diversity_by_hand():
    captions = ["A dog runs.", "a dog", "A CAT runs"]
    words = [["a", "dog", "runs"], ["a", "dog"], ["a", "cat", "runs"]]
    found = measure_diversity(captions, words, ["A dog runs", "A bird!"])
    assert found.distinct == (4 / 8, 4 / 5)  # a dog, dog runs, a cat, cat runs
    assert found.novel == 2 / 3
    assert measure_diversity(captions, words).novel is None
    assert measure_diversity([""], [[]]).distinct == (0, 0)


def test_several_captions_by_brute_force():
    several = [
        [["a", "dog", "in", "the", "park"], ["a", "red", "dog", "in", "the", "park"]],
        *([words] for words in WORDS[1:]),
    ]
    found = measure_nbest(several, TEXTS)
    first = score_each("CIDEr-D", [several[0][0], *WORDS[1:]], TEXTS)
    second = score_each("CIDEr-D", [several[0][1], *WORDS[1:]], TEXTS)
    assert first[0] < second[0]
    assert found.oracle == pytest.approx(sum(second) / 12)
    assert found.captions == 13 / 12
    assert found.distinct == (6 / 11, 6 / 9)
    assert measure_nbest([[words] for words in WORDS], TEXTS) is None
    one = [[*"abcde"], [*"abcdf"]]
    alike = measure_nbest([one], [one])
    assert alike.mutual_bleu == pytest.approx(sentence_bleu([one[1]], one[0]))


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_several_captions_of_a_file_have_an_oracle(tmp_path, monkeypatch, capsys, form):
    monkeypatch.chdir(tmp_path)
    Path("train").mkdir()
    rows = ["image,caption,split"]
    rows += [f"{n},{text},dev" for n, texts in REFERENCES.items() for text in texts]
    rows += ["other.jpg,A DOG in the park,train"]
    Path("refs.csv").write_text("\n".join(rows))
    good = {name: [text, REFERENCES[name][0]] for name, text in CAPTIONS.items()}
    if form == "jsonl":
        lines = [
            json.dumps(
                {
                    "image": name,
                    "caption": texts[0],
                    "captions": [{"caption": text} for text in texts],
                }
            )
            for name, texts in good.items()
        ]
    else:
        lines = ["image,caption,log_prob"]
        lines += [f"{name},{t},-1" for name, texts in good.items() for t in texts]
    file = Path(f"out.{form}")
    file.write_text("\n".join(lines))
    assert read_results(file).several == good
    Path("best.json").write_text(
        json.dumps([{"image": n, "caption": t[1]} for n, t in good.items()])
    )
    status = main(
        ["score", str(file), "refs.csv", "--split", "dev", "--against", "best.json"]
    )
    out = capsys.readouterr().out
    assert status == 0
    assert "2.0 captions an image: the best of each reach CIDEr-D" in out
    assert "50.0% not in training" in out
    table = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert table["CHAIR-i"][1].startswith("+")  # it says "dog" of cars and birds
    assert float(table["CIDEr-D"][1]) < 0
    assert out.count("p = ") + out.count("p < ") == 8


def test_photos_that_failed_in_either_file_are_not_compared(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = [f"{n},{text}" for n, texts in REFERENCES.items() for text in texts]
    Path("refs.csv").write_text("\n".join(["image,caption", *rows]))
    for name, failed in (("a", "0.jpg"), ("b", "1.jpg")):
        entries = [
            {"image": n, "error": "gone"} if n == failed else {"image": n, "caption": t}
            for n, t in CAPTIONS.items()
        ]
        Path(f"{name}.json").write_text(json.dumps(entries))
    assert main(["score", "a.json", "refs.csv", "--against", "b.json"]) == 0
    out = capsys.readouterr().out
    assert "10 images" in out
    assert "photos without a caption, left out: 2" in out
    assert "CIDEr-D  +0.0 (+0.0 to +0.0), p = 1.000" in out
    Path("c.json").write_text(json.dumps([{"image": "0.jpg", "caption": "a dog"}]))
    assert main(["score", "a.json", "refs.csv", "--against", "c.json"]) == 1
    assert "captions for 1 of the 12 images" in capsys.readouterr().err
