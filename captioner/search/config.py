"""How captions are searched for: the schema of the part of a recipe that says so."""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model, model_validator

from captioner.search.strategies import STRATEGIES
from captioner.search.strategy import MOST_BEAMS, Strategy
from shared.config import Config
from shared.runs.recipes import MaxWords, Seed

# fmt: off
BAD_ENDINGS = (
    "a", "an", "the", "and", "or", "but", "of", "with", "in", "on", "at", "to", "by",
    "for", "from", "into", "onto", "through", "under", "near", "next", "while", "as",
    "is", "are", "his", "her", "their", "its", "that", "which", "who",
)
# fmt: on


class _Search(Config):
    method: Literal[tuple(STRATEGIES)] = "beam"  # type: ignore[valid-type]
    beam_size: int = Field(3, ge=1, le=MOST_BEAMS)


# What a strategy has in a class of its own stands in a recipe with all else.
_options: dict[str, Any] = {
    name: (option.annotation, option)
    for strategy in STRATEGIES.values()
    for name, option in strategy.model_fields.items()
}
_Options: Any = create_model("_Options", __base__=_Search, **_options)


class DecodingConfig(_Options):
    """How captions are searched for, unless the user says otherwise.

    Words are counted without the end of the sentence. `no_repeat`, `once`,
    `bad_endings`, `neutral` and what is said of what is there give way where nothing
    else is left; the other rules never do.

    Attributes:
        method: a name in `captioner.search.strategies`: "beam" looks for likely
            sequences, "sample" draws them at random.
        beam_size: sequences kept at each step, 1 is greedy; or sequences drawn.
        length_penalty: alpha of Wu et al. 2016; 0 ranks by probability alone, and
            "average" by the mean log-probability of a token.
        min_words, max_words: length of a caption.
        no_repeat: so many words in a row do not occur twice, and no word comes right
            after itself, or after itself and "and", "or", "of" or "with"; 0 allows it.
        bad_endings: words that a caption does not end with.
        prefix: how every caption starts; at least one word follows, and its words
            count.
        must: words that every caption has, in any order.
        ban: words that no caption has.
        inflections: whether `must` is content with another form of a word, and
            `ban` means all its forms.
        neutral: the share of "man" in "man" and "woman" above which a man is called
            one, else a person; see `captioner.search.neutral`. 0 leaves it to the
            model.
        colors: the probability below which a color is most likely a guess. One that
            has p counts as p (p / colors)²; 0 leaves it to the model.
        people, animals, things: words for them are not said where animals and things
            are less surely there, and where a caption would less surely mention people,
            0 to 1; 0 allows them. This and `support` are for models with concepts, see
            `captioner.describing.grounding`.
        support: nats that a word costs for every nat of the logarithm of how surely
            what it names is there.
        once: whether each thing that is no person and no animal is named once at most;
            for models with concepts.
        second_look: where the best caption is right with less probability than this, a
            detector looks, too, and the caption that is surer then is kept; see
            `captioner.describing.second_look`. Not where words are asked for, or
            captions are drawn at random. 0 leaves it out.
        hedge: whether a caption that is probably wrong gives way to one that claims
            less, if that is surer; see `captioner.describing.hedging`. Not in those
            cases, either.
        seed: of what is drawn; the same photo with the same seed gives the same.

    The options of all strategies are here as well, each as its strategy explains it.
    """

    length_penalty: Annotated[float, Field(ge=0, le=5)] | Literal["average"] = 0.0
    min_words: MaxWords = 1
    max_words: MaxWords = 20
    no_repeat: int = Field(0, ge=0, le=20)
    bad_endings: tuple[str, ...] = BAD_ENDINGS
    prefix: str = ""
    must: tuple[str, ...] = ()
    ban: tuple[str, ...] = ()
    inflections: bool = False
    neutral: float = Field(0.0, ge=0, le=1)
    colors: float = Field(0.0, ge=0, le=1)
    people: float = Field(0.35, ge=0, le=1)
    animals: float = Field(0.2, ge=0, le=1)
    things: float = Field(0.0, ge=0, le=1)
    support: float = Field(0.0, ge=0, le=10)
    once: bool = True
    second_look: float = Field(0.85, ge=0, le=1)
    hedge: bool = True
    seed: Seed = 0

    @property
    def free(self) -> bool:
        """Whether the likeliest caption is wanted, of any words."""
        return not (self.strategy.draws or self.prefix or self.must)

    @property
    def strategy(self) -> Strategy:
        """The search, as it is to go on."""
        kind = STRATEGIES[self.method]
        return kind(**{name: getattr(self, name) for name in kind.model_fields})

    @model_validator(mode="after")
    def _numbers_fit_together(self) -> "DecodingConfig":
        if self.min_words > self.max_words:
            raise ValueError(
                f"min_words {self.min_words} is more than max_words {self.max_words}: "
                f"give a min_words of at most {self.max_words}, or a larger max_words"
            )
        self.strategy.check_size(self.beam_size)
        return self

    def __str__(self) -> str:
        """Name what differs from the defaults, such as "beam_size 4, no_repeat 2"."""
        values = self.model_dump(exclude_defaults=True, exclude={"bad_endings"})
        return (
            ", ".join(f"{key} {value}" for key, value in values.items()) or "defaults"
        )
