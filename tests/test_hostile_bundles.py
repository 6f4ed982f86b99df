"""Whatever somebody does to a bundle, it is used or refused in a sentence."""

import os

import pytest
from hostile import make_bundles, run

COUNT = int(os.environ.get("SIGHTREAD_HOSTILE", "24"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the harness forks")
def test_changed_bundles_are_used_or_refused(tmp_path):
    pytest.importorskip("ai_edge_litert")
    found = list(run(make_bundles(tmp_path), COUNT, tmp_path))
    wrong = {case.done: case.wrong for case in found if case.wrong}
    assert not wrong
    refused = sum(case.result.startswith("refused") for case in found)
    assert 0.5 * COUNT < refused < COUNT  # some changes do no harm
