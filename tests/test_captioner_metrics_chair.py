import pytest

from captioner.metrics.chair import Chair, chair
from captioner.metrics.report import score_captions

REFERENCES = {
    "street": ["A man rides his bicycle.", "Someone on a bike next to a parked car."],
    "kitchen": ["A kitchen with a stove.", "There are two cups on the table."],
    "lawn": ["A puppy in the grass under trees.", "The poodle lies down."],
}
CAPTIONS = {
    "street": "Two surfers on bicycles and a dog.",  # person, bike; a dog is false
    "kitchen": "A hot dog on a table.",  # table; a hot dog is false, a dog is not said
    "lawn": "A brown dog is jumping.",  # dog
}


def test_things_that_no_reference_names_are_counted():
    assert chair(CAPTIONS, REFERENCES) == Chair(
        captions=3, mentions=6, false_captions=2, false_mentions=2
    )


def test_what_a_detector_sees_is_there():
    seen = {"street": ["dog", "person"], "kitchen": []}
    assert chair(CAPTIONS, REFERENCES, seen) == Chair(3, 6, 1, 1)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A car and a car and cars.", (1, 1, 0, 0)),  # a kind once
        ("A taxi.", (1, 1, 0, 0)),  # a kind of car
        ("A vehicle.", None),  # no kind of COCO's
        ("Trees.", None),  # in no pot
        ("A man is watching.", (1, 1, 0, 0)),
        ("A clock.", (1, 1, 1, 1)),
        ("Nothing at all.", None),
    ],
)
def test_one_caption(caption, expected):
    found = chair({"street": caption}, {"street": REFERENCES["street"]})
    assert found == expected


def test_captions_that_name_nothing_have_none():
    assert chair({"a": "Ein Hund."}, {"a": ["Ein Hund im Gras."]}) is None


def test_the_report_has_it():
    report = score_captions(CAPTIONS, REFERENCES)
    assert report.chair == Chair(3, 6, 2, 2)
    assert report.to_dict()["chair"]["false_mentions"] == 2
    assert "CHAIR-s    66.7  of 100" in str(report)
    assert "CHAIR-i    33.3  of 100" in str(report)
    nothing = score_captions({"a": "Red."}, {"a": ["Blue."]})
    assert nothing.chair is None and nothing.to_dict()["chair"] is None
    assert "CHAIR" not in str(nothing)
    assert score_captions(CAPTIONS, REFERENCES, units="character").chair is None
