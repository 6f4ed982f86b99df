"""What a training of a VQA model says before it begins."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from shared.console.progress import counted
from shared.runs.briefing import count_rare, name_rare, warn_of_few
from shared.runs.cost import measure_rate, report_cost
from shared.text.vocabulary import split_words
from vqa.config import VqaConfig
from vqa.data import Record
from vqa.text.answers import most_common
from vqa.text.words import Words
from vqa.training.cost import Sizes, estimate_cost


def estimate(
    recipe: VqaConfig, words: Words, learn: Sequence[Record], dev: Sequence[Record]
) -> str:
    """Say how long it will take."""
    train, choose = (len({record.name for record in part}) for part in (learn, dev))
    answers = len(words.space) if words.space else 0
    sizes = Sizes(train, choose, len(dev), len(words.vocabulary), answers)
    return report_cost(estimate_cost(recipe, sizes, measure_rate()), "this recipe")


def summarize(
    recipe: VqaConfig, words: Words, learn: Sequence[Record], dev: Sequence[Record]
) -> list[str]:
    """Say what there is to learn."""
    photos = [len({record.name for record in part}) for part in (learn, dev)]
    lines = [
        f"{counted(len(learn), 'question')} about {counted(photos[0], 'photo')} to "
        f"learn from, {len(dev)} about {photos[1]} to choose by. Vocabulary: "
        f"{len(words.vocabulary)} words."
    ]
    if words.space:
        best = 100 * words.space.ceiling(record.answers for record in dev)
        lines.append(
            f"{len(words.space)} answers can be given; whoever always chose the best "
            f"of them would reach {best:.1f} % of the dev questions."
        )
    asked = Counter(chain.from_iterable(split_words(r.question) for r in learn))
    limits = recipe.vocabulary
    rare = count_rare(asked, words.vocabulary.ids)
    lines.append(name_rare("word", rare, f"seen less than {limits.min_count} times"))
    if words.space:
        given = Counter(chain.from_iterable(most_common(r.answers) for r in learn))
        rare = count_rare(given, words.space.ids)
        why = f"less than {limits.min_answers} times, or beyond {limits.answers}"
        lines.append(name_rare("answer", rare, why))
    lines.append(warn_of_few(photos[1]))
    return [line for line in lines if line]
