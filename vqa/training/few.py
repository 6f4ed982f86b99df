"""A trained model that learns from few photos: what from, and what it must not lose."""

from collections.abc import Mapping, Sequence

from keras import ops

from shared.concepts.net import ConceptNet
from shared.concepts.own_words import teach_words
from shared.concepts.table import ConceptProbs
from shared.runs.photos import Viewer
from shared.runs.training import grow
from vqa.data import Record
from vqa.net.answerer import Answerer
from vqa.net.model import Vqa


def teach_answers(
    net: ConceptNet, new: Sequence[str], learn: Sequence[Record], viewer: Viewer
) -> tuple[ConceptNet, Mapping[str, ConceptProbs]]:
    """Make concepts of new answers, which then tell other photos of the same.

    Args:
        net: stays as it is.
        new: answers that the model could not give.
        learn: questions whose answers they are.

    Returns:
        the net, and what to be told of the photos; see `teach_words`.
    """
    names = [answer for answer in new if not answer.isdigit()]
    photos = {record.name: record.image for record in learn}
    shown: dict[str, set[str]] = {name: set() for name in photos}
    for record in learn:
        shown[record.name].update(record.answers)
    return teach_words(net, names, list(photos.values()), list(shown.values()), viewer)


def go_on(old: Vqa, new: Vqa) -> None:
    """Give a model all that one knows which has fewer words, answers and concepts."""
    for source, target in zip(
        [*old.answerers, old.blind], [*new.answerers, new.blind], strict=True
    ):
        grow(source, target)
        _begin_answers(source, target)


def _begin_answers(old: Answerer, new: Answerer) -> None:
    """Make new answers as likely as the known ones are in the mean.

    Their random vectors would be given to any question.
    """
    if old.answers is None or new.answers is None:
        return
    known = len(old.answers)
    if known in (0, len(new.answers)):
        return
    vectors = ops.convert_to_numpy(new.encode(new.answers)).copy()
    residual = ops.convert_to_numpy(new.residual).copy()
    bias = ops.convert_to_numpy(new.bias).copy()
    usual = (vectors[:known] + residual[:known]).mean(axis=0)
    residual[known:] = usual - vectors[known:]
    bias[known:] = bias[:known].mean()
    new.residual.assign(residual)
    new.bias.assign(bias)
