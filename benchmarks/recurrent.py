"""How fast a language model learns, against PyTorch, and how soon it writes.

    python benchmarks/recurrent.py [--torch PYTHON]

Characters per second in training one LSTM layer of 512 units, 64 streams, 64 characters
of each in a step, on random characters: the step of `rnn train`, and beside it
`torch.nn.LSTM` of the same sizes, with the same input, loss, clipping and AdamW.
PyTorch is no part of sightread: --torch names the interpreter of an environment that
has it, and without any its row is left out. Then a whole process of `rnn sample` up to
its first character, against importing TensorFlow. Both sides take turns, so that a slow
minute of the machine slows them alike; ratios are of the fastest and of the medians.
"""

import sys
import time
from statistics import median

from beside_torch import TAKEN, compare
from photos import describe_machine, run

UNITS, STREAMS, STEPS, SYMBOLS = 512, 64, 64, 87
SAMPLE = [sys.executable, "-m", "rnn", "sample", "--length", "1", "--seed", "1"]
IMPORT = [sys.executable, "-c", "import tensorflow"]

TORCH = f"""
import time, torch
from torch.nn import functional as F
torch.manual_seed(1)
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM({SYMBOLS}, {UNITS}, batch_first=True)
        self.out = torch.nn.Linear({UNITS}, {SYMBOLS})
    def forward(self, ids, state):
        h, state = self.lstm(F.one_hot(ids, {SYMBOLS}).float(), state)
        return self.out(h), state
net, state = Net(), None
rates = torch.optim.AdamW(net.parameters(), 1e-3)
ids = torch.randint(0, {SYMBOLS}, ({STREAMS}, {STEPS} + 1))
for number in range({TAKEN} + 2):
    began = time.perf_counter()
    rates.zero_grad()
    logits, state = net(ids[:, :-1], state)
    F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    rates.step()
    state = tuple(one.detach() for one in state)
    if number > 1:
        print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--own"]:
        _learn()
        return
    print(describe_machine())
    count = STREAMS * STEPS
    compare(__file__, "rnn train", "torch.nn.LSTM", TORCH, count, "characters/s")
    _start()


def _start() -> None:
    took: dict[str, list[float]] = {"import tensorflow": [], "rnn sample": []}
    for number in range(5):
        for name, command in zip(took, (IMPORT, SAMPLE), strict=True):
            ended = run(command)
            took[name] += [ended.seconds] if number else []
    base = took["import tensorflow"]
    for name, each in took.items():
        print(
            f"{name}: {min(each):.2f} s, {min(each) / min(base):.3f} of the import "
            f"(medians: {median(each) / median(base):.3f})"
        )


def _learn() -> None:
    """Take steps of a training, and print the seconds of each."""
    from shared.console.quiet import muted

    with muted():
        import numpy as np

        from rnn.config import NetConfig, ReadingConfig
        from rnn.net.model import LanguageModel, Learner
        from shared.runs.training import compile_model, take_step
    model = Learner(LanguageModel(NetConfig(units=UNITS), SYMBOLS), STREAMS)
    stage = ReadingConfig(name="one", epochs=1, learning_rate=1e-3, clip_norm=1.0)
    compile_model(model, stage, 1000)
    ids = np.random.default_rng(1).integers(0, SYMBOLS, (STEPS + 1, STREAMS))
    inputs = {"ids": ids[:-1].astype(np.int32), "fresh": np.array([False])}
    for number in range(TAKEN + 2):
        began = time.perf_counter()
        take_step(model, inputs, ids[1:].astype(np.int32), None)
        if number > 1:
            print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
