"""How fast a captioner's decoder learns, against PyTorch.

    python benchmarks/captioner_training.py [--torch PYTHON]

Photos per second in training the decoder of `captioner-flickr8k`'s sizes with soft
attention on features that are known already, 25 photos with 5 captions of 16 words in a
step, on random numbers: the step of `captioner train`, and beside it "Show, Attend and
Tell" (Xu et al. 2015) written plainly in PyTorch, word by word, with the same sizes,
loss, clipping and AdamW. PyTorch is no part of sightread: --torch names the interpreter
of an environment that has it, and without any its row is left out. Both sides take
turns, so that a slow minute of the machine slows them alike; ratios are of the fastest
and of the medians.
"""

import sys
import time

from beside_torch import TAKEN, compare
from photos import describe_machine

PHOTOS, CAPTIONS, WORDS, REGIONS, FEATURES, VOCABULARY = 25, 5, 16, 49, 1280, 4000
UNITS, EMBED, PROJECTED, ATTENTION = 512, 300, 384, 128

TORCH = f"""
import time, torch
from torch import nn
from torch.nn import functional as F
torch.manual_seed(1)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding({VOCABULARY}, {EMBED})
        self.project = nn.Linear({FEATURES}, {PROJECTED})
        self.h0 = nn.Linear({PROJECTED}, {UNITS})
        self.c0 = nn.Linear({PROJECTED}, {UNITS})
        self.keys = nn.Linear({PROJECTED}, {ATTENTION})
        self.query = nn.Linear({UNITS}, {ATTENTION})
        self.score = nn.Linear({ATTENTION}, 1)
        self.gate = nn.Linear({UNITS}, {PROJECTED})
        self.cell = nn.LSTMCell({EMBED} + {PROJECTED}, {UNITS})
        self.from_h = nn.Linear({UNITS}, {EMBED})
        self.from_z = nn.Linear({PROJECTED}, {EMBED}, bias=False)
        self.bias = nn.Parameter(torch.zeros({VOCABULARY}))
    def forward(self, features, tokens):
        f = torch.relu(self.project(features)).repeat_interleave({CAPTIONS}, 0)
        keys, mean, said = self.keys(f), f.mean(1), self.words(tokens)
        h, c = torch.tanh(self.h0(mean)), torch.tanh(self.c0(mean))
        logits = []
        for t in range(tokens.shape[1]):
            scores = self.score(torch.tanh(keys + self.query(h)[:, None])).squeeze(2)
            z = (scores.softmax(1)[:, :, None] * f).sum(1)
            z = torch.sigmoid(self.gate(h)) * z
            h, c = self.cell(torch.cat([said[:, t], z], 1), (h, c))
            out = torch.tanh(said[:, t] + self.from_h(h) + self.from_z(z))
            out = F.dropout(out, 0.5)
            logits.append(out @ self.words.weight.T + self.bias)
        return torch.stack(logits, 1)
net = Net()
rates = torch.optim.AdamW(net.parameters(), 1e-3)
features = torch.rand({PHOTOS}, {REGIONS}, {FEATURES})
ids = torch.randint(0, {VOCABULARY}, ({PHOTOS * CAPTIONS}, {WORDS} + 1))
for number in range({TAKEN} + 2):
    began = time.perf_counter()
    rates.zero_grad()
    logits = net(features, ids[:, :-1])
    F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    rates.step()
    if number > 1:
        print(time.perf_counter() - began)
"""


def main() -> None:
    """Measure and print."""
    if sys.argv[1:] == ["--own"]:
        _learn()
        return
    print(describe_machine())
    sides = "captioner train", "PyTorch, plainly"
    compare(__file__, *sides, TORCH, PHOTOS, "photos/s")


def _learn() -> None:
    """Take steps of a training, and print the seconds of each."""
    from shared.console.quiet import muted

    with muted():
        import numpy as np

        from captioner.config import DecoderConfig, StageConfig
        from captioner.net.decoder import Decoder
        from captioner.net.model import Captioner
        from shared.runs.training import compile_model, take_step
        from shared.vision.encoders import Encoder
    config = DecoderConfig(
        units=UNITS,
        embed_dim=EMBED,
        region_units=PROJECTED,
        attention_units=ATTENTION,
        output_dropout=0.5,
    )
    encoder = Encoder("efficientnet_lite2", 224, None)
    encoder.trainable = False
    model = Captioner(encoder, Decoder(config, VOCABULARY))
    stage = StageConfig(name="one", epochs=1, learning_rate=1e-3)
    compile_model(model, stage, 1000)
    random = np.random.default_rng(1)
    ids = random.integers(4, VOCABULARY, (PHOTOS, CAPTIONS, WORDS + 1)).astype(np.int32)
    features = random.random((PHOTOS, REGIONS, FEATURES), np.float32)
    inputs = {"features": features, "tokens": ids[..., :-1]}
    for number in range(TAKEN + 2):
        began = time.perf_counter()
        take_step(model, inputs, ids[..., 1:], None)
        if number > 1:
            print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
