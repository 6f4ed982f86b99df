"""Which photos a model is judged by, where the data does not say."""

import hashlib
from collections.abc import Iterable

SHARE = 0.1
ENOUGH = 10  # photos, of which a small set gives a quarter at the most


def draw_dev(names: Iterable[str]) -> set[str]:
    """Draw the photos to choose and judge a model by, by their names alone.

    A photo is drawn if the SHA-256 of its name, as a fraction, is below 0.1: about
    one in ten, and the same ones when photos are added. Where these are fewer than
    10, those with the next fractions are drawn as well, up to 10 or a quarter of the
    photos, so that small sets are not judged by one or two.

    Args:
        names: of the photos that can be learnt from.

    Returns:
        at least one of two or more names, and never all of them.
    """
    places = {}
    for name in names:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
        places[name] = int.from_bytes(digest[:8]) / 2**64
    ordered = sorted(places, key=places.__getitem__)
    below = sum(place <= SHARE for place in places.values())
    count = max(below, min(ENOUGH, len(ordered) // 4), 1)
    return set(ordered[: min(count, len(ordered) - 1)])
