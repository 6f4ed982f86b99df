"""The language model: cells on one another, read along a text.

Axes: T steps, B streams, U units, V symbols.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from rnn.config import NetConfig
from shared.nets.backends import need_tensorflow
from shared.nets.cells import LSTMCell, side_by_side
from shared.nets.lstm_along import lstm_along


class LanguageModel(keras.Model):
    """Predict each symbol of a text from those before it.

        h_t = cell(x_t, state_{t-1}), layer after layer
        p(x_{t+1}) = softmax(W h_t + b)

    Args:
        config: sizes.
        vocab_size: V.

    Call arguments:
        ids: int32 (T, B).
        states: of each layer as many float (B, U) as the cell has; see `begin`.

    Returns:
        logits: float (T, B, V), of the symbol after each.
        states: after the last one.
    """

    def __init__(self, config: NetConfig, vocab_size: int):
        need_tensorflow("`rnn`")
        super().__init__(name="rnn")
        self.embedding = None
        if config.embed_dim:
            self.embedding = layers.Embedding(vocab_size, config.embed_dim)
            self.embedding.build()
        self.cells = config.make_cells()
        size = config.embed_dim or vocab_size
        for one in self.cells:
            one.build((None, size))
            size = config.units
        self.to_symbols = layers.Dense(vocab_size)
        self.to_symbols.build((None, size))
        self.dropout = layers.Dropout(config.dropout)
        self.built = True

    def begin(self, streams):
        """Give the states before a text, of so many streams."""
        return [
            tuple(ops.zeros((streams, cell.units)) for _ in range(cell.state_count))
            for cell in self.cells
        ]

    def call(self, ids, states, training=False):
        """Give logits and the states after them."""
        seen, after = self._embed(ids), []
        for cell, state in zip(self.cells, states, strict=True):
            seen, state = read_along(cell, cell.project(seen), state)
            seen = self.dropout(seen, training=training)
            after.append(state)
        return self.to_symbols(seen), after

    def look(self, ids, states):
        """Do the same and give what the cells do meanwhile.

        Returns:
            logits and states, as above; for each layer a dict of float (T, B, U): "h",
            "shown", which is tanh(c) of a cell with a memory c and else h, and the
            gates by their names in the equations.
        """
        seen, after, activity = self._embed(ids), [], []
        for cell, state in zip(self.cells, states, strict=True):
            kept, state = along(look_of(cell), cell.project(seen), state)
            seen = kept["h"]
            after.append(state)
            activity.append(kept)
        return self.to_symbols(seen), after, activity

    @property
    def state_size(self):
        """S, numbers in the states of all layers together."""
        return sum(cell.state_count * cell.units for cell in self.cells)

    def step(self, ids, states):
        """Read one symbol of each text.

        Args:
            ids: int32 (B,).
            states: float (B, S), those of all layers side by side.

        Returns:
            float32 (B, V), log-probabilities of the next one, and the states.
        """
        log_probs, after, _ = self.look_at(ids, states)
        return log_probs, after

    def look_at(self, ids, states):
        """Do the same and give the gates meanwhile.

        Returns:
            as `step`, and float (B, L U) by their names in the equations, those of all
            L layers side by side.
        """
        seen, after, opened = self._embed(ids), [], []
        parts = ops.split(states, self.state_size // self.cells[0].units, axis=-1)
        for cell in self.cells:
            state, parts = parts[: cell.state_count], parts[cell.state_count :]
            gates, state = cell.advance(cell.project(seen), tuple(state))
            seen = state[0]
            after += state
            opened.append(gates)
        log_probs = ops.log_softmax(ops.cast(self.to_symbols(seen), "float32"))
        return log_probs, ops.concatenate(after, axis=-1), side_by_side(opened)

    def _embed(self, ids):
        return self.embedding(ids) if self.embedding else ids


def read_along(cell, projected, state):
    """Take all steps of a cell.

    Args:
        projected: float (T, B, X), see `shared.nets.cells.Cell.project`.
        state: before the first.

    Returns:
        float (T, B, U), its outputs, and the state after the last.
    """
    if type(cell) is LSTMCell and projected.dtype == tf.float32:
        hs, c = lstm_along(projected, cell.recurrent_kernel.value, *state)
        return hs, (hs[-1], c)
    kept, state = along(_step_of(cell), projected, state)
    return kept["h"], state


def _step_of(cell):
    def step(projected, state):
        _, new = cell.advance(projected, state)
        return {"h": new[0]}, new

    return step


def look_of(cell):
    """Give a step of a cell that tells all that it does, for `along`."""

    def step(projected, state):
        gates, new = cell.advance(projected, state)
        shown = ops.tanh(new[1]) if cell.state_count > 1 else new[0]
        return {"h": new[0], "shown": shown, **gates}, new

    return step


def along(step, inputs, state):
    """Take a step at each of the inputs, one after the other.

    Args:
        step: gives a dict of what to keep and the new state, of an input and a state.
        inputs: float (T, B, X).
        state: before the first.

    Returns:
        dict of what was kept, each with T in front, and the state after the last.
    """
    count = tf.shape(inputs)[0]
    names = list(step(inputs[0], state)[0])  # only named, and then left out
    arrays = [tf.TensorArray(inputs.dtype, count) for _ in names]
    given = tf.TensorArray(inputs.dtype, count).unstack(inputs)

    def body(t, state, arrays):
        kept, new = step(given.read(t), state)
        written = [
            array.write(t, kept[name])
            for name, array in zip(names, arrays, strict=True)
        ]
        return t + 1, new, written

    _, state, arrays = tf.while_loop(
        lambda t, *_: t < count,
        body,
        (tf.constant(0), tuple(state), arrays),
        maximum_iterations=count,
    )
    stacks = (array.stack() for array in arrays)
    return dict(zip(names, stacks, strict=True)), state


class Learner(keras.Model):
    """A language model in training, with the states of its streams.

    They are variables, so that a checkpoint holds them.

    Args:
        net: what is trained.
        streams: B.

    Call arguments:
        inputs: dict of "ids" int32 (T, B), and "fresh", bool (1,): whether they begin.
    """

    def __init__(self, net: LanguageModel, streams: int):
        super().__init__(name="learner")
        self.net = net
        self.label_smoothing = 0.0
        self.states = [
            [
                self.add_weight(
                    name=f"state_{layer}_{i}",
                    shape=(streams, cell.units),
                    initializer="zeros",
                    trainable=False,
                )
                for i in range(cell.state_count)
            ]
            for layer, cell in enumerate(net.cells)
        ]
        self.built = True

    def call(self, inputs, training=False):
        """Give logits; the states go on."""
        keep = 1.0 - ops.cast(inputs["fresh"], "float32")
        states = [tuple(keep * s for s in layer) for layer in self.states]
        logits, after = self.net(inputs["ids"], states, training=training)
        for variables, values in zip(self.states, after, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(ops.stop_gradient(value))
        return logits

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Give the mean cross-entropy of the targets int32 (T, B), in nats."""
        log_probs = ops.log_softmax(ops.cast(y_pred, "float32"))
        true = ops.take_along_axis(log_probs, ops.expand_dims(y, -1), axis=-1)
        smooth = self.label_smoothing
        return -ops.mean((1 - smooth) * true[..., 0] + smooth * ops.mean(log_probs, -1))
