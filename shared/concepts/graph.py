"""The concept net as a LiteRT graph of its own.

    concepts.tflite  features (1, R, D) -> said and there (1, C), odds (1, R, N)

It is a file of its own so that siblings with one concept net have it once, see
`shared.bundles.manifests.COMMON`. In exports of before, another graph has the net
inside; `said`, `there` and maybe `odds` are among that one's outputs then.
"""

from shared.bundles.litert import PART, Spec, Specs
from shared.concepts.table import ConceptProbs

CONCEPTS = f"{PART}/concepts.tflite"
ODDS = "odds"  # what tells where concepts are


def output_specs(regions: int, concepts: int) -> Specs:
    """Give the types and shapes of the graph's outputs.

    Args:
        regions: R.
        concepts: C.
    """
    specs = {name: Spec("float32", (1, concepts)) for name in ConceptProbs._fields}
    return specs | {ODDS: Spec("float32", (1, regions, -1))}
