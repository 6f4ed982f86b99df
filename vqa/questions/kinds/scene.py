"""Is this indoors or outdoors? What is the weather like? Is it winter?"""

from collections.abc import Iterator

from vqa.questions.lexicon import word_set
from vqa.questions.photo import Kind, Photo, Unsaid
from vqa.questions.question import Claim, Question, Verdict, Wordings

_INSIDE = (
    "is this indoors or outdoors?",
    "are they indoors or outdoors?",
    "is it inside or outside?",
    "was this taken indoors or outdoors?",
)
_SEASON = ("what season is it?", "what time of year is it?")
_WEATHER = (
    "what is the weather like?",
    "how is the weather?",
    "what's the weather?",
)
_GROUND = ("what is on the ground?", "what is covering the ground?")
_TIME = ("is it day or night?", "what time of day is it?")
_CLAIMS: dict[str, Wordings] = {
    "inside": (
        "is this indoors?",
        "are they indoors?",
        "is it inside?",
        "are they inside?",
        "was this taken indoors?",
    ),
    "outside": (
        "is this outdoors?",
        "are they outside?",
        "is it outside?",
        "are they outdoors?",
        "is this photo taken outdoors?",
    ),
    "night": (
        "is it night?",
        "is it dark?",
        "is it night time?",
        "was this taken at night?",
    ),
    "day": (
        "is it daytime?",
        "is it day?",
        "is it light outside?",
        "was this taken during the day?",
    ),
    "winter": ("is it winter?", "is it cold?", "is it cold there?"),
    "summer": ("is it summer?", "is it warm?", "is it warm there?"),
    "sunny": ("is it sunny?", "is the sun shining?"),
    "rain": ("is it raining?", "is it rainy?"),
}

_INDOORS = word_set(
    """indoors indoor kitchen couch bed carpet bathroom restaurant gym office bathtub
    store subway museum bedroom hallway sofa stove"""
)
_OUTDOORS = word_set(
    """grass snow field beach ocean lake river mountain street road sidewalk forest
    hill yard park sand outside outdoors tree desert path trail track cliff grassy
    snowy pond sky"""
)
_SUNNY = word_set("sunny sun")
_RAINY = word_set("rain raining rainy")
_NIGHT = word_set("night nighttime dusk evening fireworks")
_WARM = word_set("beach pool shirtless bikini shorts")


def _is_inside(photo: Photo) -> bool | None:
    """Whether it is a photo of a room; None if the captions do not say, or disagree."""
    said = photo.facts.words | set(photo.facts.mentions)
    inside, outside = bool(said & _INDOORS), bool(said & _OUTDOORS)
    return None if inside == outside else inside


def _is_night(photo: Photo) -> bool:
    return not _NIGHT.isdisjoint(photo.facts.words | set(photo.facts.mentions))


def _ask(photo: Photo) -> Iterator[Question]:
    facts, rng = photo.facts, photo.rng
    inside, night = _is_inside(photo), _is_night(photo)
    if inside is not None and (inside or rng.random() < 0.12):
        yield photo.ask("scene", _INSIDE, "indoors" if inside else "outdoors")
    if photo.said_often(facts.mentions["snow"]):
        yield photo.ask("scene", _SEASON, "winter")
        yield photo.ask("scene", _WEATHER, "snowy", 0.7)
        yield photo.ask("scene", _GROUND, "snow")
    elif facts.words & _SUNNY:
        yield photo.ask("scene", _WEATHER, "sunny")
    elif facts.words & _RAINY:
        yield photo.ask("scene", _WEATHER, "rainy")
    if night or (inside is False and rng.random() < 0.03):
        yield photo.ask("scene", _TIME, "night" if night else "day")


def _claim(photo: Photo, _: Unsaid) -> Iterator[Claim]:
    words = photo.facts.words
    inside, night = _is_inside(photo), _is_night(photo)
    snow = photo.said_often(photo.facts.mentions["snow"])
    sunny, rainy = bool(words & _SUNNY), bool(words & _RAINY)
    truths: dict[str, bool] = {}
    if inside is not None:
        truths |= {"inside": inside, "outside": not inside}
    if night or inside is False:
        truths |= {"night": night, "day": not night}
    if snow != bool(words & _WARM):
        truths |= {"winter": snow, "summer": not snow}
    if sunny or rainy or snow or night:
        truths["sunny"] = sunny and not night
    if rainy or sunny:
        truths["rain"] = rainy
    for what, truth in truths.items():
        yield Claim("scene", what, "", _CLAIMS[what], {}, Verdict(truth))


KIND = Kind(_ask, _claim)
