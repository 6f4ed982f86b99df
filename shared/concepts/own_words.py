"""The words of somebody's own photos, made concepts before a training."""

from collections.abc import Mapping, Sequence, Set

import numpy as np
from keras import ops

from shared.concepts.examples import add_words, predict_unseen
from shared.concepts.net import ConceptNet, predict
from shared.concepts.table import ConceptProbs
from shared.files.fingerprints import digest_photos
from shared.included import included
from shared.runs.photos import Photo, Viewer


def teach_words(
    net: ConceptNet,
    words: Sequence[str],
    photos: Sequence[Photo],
    shown: Sequence[Set[str]],
    viewer: Viewer,
    mirrored: bool = False,
) -> tuple[ConceptNet, Mapping[str, ConceptProbs]]:
    """Make concepts of the words that a concept net does not have.

    The photos that come with sightread count as showing none of them: what is on all of
    somebody's photos is told apart by them alone.

    Args:
        net: stays as it is.
        words: those that the net has are left as they are.
        photos: somebody's own, N.
        shown: N sets of words, those that each photo shows.
        viewer: looks at the photos with the encoder that the net was taught with.
        mirrored: whether the training looks at mirrored photos, too.

    Returns:
        net: with the new words after the old ones; `net` if all are known.
        fitted: what to be told of the photos, by their digests: each as if it had not
            taught the new words, since what taught a word is known too well.
    """
    new = [word for word in words if word not in net.words]
    if not new:
        return net, {}
    has = np.array([[word in some for word in new] for some in shown])
    features = viewer.encode(photos, mirrored)
    examples = viewer.read(sorted(included("examples").glob("*.jpg")))
    others = ops.convert_to_numpy(viewer.encoder.predict_on_batch(examples))
    seen = np.concatenate([features.array[:, 0].astype(np.float32), others])
    has = np.concatenate([has, np.zeros((len(others), len(new)), bool)])
    unseen = predict_unseen(seen.mean(axis=1), has)
    known = predict(net, lambda rows: seen[rows], np.arange(len(photos)))
    fitted = {
        digest: ConceptProbs(
            *(np.concatenate([part[row], unseen[row]]) for part in known)
        )
        for row, digest in enumerate(digest_photos(photos))
    }
    return add_words(net, new, seen, has), fitted
