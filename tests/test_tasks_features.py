"""Frozen features: taken at first pieces, the same in any batch; layers mixed; a tagger learns."""

import pytest
import torch
from datasets import Dataset

from course_lib.bert import BertModel
from course_lib.config import ModelConfig
from course_lib.tasks.features import (
    CHOICES,
    FeatureTagger,
    first_pieces,
    fit,
    layer_features,
    tag,
    word_labels,
)

SHAPE = ModelConfig(vocab_size=40, hidden_size=16, num_layers=3, num_heads=2, intermediate_size=32,
                    max_positions=32, dropout=0.3, initializer_range=0.2)  # fmt: skip


def rows(n=9, seed=0):
    """Rows as of `encode_words`: some words have several pieces, labels follow from the ids."""
    draw = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(n):
        words, ids = [-1], [2]
        for word in range(int(torch.randint(2, 8, (1,), generator=draw))):
            number = int(torch.randint(1, 4, (1,), generator=draw))
            words += [word] * number
            ids += torch.randint(5, 40, (number,), generator=draw).tolist()
        words, ids = [*words, -1], [*ids, 3]
        labels = [ids[i] % 3 if w != -1 and w not in words[:i] else -100
                  for i, w in enumerate(words)]  # fmt: skip
        found.append({"input_ids": ids, "words": words, "labels": labels})
    return Dataset.from_list(found)


def test_first_pieces():
    assert first_pieces([-1, 0, 0, 1, 2, 2, -1]) == [1, 3, 4]
    assert first_pieces([-1, -1]) == []


def test_features_are_those_of_each_row_alone():
    torch.manual_seed(0)
    model, data = BertModel(SHAPE).train(), rows()
    found = layer_features(model, data, batch_size=4)
    assert model.training  # as before; dropout was off meanwhile
    model.eval()
    for row, of_row in zip(data, found, strict=True):
        first = first_pieces(row["words"])
        assert of_row.shape == (len(first), 4, 16)
        with torch.no_grad():
            alone = model(torch.tensor([row["input_ids"]])).hidden_states
        torch.testing.assert_close(of_row, torch.stack(alone, 2)[0, first])


def test_labels_are_those_of_the_words():
    data = rows()
    for row, labels in zip(data, word_labels(data), strict=True):
        assert (labels != -100).all() and len(labels) == max(row["words"]) + 1


def test_mixing_layers():
    features = torch.randn(2, 5, 4, 16)
    joined = FeatureTagger(4, 16, 3, slice(-2, None), "join")
    assert torch.equal(joined.mix(features), features[:, :, 2:].flatten(2))
    even = FeatureTagger(4, 16, 3, slice(None))
    torch.testing.assert_close(even.mix(features), features.mean(2))
    with torch.no_grad():
        even.layer_weights[1] = 50.0
    torch.testing.assert_close(even.mix(features), features[:, :, 1])


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("lstm", [0, 8])
def test_every_choice_of_layers_gives_scores(choice, lstm):
    take, how = CHOICES[choice]
    tagger = FeatureTagger(7, 16, 5, take, how, lstm)
    assert tagger(torch.randn(2, 6, 7, 16)).shape == (2, 6, 5)


def test_a_tagger_learns_and_gives_the_same_again():
    torch.manual_seed(0)
    model, data = BertModel(SHAPE), rows(60)
    features, labels = layer_features(model, data), word_labels(data)
    answers = []
    for _ in range(2):
        torch.manual_seed(1)
        tagger = FeatureTagger(4, 16, 3, slice(0, 1), lstm_size=16)
        losses = fit(tagger, features, labels, epochs=60, learning_rate=0.05)
        answers.append(torch.cat(tag(tagger, features, batch_size=7)))
    right = (answers[0] == torch.cat(labels)).float().mean()
    assert right > 0.9 and losses[-1] < losses[0] / 3
    assert torch.equal(*answers)


def test_choices_that_do_not_exist():
    with pytest.raises(ValueError, match="at least one"):
        FeatureTagger(4, 16, 3, slice(9, None))
    with pytest.raises(ValueError, match="how='mean'"):
        FeatureTagger(4, 16, 3, slice(None), "mean")
