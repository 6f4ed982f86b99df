"""Short runs of a tiny net on drawn shapes, for the tests of how siblings train.

The net has a patch of 8 px for each region and batch statistics, so that all that real
ones need is used.
"""

import json
from dataclasses import asdict

import keras
import numpy as np
from keras import layers, ops

from shared.runs.checkpoints import save_arrays
from shared.vision import names

# Of recipes: the encoder below, and few words.
ENCODER = """
[encoder]
name = "patches"
weights = "none"
image_size = 32

[vocabulary]
min_count = 1
max_words = 5
"""


def patches(weights, include_top, input_shape):
    """Stand in for a net of `keras.applications`."""
    image = keras.Input(input_shape)
    x = layers.Conv2D(16, 8, strides=8, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    net = keras.Model(image, layers.ReLU()(x), name="patches")
    if weights is not None:
        net.load_weights(weights)
    return net


def leave_out_pictures(monkeypatch, finish):
    """Let the module that finishes runs draw nothing: that takes as long as to train.

    What is drawn is for the tests of the recipes that come along.
    """
    for name in ("draw_curves", "draw_samples"):
        monkeypatch.setattr(finish, name, lambda *known: known[-1].touch())


def format_stages(stages):
    return "".join(
        "\n[[stages]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in stage.items())
        for stage in stages
    )


def add_patches(monkeypatch):
    """Make the encoder "patches" known to recipes."""
    monkeypatch.setitem(names.ENCODERS, "patches", names.Source(patches, "unit"))


class Run:
    """A recipe in a file, to be trained with.

    Args:
        train: a sibling's.
        folder: of all files.
        data: learnt from unless a call says otherwise.
        top: of the recipe, without its stages; "HEAD" in it is what a call adds.
    """

    def __init__(self, train, folder, data, top):
        self.train, self.folder, self.data, self.top = train, folder, data, top
        self.said = []

    def recipe(self, *stages, head="", top=None):
        path = self.folder / "recipe.toml"
        top = (top or self.top).replace("HEAD", head)
        path.write_text(top + format_stages(stages))
        return str(path)

    def __call__(self, *stages, out="run", head="", top=None, data=None, **options):
        options.setdefault("config", self.recipe(*stages, head=head, top=top))
        config, data = options.pop("config"), data or str(self.data)
        announce = self.said.append
        return self.train(config, data, self.folder / out, announce=announce, **options)


def arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name != "progress"}


def progress_of(folder):
    with np.load(folder / "checkpoint.npz") as file:
        return json.loads(str(file["progress"]))


def values(variables):
    return [ops.convert_to_numpy(variable).copy() for variable in variables]


class Killed(Exception):
    pass


def kill_after(steps):
    """Give a `tick` that lets a number of steps pass, checkpoint included."""
    seen = []

    def tick(*args):
        seen.append(args)
        if len(seen) > steps:
            raise Killed

    return tick


def stop_before_training(trainer):
    """Stand in for `Trainer.train`: leave a checkpoint, and stop."""
    path = trainer.run.folder / "checkpoint.npz"
    save_arrays(path, trainer.task.model.variables, asdict(trainer.progress))
    raise Killed


def assert_same_end(whole, broken, names):
    """Compare the folders of two runs: weights, and where they stand."""
    for name in names:
        first, second = arrays(whole / name), arrays(broken / name)
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_allclose(first[key], second[key], atol=1e-5, rtol=1e-4)
    first, second = progress_of(whole), progress_of(broken)
    assert len(first.pop("history")) == len(second["history"])
    for epoch in second.pop("history"):
        assert epoch["steps"] <= 8
    for key, value in first.pop("best").items():
        assert abs(second["best"][key] - value) < 1e-4
    assert first == {key: second[key] for key in first}


def spoil(folder, names):
    for name in names:
        (folder / name).write_bytes(b"no picture")
