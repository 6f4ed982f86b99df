"""What animal is this?"""

from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import Kind, Photo, telling
from vqa.questions.question import Question

_KIND = (
    "what animal is this?",
    "what animal is in the picture?",
    "which animal is in the photo?",
    "what kind of animal is this?",
    "what kind of animal is in the picture?",
    "what animal can you see?",
    "what animal is shown?",
)
_KINDS = (
    "what animals are these?",
    "what animals are in the picture?",
    "what kind of animals are these?",
    "what animals are in the photo?",
    "which animals can you see?",
)
_ACTING = ("what animal is {doing}?", "what kind of animal is {doing}?")


def _ask(photo: Photo) -> Iterator[Question]:
    facts, rng = photo.facts, photo.rng
    found = {animal for animal in lexicon().animals if facts.mentions[animal]}
    narrow = {w for w in found if facts.mentions[w] >= min(3, facts.captions)}
    narrow -= {"bird"} if narrow & {"duck", "swan"} else set()
    if len(narrow) != 1 or found - narrow - {"bird"}:
        return
    (animal,) = narrow
    if animal == "dog" and rng.random() < 0.4:
        return
    wordings = _KINDS if facts.several(animal) else _KIND
    for _ in range(1 if animal == "dog" else 3):
        yield photo.ask("animal", wordings, animal)
    doing, weight = telling(facts.actions[animal])
    if doing and rng.random() < 0.4:
        yield photo.ask("animal", _ACTING, animal, weight, doing=doing)


KIND = Kind(_ask)
