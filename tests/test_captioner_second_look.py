"""A detector looks, too, where a caption is not sure."""

import numpy as np
import pytest
from conftest import concept_captioner, photo

from captioner.config import ConfidenceConfig
from captioner.describing.second_look import SecondLook
from shared.concepts.table import ConceptProbs
from shared.concepts.words import coco_kinds
from shared.errors import AppError
from shared.vision.detector import DetectorError, Things

# A caption's probability is that of what is surest of all that it names.
WEIGHTS = ConfidenceConfig(bias=0, words=0, least=0, most=1, missed=0)
SENTENCES = {"a truck": 0.6, "a train": 0.4}
UNSURE = {"truck": 0.3, "train": 0.05, "tree": 0.4}


def things(**scores):
    """What a detector finds: a box for each kind, with its score."""
    found = np.zeros((len(scores), 80), np.float32)
    for row, (kind, score) in zip(found, scores.items(), strict=True):
        row[coco_kinds()[kind]] = score
    boxes = np.tile(np.float32([0, 0, 1, 1]), (len(scores), 1))
    return Things(boxes, found, np.zeros((4, 4, 3), np.uint8))


def captioner(find, there=UNSURE, **changes):
    settings = {"confidence": WEIGHTS, "unsure": 0.2, **changes}
    model = concept_captioner(SENTENCES, there, find=find, **settings)
    decoding = model.config.decoding.model_copy(update={"support": 1.0, "hedge": False})
    model.config = model.config.model_copy(update={"decoding": decoding})
    return model


def never(source):
    pytest.fail("A detector looked.")


def sees_a_train(source):
    return things(train=0.9)


def test_probabilities_are_joined():
    """0.7 logit(said) + 0.2 d + 0.15 and 0.6 logit(there) + 0.6 d, recomputed."""
    words = ("dog", "tree", "train")
    seen = ConceptProbs(np.float32([[0.2, 0.5, 0.01]]), np.float32([[0.4, 0.6, 0.02]]))
    before = [part.copy() for part in seen]
    best = np.zeros((1, 80), np.float32)
    best[0, coco_kinds()["train"]] = 0.8
    said, there = SecondLook(words).add(seen, best)

    def logit(prob):
        return np.log(prob / (1 - prob))

    def sigmoid(odds):
        return 1 / (1 + np.exp(-odds))

    for place, score in ((0, 0.01), (2, 0.8)):  # nothing counts as 0.01
        odds = 1.5 * logit(score) + 0.4
        one, other = before[0][0, place], before[1][0, place]
        wanted = sigmoid(0.7 * logit(one) + 0.2 * odds + 0.15)
        assert said[0, place] == pytest.approx(wanted, rel=1e-5)
        wanted = sigmoid(0.6 * logit(other) + 0.6 * odds)
        assert there[0, place] == pytest.approx(wanted, rel=1e-5)
    assert (said[0, 1], there[0, 1]) == (np.float32(0.5), np.float32(0.6))  # no kind
    assert all(map(np.array_equal, seen, before))
    assert said.dtype == there.dtype == np.float32


@pytest.mark.parametrize("words", [(), ("tree",), ("dog",)])
@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_what_is_certain_stays_a_number(words, prob):
    probs = np.full((2, len(words)), prob, np.float32)
    found = SecondLook(words).add(ConceptProbs(probs, probs), np.zeros((2, 80)))
    assert all(np.isfinite(part).all() and part.shape == probs.shape for part in found)


def test_a_caption_that_is_not_sure_is_written_again():
    first = captioner(None).describe(photo(1))
    assert first.text == "A truck."
    best, other = captioner(sees_a_train).caption(photo(1))[:2]
    assert (best.text, other.text) == ("A train.", "A truck.")
    assert best.confidence > first.confidence > other.confidence


