from collections import Counter
from types import SimpleNamespace

from shared.runs.briefing import (
    FEW,
    count_rare,
    name_clipped,
    name_rare,
    warn_of_few,
)


def test_few_photos_are_told_to_be_few():
    assert warn_of_few(FEW) == ""
    assert warn_of_few(3).startswith("3 photos are too few to judge a model by")
    assert warn_of_few(1).startswith("1 photo is too few")


def test_what_is_not_learnt_is_named_the_commonest_first():
    seen = Counter(["a", "dog", "runs", "a", "zebra", "runs", "zebra"])
    counts = count_rare(seen, {"a": 0, "dog": 1})
    assert counts == {"runs": 2, "zebra": 2}
    counts["frisbee"] = 1
    text = name_rare("word", counts, "seen less than 3 times")
    assert text.startswith("3 words are not learnt (seen less than 3 times)")
    assert text.endswith("runs (2), zebra (2), frisbee (1).")
    assert name_rare("word", {"a": 1}, "").startswith("1 word is not learnt")
    assert name_rare("word", count_rare({"a": 1}, {"a": 0}), "") == ""


def test_a_batch_of_more_photos_than_there_are_is_said():
    stages = [SimpleNamespace(name=f"s{n}", batch_size=n) for n in (4, 5, 6)]
    (line,) = name_clipped(stages, 5)
    assert line.startswith("Stage s6 has a batch_size of 6, and learns from 5 photos")
