"""How questions are shared out."""

from pathlib import Path

from vqa.files.inputs import Question
from vqa.jobs.parts import share_out


def test_questions_about_a_photo_stay_together():
    asked = [
        Question(f"{i % 30}.jpg", Path(f"{i % 30}.jpg"), str(i)) for i in range(90)
    ]
    shares = share_out(asked)
    assert [share.count for share in shares] == [24, 24, 24, 18]
    assert [question.image for question in shares[0].items[:6]] == [
        *["0.jpg"] * 3,
        *["1.jpg"] * 3,
    ]
    assert len(shares[0].files) == 8
    given = [question for share in shares for question in share.items]
    assert sorted(given) == sorted(asked)


def test_other_questions_are_another_source():
    one, two = (Question("a.jpg", Path("a.jpg"), text) for text in ("what?", "who?"))
    assert share_out([one])[0].digest != share_out([two])[0].digest
    chosen = one._replace(choices=("a", "b"))
    assert share_out([one])[0].digest != share_out([chosen])[0].digest
