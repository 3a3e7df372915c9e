"""Our BERT and the one of `transformers`, given the same weights, compute the same numbers."""

import pytest
import torch
import transformers
from twins import CLOSE, batch, randomized, twins

from course_lib import facts
from course_lib.bert import (
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.config import PRESETS, ModelConfig, preset
from course_lib.heads import IGNORED

SHAPES = {
    "as published": ModelConfig(97, 48, 3, 4, 80, max_positions=32),
    "gelu with tanh": ModelConfig(60, 32, 2, 2, 64, max_positions=24, activation="gelu_tanh"),
    "relu, one head, three segments": ModelConfig(
        60, 24, 1, 1, 96, max_positions=24, type_vocab_size=3, activation="relu",
        layer_norm_eps=1e-5,
    ),
}  # fmt: skip


@pytest.fixture(params=SHAPES, ids=list(SHAPES))
def config(request):
    return SHAPES[request.param]


@torch.no_grad()
def test_every_hidden_state_attention_map_and_the_pooled_vector(config, tmp_path):
    ours, theirs = twins(BertModel(config), transformers.BertModel, tmp_path)
    inputs, _ = batch(config)
    got = ours(**inputs, need_weights=True)
    wanted = theirs(**inputs, output_hidden_states=True, output_attentions=True)
    assert len(got.hidden_states) == config.num_layers + 1
    for mine, yours in zip(got.hidden_states, wanted.hidden_states, strict=True):
        torch.testing.assert_close(mine, yours, **CLOSE)
    for mine, yours in zip(got.attentions, wanted.attentions, strict=True):
        torch.testing.assert_close(mine, yours, **CLOSE)
    torch.testing.assert_close(got.pooled, wanted.pooler_output, **CLOSE)
    torch.testing.assert_close(got.last_hidden_state, wanted.last_hidden_state, **CLOSE)


@torch.no_grad()
def test_without_mask_and_segments_and_on_the_fused_path(config, tmp_path):
    ours, theirs = twins(BertModel(config), transformers.BertModel, tmp_path)
    ids = batch(config)[0]["input_ids"][:1]
    got, wanted = ours(ids), theirs(ids)
    assert got.attentions is None
    torch.testing.assert_close(got.last_hidden_state, wanted.last_hidden_state, **CLOSE)


def test_pretraining_scores_losses_and_gradients(config, tmp_path):
    ours, theirs = twins(
        BertForPreTraining(config), transformers.BertForPreTraining, tmp_path
    )
    inputs, labels = batch(config)
    pair = torch.tensor([0, 1, 1])
    got = ours(**inputs, masked_labels=labels, next_sentence_label=pair)
    wanted = theirs(**inputs, labels=labels, next_sentence_label=pair)
    torch.testing.assert_close(got.mlm_logits, wanted.prediction_logits, **CLOSE)
    torch.testing.assert_close(got.nsp_logits, wanted.seq_relationship_logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)
    assert got.loss.item() == pytest.approx(got.mlm_loss.item() + got.nsp_loss.item(), abs=1e-5)
    got.loss.backward()
    wanted.loss.backward()
    gradient = theirs.bert.embeddings.word_embeddings.weight.grad
    torch.testing.assert_close(ours.bert.embeddings.token.weight.grad, gradient, **CLOSE)


@torch.no_grad()
def test_each_loss_alone(config, tmp_path):
    ours, theirs = twins(
        BertForPreTraining(config), transformers.BertForPreTraining, tmp_path
    )
    inputs, labels = batch(config)
    scores = theirs(**inputs)
    masked = torch.nn.functional.cross_entropy(scores.prediction_logits.flatten(0, 1),
                                               labels.flatten())  # fmt: skip
    got = ours(**inputs, masked_labels=labels)
    torch.testing.assert_close(got.mlm_loss, masked, **CLOSE)
    assert got.nsp_loss is None and got.loss == got.mlm_loss
    pair = torch.tensor([1, 0, 0])
    got = ours(**inputs, next_sentence_label=pair)
    expected = torch.nn.functional.cross_entropy(scores.seq_relationship_logits, pair)
    torch.testing.assert_close(got.nsp_loss, expected, **CLOSE)
    assert got.mlm_loss is None and ours(**inputs).loss is None


@torch.no_grad()
def test_scores_at_masked_positions_alone_equal_those_of_the_full_path():
    config = SHAPES["as published"]
    model = randomized(BertForPreTraining(config))
    inputs, labels = batch(config)
    positions = (labels.flatten() != IGNORED).nonzero().squeeze(1)
    full = model(**inputs, masked_labels=labels)
    some = model(**inputs, masked_positions=positions, masked_labels=labels.flatten()[positions])
    assert some.mlm_logits.shape == (len(positions), config.vocab_size)
    torch.testing.assert_close(some.mlm_logits, full.mlm_logits.flatten(0, 1)[positions], **CLOSE)
    torch.testing.assert_close(some.mlm_loss, full.mlm_loss, **CLOSE)


@torch.no_grad()
def test_sequence_classification(config, tmp_path):
    ours, theirs = twins(
        BertForSequenceClassification(config, num_labels=3),
        transformers.BertForSequenceClassification, tmp_path,
    )  # fmt: skip
    inputs, _ = batch(config)
    labels = torch.tensor([2, 0, 1])
    got, wanted = ours(**inputs, labels=labels), theirs(**inputs, labels=labels)
    torch.testing.assert_close(got.logits, wanted.logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)


@torch.no_grad()
def test_token_classification(config, tmp_path):
    ours, theirs = twins(
        BertForTokenClassification(config, num_labels=5),
        transformers.BertForTokenClassification, tmp_path,
    )  # fmt: skip
    inputs, labels = batch(config)
    labels = labels.where(labels == IGNORED, labels % 5)
    got, wanted = ours(**inputs, labels=labels), theirs(**inputs, labels=labels)
    torch.testing.assert_close(got.logits, wanted.logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)


@torch.no_grad()
def test_question_answering(config, tmp_path):
    ours, theirs = twins(
        BertForQuestionAnswering(config), transformers.BertForQuestionAnswering, tmp_path
    )
    inputs, _ = batch(config)
    span = dict(start_positions=torch.tensor([1, 2, 3]), end_positions=torch.tensor([2, 5, 3]))
    got, wanted = ours(**inputs, **span), theirs(**inputs, **span)
    torch.testing.assert_close(got.logits[..., 0], wanted.start_logits, **CLOSE)
    torch.testing.assert_close(got.logits[..., 1], wanted.end_logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)


@torch.no_grad()
def test_padding_is_never_read():
    config = SHAPES["as published"]
    model = randomized(BertModel(config))
    inputs, _ = batch(config)
    real = inputs["attention_mask"].bool()
    before = model(**inputs).last_hidden_state[real]
    noise = torch.where(real, inputs["input_ids"], 7)
    after = model(**{**inputs, "input_ids": noise}).last_hidden_state[real]
    torch.testing.assert_close(after, before, **CLOSE)


@torch.no_grad()
def test_a_causal_mask_really_blocks():
    config = SHAPES["as published"]
    model = randomized(BertModel(config))
    ids = batch(config)[0]["input_ids"][:1]
    causal = torch.ones(1, ids.shape[1], ids.shape[1]).tril()
    changed = ids.clone()
    changed[0, 8] = 5 if ids[0, 8] != 5 else 6
    for mask, blocked in ((causal, True), (None, False)):
        before = model(ids, attention_mask=mask).last_hidden_state
        after = model(changed, attention_mask=mask).last_hidden_state
        moved = (before - after).abs().sum(-1)[0]  # (T,)
        assert (moved[8:] > 0).all()
        assert (moved[:8] == 0).all() if blocked else (moved[:8] > 0).all()


def test_a_mask_of_another_shape_is_refused():
    model = BertModel(SHAPES["as published"])
    with pytest.raises(ValueError, match=r"\(2, 5\).*\(2, 4\) or \(2, 4, 4\)"):
        model(torch.ones(2, 4, dtype=torch.long), attention_mask=torch.ones(2, 5))


# Sizes, counted without a single number being stored

PUBLISHED = {
    "bert-base-uncased": "BERT-Base, uncased",
    "bert-base-cased": "BERT-Base, cased",
    "bert-base-chinese": "BERT-Base, Chinese",
    "bert-base-multilingual-cased": "BERT-Base, Multilingual cased",
    "bert-base-multilingual-uncased": "BERT-Base, Multilingual uncased",
    "bert-large-uncased": "BERT-Large, uncased",
    "bert-large-cased": "BERT-Large, cased",
}


def published_sizes():
    """(preset, its row in models.csv) for the large models and the 24 miniatures."""
    rows = {row["model"]: row for row in facts.models("BERT")}
    pairs = [(name, rows[model]) for name, model in PUBLISHED.items()]
    for row in rows.values():
        if "miniature" in row["model"]:
            pairs.append((f"bert-L{row['layers']}-H{row['hidden']}", row))
            if "= BERT-" in row["model"] and "Base" not in row["model"]:
                pairs.append((row["model"].split("= ")[1].lower(), row))
    return pairs


def test_the_published_sizes_are_all_there():
    names = {name for name, _ in published_sizes()}
    assert names == {name for name in PRESETS if name.startswith("bert")}
    assert sum(name.startswith("bert-L") for name in names) == 24


@pytest.mark.parametrize("name, row", published_sizes(), ids=lambda x: x if type(x) is str else "")
def test_a_preset_counts_the_published_parameters(name, row):
    """params_computed_with_mlm_head: encoder, pooler and MLM head, without the NSP head."""
    with torch.device("meta"):
        model = BertForPreTraining(preset(name))
    encoder = sum(p.numel() for p in model.bert.parameters())
    assert encoder == row["params_computed_encoder"]
    everything = sum(p.numel() for p in model.parameters())  # the tied matrix counts once
    nsp = sum(p.numel() for p in model.nsp.parameters())
    assert everything - nsp == row["params_computed_with_mlm_head"]
    assert nsp == 2 * row["hidden"] + 2


@pytest.mark.parametrize("name", ["bert-base-uncased", "bert-tiny"])
def test_transformers_counts_the_same(name):
    config = preset(name)
    with torch.device("meta"):
        theirs = transformers.BertModel(transformers.BertConfig(
            vocab_size=config.vocab_size, hidden_size=config.hidden_size,
            num_hidden_layers=config.num_layers, num_attention_heads=config.num_heads,
            intermediate_size=config.intermediate_size,
        ))  # fmt: skip
        ours = BertModel(config)
    count = [sum(p.numel() for p in m.parameters()) for m in (ours, theirs)]
    assert count[0] == count[1]
