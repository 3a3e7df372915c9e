"""Counts of arithmetic against the published ones, and against shapes counted by hand."""

import pytest
from torch import nn

from course_lib import facts, flops
from course_lib.albert import AlbertModel
from course_lib.bert import BertModel
from course_lib.config import ModelConfig, preset


def masked(name, batch, steps, tokens=512):
    return flops.masked_lm_step(preset(name), tokens) * batch * steps


def electra(size, batch, steps, tokens=512, rate=0.15):
    config, generator = preset(f"electra-{size}"), preset(f"electra-{size}-generator")
    return flops.electra_step(config, generator, tokens, rate) * batch * steps


# (family, row of models.csv, operations of its whole training by our count)
TRAININGS = [
    ("BERT", "BERT-Base, uncased", masked("bert-base-uncased", 256, 1e6)),
    ("BERT", "BERT-Large, uncased", masked("bert-large-uncased", 256, 1e6)),
    ("BERT", "BERT-Small (built by the ELECTRA authors)",
     masked("electra-small", 128, 1.45e6, tokens=128)),
    ("RoBERTa", "RoBERTa-large, all data, 100K", masked("roberta-large", 8000, 1e5)),
    ("RoBERTa", "RoBERTa-large", masked("roberta-large", 8000, 5e5)),
    ("ALBERT", "ALBERT-xxlarge v1", masked("albert-xxlarge-v1", 4096, 1.5e6)),
    ("ELECTRA", "ELECTRA-Base", electra("base", 256, 766e3)),
    ("ELECTRA", "ELECTRA-Large 400K", electra("large", 2048, 400e3, rate=0.25)),
    ("ELECTRA", "ELECTRA-Large 1.75M", electra("large", 2048, 1.75e6, rate=0.25)),
]  # fmt: skip


@pytest.mark.parametrize("family, model, ours", TRAININGS, ids=[t[1] for t in TRAININGS])
def test_whole_trainings_cost_what_was_published(family, model, ours):
    (row,) = [r for r in facts.models(family) if r["model"].split(" (rel")[0] == model]
    published = float(str(row["train_flops_published"]).split()[0])
    assert ours == pytest.approx(published, rel=0.03)


def test_reading_one_text():
    for model, operations in (("bert-base-uncased", 2.9e10), ("electra-small", 3.7e9)):
        assert flops.forward(preset(model), 128) == pytest.approx(operations, rel=0.02)


def test_a_layer_by_hand():
    """One token: its matrices, without the small change, are 2 * (4 D * D + 2 D * F)."""
    config = ModelConfig(10, 64, 1, 4, 256)
    matrices = 2 * (4 * 64 * 64 + 2 * 64 * 256)
    assert matrices < flops.layer(config, 1) < 1.1 * matrices


def test_sharing_saves_no_arithmetic():
    albert = preset("albert-base-v2")
    apart = albert.replace(shared="nothing")
    assert flops.forward(albert, 128) == flops.forward(apart, 128)


def test_attention_is_the_part_that_grows_with_the_square():
    config = preset("bert-base-uncased")
    grown = flops.layer(config, 4096) / flops.layer(config, 2048)
    assert 2 < grown < 4


def test_memory_for_the_backward_pass():
    """Two linear maps keep their inputs (parameters do not count); sharing layers saves nothing."""

    class Two(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.table = nn.Embedding(10, 8)
            self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)

        def forward(self, ids):
            return self.second(self.first(self.table(ids)))

    ids, inputs = 3 * 5 * 8, 3 * 5 * (8 + 16) * 4  # the embedding keeps its ids, of 8 bytes each
    assert flops.activation_bytes(None, Two, 3, 5) == ids + inputs
    small = ModelConfig(vocab_size=50, hidden_size=32, num_heads=2, num_layers=4)
    apart, shared = (
        flops.activation_bytes(small.replace(shared=kind, embedding_size=32), AlbertModel, 2, 16)
        for kind in ("nothing", "all"))  # fmt: skip
    assert shared == apart
    once, twice = (flops.activation_bytes(small, BertModel, n, 16) for n in (1, 2))
    assert 1.95 < twice / once < 2.01  # all but positions and the like belong to one sequence
