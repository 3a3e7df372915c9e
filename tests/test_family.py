"""RoBERTa, ALBERT, ELECTRA: the numbers of `transformers`, the papers' sizes, what is new."""

import pytest
import torch
import torch.nn.functional as F
import transformers
from twins import CLOSE, batch, randomized, twins

from course_lib import albert, electra, facts, pretrained, roberta
from course_lib.config import PRESETS, ModelConfig, preset

SHAPE = dict(vocab_size=83, hidden_size=48, num_layers=3, num_heads=4, intermediate_size=80)
ROBERTA = ModelConfig(**SHAPE, max_positions=34, type_vocab_size=1, layer_norm_eps=1e-5,
                      pad_token_id=1)  # fmt: skip
ALBERT = ModelConfig(**SHAPE, max_positions=32, embedding_size=20, shared="all",
                     activation="gelu_tanh")  # fmt: skip
ELECTRA = ModelConfig(**SHAPE, max_positions=32, embedding_size=20)
SAME_WIDTH = ModelConfig(**SHAPE, max_positions=32)
BODIES = {
    "roberta": (roberta.RobertaModel(ROBERTA), transformers.RobertaModel),
    "albert": (albert.AlbertModel(ALBERT), transformers.AlbertModel),
    "electra": (electra.ElectraModel(ELECTRA), transformers.ElectraModel),
    "electra, one width": (electra.ElectraModel(SAME_WIDTH), transformers.ElectraModel),
}


@torch.no_grad()
@pytest.mark.parametrize("name", BODIES)
def test_every_hidden_state_and_attention_map(name, tmp_path):
    ours, theirs = twins(*BODIES[name], tmp_path)
    inputs, _ = batch(ours.config)
    got = ours(**inputs, need_weights=True)
    wanted = theirs(**inputs, output_hidden_states=True, output_attentions=True)
    pairs = [*zip(got.hidden_states, wanted.hidden_states, strict=True),
             *zip(got.attentions, wanted.attentions, strict=True)]  # fmt: skip
    if ours.pooler:
        pairs.append((got.pooled, wanted.pooler_output))
    for mine, yours in pairs:
        torch.testing.assert_close(mine, yours, **CLOSE)
    fused = ours(**inputs).last_hidden_state
    torch.testing.assert_close(fused, wanted.last_hidden_state, **CLOSE)


def same_gradient(ours, theirs, body, mine, yours):
    """Backward on both losses; the token embedding, tied to the output, gets the same."""
    mine.backward()
    yours.backward()
    wanted = getattr(theirs, body).embeddings.word_embeddings.weight.grad
    torch.testing.assert_close(ours.bert.embeddings.token.weight.grad, wanted, **CLOSE)


def test_robertas_masked_words(tmp_path):
    ours, theirs = twins(roberta.RobertaForMaskedLM(ROBERTA), transformers.RobertaForMaskedLM,
                         tmp_path)  # fmt: skip
    inputs, labels = batch(ROBERTA)
    got, wanted = ours(**inputs, masked_labels=labels), theirs(**inputs, labels=labels)
    torch.testing.assert_close(got.mlm_logits, wanted.logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)
    same_gradient(ours, theirs, "roberta", got.loss, wanted.loss)


def test_alberts_masked_words_and_sentence_order(tmp_path):
    ours, theirs = twins(albert.AlbertForPreTraining(ALBERT), transformers.AlbertForPreTraining,
                         tmp_path)  # fmt: skip
    inputs, labels = batch(ALBERT)
    pair = torch.tensor([0, 1, 1])
    got = ours(**inputs, masked_labels=labels, next_sentence_label=pair)
    wanted = theirs(**inputs, labels=labels, sentence_order_label=pair)
    torch.testing.assert_close(got.mlm_logits, wanted.prediction_logits, **CLOSE)
    torch.testing.assert_close(got.nsp_logits, wanted.sop_logits, **CLOSE)
    torch.testing.assert_close(got.loss, wanted.loss, **CLOSE)
    same_gradient(ours, theirs, "albert", got.loss, wanted.loss)


def test_electras_generator(tmp_path):
    ours, theirs = twins(electra.Generator(ELECTRA), transformers.ElectraForMaskedLM, tmp_path)
    inputs, labels = batch(ELECTRA)
    scores, wanted = ours(**inputs), theirs(**inputs, labels=labels)
    torch.testing.assert_close(scores, wanted.logits, **CLOSE)
    loss = F.cross_entropy(scores.flatten(0, 1), labels.flatten())
    torch.testing.assert_close(loss, wanted.loss, **CLOSE)


