"""All strategies of search. A new one is a file beside this one, and a line below."""

from captioner.search.beam import BeamSearch
from captioner.search.sample import Sampling
from captioner.search.strategy import Strategy

# The method of a recipe's `[decoding]` -> what it is.
STRATEGIES: dict[str, type[Strategy]] = {
    "beam": BeamSearch,
    "sample": Sampling,
}


def draws(method: str) -> bool:
    """Whether a method goes by random numbers; not yet checked, it may be unknown."""
    return method in STRATEGIES and STRATEGIES[method].draws
