"""What vehicle is this? What is in the background?"""

from collections import Counter
from collections.abc import Iterator

from vqa.questions.lexicon import lexicon
from vqa.questions.photo import Kind, Photo, agreed
from vqa.questions.question import Question

_VEHICLE = (
    "what vehicle is this?",
    "what kind of vehicle is this?",
    "what type of vehicle is in the picture?",
    "what vehicle is in the picture?",
    "what kind of vehicle is in the photo?",
)
_BACKGROUND = (
    "what is in the background?",
    "what can you see in the background?",
    "what can be seen in the background?",
)


def _ask(photo: Photo) -> Iterator[Question]:
    mentions, kind_of = photo.facts.mentions, lexicon().kind_of
    vehicles = {w: n for w, n in mentions.items() if kind_of[w] == "vehicle"}
    vehicle, weight = agreed(Counter(vehicles))
    if vehicle and photo.said_often(vehicles[vehicle]):
        yield photo.ask("object", _VEHICLE, vehicle, weight)
    behind, weight = agreed(photo.facts.background, 1.01)
    if behind:
        yield photo.ask("object", _BACKGROUND, behind, weight)


KIND = Kind(_ask)