@pytest.mark.parametrize("config", [ELECTRA, SAME_WIDTH], ids=["narrow", "one width"])
def test_electras_discriminator(config, tmp_path):
    ours, theirs = twins(electra.Discriminator(config), transformers.ElectraForPreTraining,
                         tmp_path)  # fmt: skip
    inputs, labels = batch(config)
    replaced = labels != -100
    scores, wanted = ours(**inputs), theirs(**inputs, labels=replaced.long())
    torch.testing.assert_close(scores, wanted.logits, **CLOSE)
    loss = electra.binary_loss(scores, replaced, inputs["attention_mask"])
    torch.testing.assert_close(loss, wanted.loss, **CLOSE)
    same_gradient(ours, theirs, "electra", loss, wanted.loss)


TASKS = [
    (roberta, ROBERTA, "SequenceClassification"), (roberta, ROBERTA, "TokenClassification"),
    (roberta, ROBERTA, "QuestionAnswering"), (albert, ALBERT, "SequenceClassification"),
    (albert, ALBERT, "TokenClassification"), (albert, ALBERT, "QuestionAnswering"),
    (electra, ELECTRA, "SequenceClassification"), (electra, ELECTRA, "TokenClassification"),
    (electra, ELECTRA, "QuestionAnswering"),
]  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("module, config, task", TASKS,
                         ids=[f"{m.__name__}-{t}" for m, _, t in TASKS])  # fmt: skip
def test_every_head_for_a_task(module, config, task, tmp_path):
    name = f"{module.__name__.split('.')[-1].title()}For{task}"
    options = {} if task == "QuestionAnswering" else {"num_labels": 3}
    ours, theirs = twins(getattr(module, name)(config, **options), getattr(transformers, name),
                         tmp_path)  # fmt: skip
    inputs, _ = batch(config)
    got, wanted = ours(**inputs).logits, theirs(**inputs)
    if task == "QuestionAnswering":
        torch.testing.assert_close(got[..., 0], wanted.start_logits, **CLOSE)
        torch.testing.assert_close(got[..., 1], wanted.end_logits, **CLOSE)
    else:
        torch.testing.assert_close(got, wanted.logits, **CLOSE)


@pytest.mark.parametrize("make", [
    lambda: roberta.RobertaForMaskedLM(ROBERTA), lambda: albert.AlbertForPreTraining(ALBERT),
    lambda: electra.Discriminator(ELECTRA), lambda: electra.Generator(SAME_WIDTH),
], ids=["roberta", "albert", "discriminator", "generator"])  # fmt: skip
def test_what_is_saved_comes_back(make, tmp_path):
    model = randomized(make())
    pretrained.save(model, tmp_path)
    back = pretrained.load(tmp_path, type(model))
    assert type(back) is type(model) and not back.training
    state = back.state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)
    default = pretrained.load(tmp_path) if not isinstance(model, electra.Generator) else back
    assert type(default) is type(model)


def test_a_checkpoint_of_another_family_is_refused(tmp_path):
    pretrained.save(albert.AlbertForPreTraining(ALBERT), tmp_path)
    with pytest.raises(ValueError, match="'albert', but the class asked for is of 'roberta'"):
        pretrained.load(tmp_path, roberta.RobertaForMaskedLM)


# --- sizes ---


def rows():
    """(preset, published row, our class) of every size that the table counts."""
    found = []
    for name in PRESETS:
        family, size, *version = name.split("-")
        if family == "roberta":
            found.append((name, f"RoBERTa-{size}", "RoBERTa"))
        elif family == "albert":
            found.append((name, f"ALBERT-{size} {version[0]}", "ALBERT"))
        elif family == "electra" and not version:
            row = {"small": "ELECTRA-Small", "base": "ELECTRA-Base",
                   "large": "ELECTRA-Large 400K"}[size]  # fmt: skip
            found.append((name, row, "ELECTRA"))
    return found


@pytest.mark.parametrize("name, row, family", rows(), ids=[r[0] for r in rows()])
def test_a_preset_counts_the_published_parameters(name, row, family):
    (published,) = [r for r in facts.models(family) if r["model"] == row]
    made = {"RoBERTa": roberta.RobertaForMaskedLM, "ALBERT": albert.AlbertForPreTraining,
            "ELECTRA": electra.Discriminator}[family]  # fmt: skip
    with torch.device("meta"):
        model = made(preset(name))
    count = {part: sum(p.numel() for p in m.parameters())
             for part, m in (("body", model.bert), ("all", model))}  # fmt: skip
    pair_head = sum(p.numel() for p in model.nsp.parameters()) if family == "ALBERT" else 0
    assert count["body"] == published["params_computed_encoder"]
    assert count["all"] - pair_head == published["params_computed_with_mlm_head"]