def test_a_caption_that_is_sure_is_not():
    sure = WEIGHTS.model_copy(update={"bias": 5})
    assert captioner(never, confidence=sure).describe(photo(1)).text == "A truck."


@pytest.mark.parametrize(
    "changes",
    [
        {"second_look": 0},
        {"second_look": 0.2},
        {"prefix": "a"},
        {"must": ["truck"]},
        {"method": "sample", "top_k": 1},
    ],
    ids=str,
)
def test_nor_where_that_is_not_wanted(changes):
    assert captioner(never).describe(photo(1), **changes).text == "A truck."


def test_nor_by_a_model_that_cannot_judge():
    assert captioner(never, confidence=None).describe(photo(1)).text == "A truck."


def test_the_first_caption_stays_if_it_is_surer():
    first = captioner(None).describe(photo(1))
    best = captioner(lambda source: things(truck=0.9)).describe(photo(1))
    assert best.text == first.text
    assert best.confidence > first.confidence


def test_where_nothing_is_there_that_it_knows_no_detector_looks():
    nothing = {"truck": 0.19, "train": 0.05, "tree": 0.4}
    assert captioner(never, nothing).describe(photo(1)).text == "A truck."


def test_a_caption_that_the_detector_confirms_is_not_searched_for_again(monkeypatch):
    """0.3 of a truck become 0.92, and the caption's 0.79 become 0.92."""
    sure = WEIGHTS.model_copy(update={"bias": 2.5})
    model, searched = captioner(lambda source: things(truck=0.95), confidence=sure), []
    search = model.runtime.search
    monkeypatch.setattr(
        model.runtime, "search", lambda *given: searched.append(1) or search(*given)
    )
    best = model.describe(photo(1))
    assert (best.text, len(searched)) == ("A truck.", 1)
    assert best.confidence == pytest.approx(0.918, abs=1e-3)
    model.find = sees_a_train
    model.describe(photo(1))
    assert len(searched) == 3


def test_of_a_photo_that_is_gone_the_first_caption_stays():
    gone = []

    def find(source):
        if source is gone[0]:
            raise AppError("It is gone.")
        return things(train=0.9)

    photos = [photo(1), photo(2), photo(3)]
    gone.append(photos[1])
    batches = captioner(find).caption_all(photos)
    found = [captions[0].text for batch in batches for _, captions in batch]
    assert found == ["A train.", "A truck.", "A train."]


def test_a_detector_that_is_damaged_is_no_secret():
    def find(source):
        raise DetectorError("Install sightread again.")

    with pytest.raises(DetectorError, match="again"):
        captioner(find).caption(photo(1))


def test_each_photo_is_looked_at_by_itself():
    """Photos that cannot be read leave a gap, and the next ones keep their places."""
    seen = []

    def find(source):
        seen.append(source)
        return things(train=0.9)

    photos = [photo(1), b"no photo", photo(2)]
    found = [one for batch in captioner(find).caption_all(photos) for one in batch]
    assert [source for source, _ in found] == photos
    assert seen == [photos[0], photos[2]]
    assert isinstance(found[1][1], AppError)


def test_concepts_tell_what_was_found():
    model = captioner(sees_a_train)
    looked = model.look(model.read(photo(1))[None])
    looked = looked._replace(find=[lambda: things(train=0.9)])
    assert model.see(looked)[0][0].word == "tree"
    after = model.write(looked, *model.request()).looked
    assert model.see(after)[0][0].word == "train"
    assert model.see(looked)[0][0].word == "tree"


def test_hedges_heed_what_was_found():
    """Where the caption stays unsure, what the detector saw may be said instead."""
    there = {"truck": 0.02, "train": 0.6}
    model = captioner(lambda source: things(train=0.7), there, unsure=0.9)
    model.runtime.sentences = dict(list(model.runtime.sentences.items())[:1])
    best = model.describe(photo(1), hedge=True)
    assert best.original.text == "A truck."
    assert best.text == "Perhaps a train."
