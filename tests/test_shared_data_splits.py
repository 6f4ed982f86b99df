import pytest

from shared.data.splits import draw_dev


@pytest.mark.parametrize(
    ("photos", "drawn"),
    [(0, 0), (1, 0), (2, 1), (3, 1), (7, 1), (12, 3), (24, 6), (40, 10), (60, 10)],
)
def test_small_sets_are_judged_by_up_to_ten_photos(photos, drawn):
    for start in range(0, 400, 20):
        names = [f"{start} {i}.jpg" for i in range(photos)]
        dev = draw_dev(names)
        assert dev <= set(names)
        assert drawn <= len(dev) <= max(photos - 1, 0)
        assert dev == draw_dev(reversed(names))


def test_of_large_sets_it_is_one_in_ten_and_more_photos_change_nothing():
    names = [f"{i}.jpg" for i in range(2000)]
    dev = draw_dev(names)
    assert 150 <= len(dev) <= 250
    assert draw_dev([*names, "new.jpg"]) - {"new.jpg"} == dev


def test_names_may_hold_any_characters():
    assert draw_dev(["a\udcff.jpg", "b\ud800.jpg"])