def test_generators_are_as_published():
    for size, share in (("small", 1 / 4), ("base", 1 / 3), ("large", 1 / 4)):
        made = electra.generator_of(preset(f"electra-{size}"), share)
        assert made == preset(f"electra-{size}-generator"), size


# --- what is new in each ---


def test_robertas_positions_skip_the_padding():
    embeddings = roberta.RobertaEmbeddings(ROBERTA)
    ids = torch.tensor([[5, 6, 7, 1, 1], [8, 1, 1, 1, 1]])
    wanted = [[2, 3, 4, 1, 1], [2, 1, 1, 1, 1]]
    assert embeddings.positions(ids).tolist() == wanted


def test_a_row_longer_than_robertas_positions_is_refused():
    with pytest.raises(ValueError, match="33 tokens.*32"):
        roberta.RobertaModel(ROBERTA)(torch.full((1, 33), 5))


@pytest.mark.parametrize("shared, layers", [("all", 1), ("nothing", 3)])
def test_shared_layers_count_once(shared, layers):
    def count(model):
        return sum(p.numel() for p in model.encoder.parameters())

    one = count(albert.AlbertModel(ALBERT.replace(num_layers=1)))
    assert count(albert.AlbertModel(ALBERT.replace(shared=shared))) == layers * one


def test_half_sharing_shares_its_half():
    attention = albert.AlbertModel(ALBERT.replace(shared="attention")).encoder.layers
    assert attention[0].attention is attention[2].attention
    assert attention[0].feed_forward is not attention[2].feed_forward
    forward = albert.AlbertModel(ALBERT.replace(shared="feed_forward")).encoder.layers
    assert forward[0].feed_forward is forward[2].feed_forward
    assert forward[0].attention is not forward[2].attention


def electra_batch():
    inputs, labels = batch(ELECTRA)
    positions = (labels.flatten() != -100).nonzero().flatten()
    originals = labels.flatten()[positions]
    ids = inputs["input_ids"].flatten().index_fill(0, positions, 3).view_as(labels)
    return {**inputs, "input_ids": ids, "masked_positions": positions,
            "masked_labels": originals}, labels  # fmt: skip


def small_electra():
    torch.manual_seed(0)
    return randomized(electra.ElectraForPreTraining(ELECTRA))


def test_electra_reads_the_words_drawn_and_counts_a_right_guess_as_original():
    inputs, labels = electra_batch()
    model = small_electra()
    out = model(**inputs, generator=torch.Generator().manual_seed(1))
    chosen = labels != -100
    original = torch.where(chosen, labels, inputs["input_ids"])
    assert torch.equal(out.corrupted_ids[~chosen], original[~chosen])
    assert torch.equal(out.is_replaced, out.corrupted_ids != original)
    found = model.discriminator(out.corrupted_ids, inputs["token_type_ids"],
                                inputs["attention_mask"])  # fmt: skip
    torch.testing.assert_close(found, out.replaced_logits)
    torch.testing.assert_close(out.loss, out.mlm_loss + 50 * out.replaced_loss)


def test_no_gradient_flows_through_the_draw():
    inputs, _ = electra_batch()
    model = small_electra()
    out = model(**inputs)
    out.replaced_loss.backward()
    own = [n for n, p in model.generator.named_parameters()
           if p.grad is not None and p.grad.abs().sum() > 0]  # fmt: skip
    shared = {f"bert.embeddings.{part}.weight" for part in ("token", "position", "segment")}
    assert set(own) <= shared  # the tables are the discriminator's, too


def test_generator_and_discriminator_share_their_tables():
    model = small_electra()
    mine, theirs = model.discriminator.bert.embeddings, model.generator.bert.embeddings
    assert mine.token is theirs.token and mine.position is theirs.position
    assert model.generator.mlm.decoder.weight is mine.token.weight
    assert mine.norm is not theirs.norm
    with pytest.raises(ValueError, match="same embedding_size"):
        electra.ElectraForPreTraining(ELECTRA, electra.generator_of(SAME_WIDTH))


def test_draws_follow_the_probabilities():
    scores = torch.tensor([0.5, 0.3, 0.2]).log().repeat(60_000, 1)
    share = electra.draw(scores, torch.Generator().manual_seed(0)).bincount() / 60_000
    torch.testing.assert_close(share, torch.tensor([0.5, 0.3, 0.2]), rtol=0, atol=0.01)
