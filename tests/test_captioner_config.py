"""What in a recipe cannot be trained."""

import pytest

from captioner.config import CaptionerConfig, find_contradictions
from shared.config import parse_config, read_config, recipe_names
from shared.errors import AppError

TEXT = """
[encoder]
name = "mobilenet_v2"
[decoder]
units = 4
embed_dim = 4
region_units = 4
attention_units = 4
[decoding]
beam_size = 4
[[stages]]
name = "words"
epochs = 1
learning_rate = 1e-3
[[stages]]
name = "metric"
objective = "self_critical"
epochs = 1
learning_rate = 1e-3
captions = 6
"""


def find(*changes, whole=True):
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return find_contradictions(parse_config(text, CaptionerConfig, "a.toml"), whole)


@pytest.mark.parametrize(
    ("old", "new", "starts", "says"),
    [
        (
            "beam_size = 4",
            'method = "sample"',
            "decoding.method",
            "captioner caption --sample",
        ),
        (
            "beam_size = 4",
            "beam_size = 4\ngroups = 4",
            "stages.metric.captions",
            "Give a multiple of 4.",
        ),
        ("captions = 6", "captions = 60", "stages.metric.captions", "at most 50"),
        (
            "attention_units = 4",
            "",
            "stages.words.attention_penalty",
            "decoder.attention_units is 0",
        ),
    ],
)
def test_what_cannot_be_trained_is_named(old, new, starts, says):
    penalty = ("epochs = 1", "epochs = 1\nattention_penalty = 0.1")
    assert find(penalty) == []
    (found,) = find(penalty, (old, new))
    assert found.startswith(starts)
    assert says in found


def test_hard_attention_needs_attention():
    hard = ("units = 4\nembed", 'attention = "hard"\nunits = 4\nembed')
    entropy = ("epochs = 1", "epochs = 1\nattention_entropy = 0.1")
    assert find(hard, entropy) == []
    (found,) = find(entropy)
    assert found.startswith("stages.words.attention_entropy: it is about hard")
    penalty = ("captions = 6", "captions = 6\nattention_penalty = 0.1")
    assert find(penalty) == []
    (found,) = find(hard, penalty)
    assert found.startswith("stages.metric.attention_penalty: a self_critical stage")
    none = ("attention_units = 4", "")
    assert find(none) == []
    (found,) = find(hard, none)
    assert found.startswith("decoder.attention: the decoder has no attention")
    with pytest.raises(AppError, match=r"decoder\.attention: .*'soft' or 'hard'"):
        find((hard[0], hard[1].replace("hard", "firm")))


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("[encoder]", 'choose_by = "BLEU"\n[encoder]', "choose_by"),
        ("captions = 6", 'captions = 6\nreward = "BLEU"', "stages.metric.reward"),
    ],
)
def test_an_unknown_metric_lists_the_known(old, new, place):
    (found,) = find((old, new))
    assert found.startswith(f"{place}: there is no 'BLEU'. Give one of ")
    assert "CIDEr-D" in found
    assert find((old, new.replace("BLEU", "ROUGE-L"))) == []


def test_all_that_is_wrong_is_named_at_once():
    changes = [
        ("beam_size = 4", "beam_size = 4\ngroups = 4"),
        ("captions = 6", "captions = 61"),
    ]
    assert len(find(*changes)) == 2


def test_new_words_are_those_that_a_model_did_not_have():
    change = ("epochs = 1", 'epochs = 1\nlearns = "new words"')
    assert find(change, whole=False) == []
    (found,) = find(change)
    assert "start from a model with --from" in found
    trained = 'encoder_rate = 0.1\nencoder_from = "all"'
    with pytest.raises(AppError, match="leaves the encoder alone"):
        find((change[0], f"{change[1]}\n{trained}"), whole=False)


def test_photos_read_for_each_step_go_with_a_frozen_encoder_without_concepts():
    online = ("epochs = 1", 'epochs = 1\nfeatures = "online"')
    assert find(online) == []
    trained = 'encoder_rate = 0.1\nencoder_from = "all"'
    (found,) = find((online[0], f"{online[1]}\n{trained}"))
    assert "wherever the encoder is trained. Leave it out" in found
    (found,) = find(online, ("[decoder]", "[concepts]\n[decoder]"))
    assert "stages.words.features: the concepts are read from features" in found
    with pytest.raises(AppError, match=r"features: .*'cached' or 'online'"):
        find((online[0], f'{online[0]}\nfeatures = "none"'))


def test_a_model_without_attention_can_be_trained_further():
    penalty = ("epochs = 1", "epochs = 1\nattention_penalty = 0.1")
    assert find(penalty, ("attention_units = 4", ""), whole=False) == []


@pytest.mark.parametrize("option", ["texts = 0.5", "blind = 0.5"])
def test_what_needs_concepts_is_refused_of_a_model_without(option):
    for whole in (True, False):
        (found,) = find(("epochs = 1", f"epochs = 1\n{option}"), whole=whole)
        assert "`texts` and `blind` are about concepts" in found


@pytest.mark.parametrize("name", recipe_names("captioner-"))
def test_recipes_that_come_with_the_package_contradict_nothing(name):
    recipe = read_config(name, CaptionerConfig, "captioner-")
    assert find_contradictions(recipe, whole=True) == []
