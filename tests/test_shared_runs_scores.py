import pytest

from shared.errors import AppError
from shared.runs.scores import last_lines, refuse_unmatched


def test_the_first_problem_is_told_with_a_few_names():
    refuse_unmatched({"Lost": [], "Found twice": []}, "Look again.")
    with pytest.raises(AppError, match=r"^Lost: 1 \(a\)\. Look again\.$"):
        refuse_unmatched({"Fine": [], "Lost": ["a"], "Worse": ["b"]}, "Look again.")
    with pytest.raises(AppError, match=r"^Lost: 4 \(a, b, c, \.\.\.\)\. Look again\.$"):
        refuse_unmatched({"Lost": [*"abcd"]}, "Look again.")


def test_a_report_ends_with_its_protocol_and_warnings():
    assert last_lines("by hand", ["few", "old"]) == [
        "protocol: by hand",
        "warning: few",
        "warning: old",
    ]
