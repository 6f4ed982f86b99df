"""What a training that went on with a model has changed: captions before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from captioner.training.calibration import names_main_thing
from shared.console.progress import counted
from shared.data.captioned import Record, read_files
from shared.included import included
from shared.runs.figures import choose_samples

ALONG = "examples/"  # before the names of the photos that come along


def choose_photos(dev: Sequence[Record]) -> list[Record]:
    """Choose some photos of the data, and those that come along.

    Nothing of what a training teaches is on the latter, so that they show what it
    forgets.
    """
    along = read_files(included("examples"))
    return [
        *choose_samples(dev),
        *(replace(photo, name=f"{ALONG}{photo.name}") for photo in along),
    ]


def tell_changes(
    photos: Sequence[Record], before: Mapping[str, str], after: Mapping[str, str]
) -> list[str]:
    """Say how many main things are named, and which are not any more.

    Args:
        photos: see `choose_photos`.
        before, after: what the models say of them, by their names; a photo that went
            bad meanwhile is in neither or in one.
    """
    both = [photo for photo in photos if photo.name in before and photo.name in after]
    lines = []
    for of, along in (("of yours", False), ("that come along", True)):
        named = []
        for photo in both:
            if photo.name.startswith(ALONG) == along:
                was = names_main_thing(before[photo.name], photo.captions)
                now = names_main_thing(after[photo.name], photo.captions)
                if was is not None and now is not None:  # people name a known thing
                    named.append((photo.name, was, now))
        if not named:
            continue
        lines.append(
            f"Of {counted(len(named), 'photo')} {of}, captions name the main "
            f"thing of {sum(now for _, _, now in named)}; before this training, of "
            f"{sum(was for _, was, _ in named)}."
        )
        lines += [
            f'No longer named: {name}, "{before[name]}", is now "{after[name]}"'
            for name, was, now in named
            if was and not now
        ]
    return lines
