"""ELECTRA's draws, and the ablations of its paper's section 3.4."""

import pytest
import torch
import torch.nn.functional as F
from twins import batch, randomized

from course_lib import electra
from course_lib.config import ModelConfig

CONFIG = ModelConfig(vocab_size=83, hidden_size=48, num_layers=2, num_heads=4,
                     intermediate_size=80, max_positions=32, embedding_size=20)  # fmt: skip
MODELS = [electra.ElectraForPreTraining, electra.ReplaceMLM, electra.AllTokensMLM]


def made(kind, **options):
    torch.manual_seed(0)
    return randomized(kind(CONFIG, **options))


def inputs():
    """A batch with masks in, its original ids, and which places are masked."""
    found, labels = batch(CONFIG)
    positions = (labels.flatten() != -100).nonzero().flatten()
    original = found["input_ids"]
    ids = original.flatten().index_fill(0, positions, 3).view_as(original)
    return {**found, "input_ids": ids, "masked_positions": positions,
            "masked_labels": labels.flatten()[positions],
            "chances": torch.rand(len(positions), generator=torch.Generator().manual_seed(5)),
            }, original, labels != -100  # fmt: skip


def test_the_same_chances_draw_the_same_words_in_any_split():
    scores = torch.randn(40, 83, generator=torch.Generator().manual_seed(0))
    chances = torch.rand(40, generator=torch.Generator().manual_seed(1))
    whole = electra.draw(scores, chances=chances)
    parts = [electra.draw(scores[i:i + 8], chances=chances[i:i + 8]) for i in range(0, 40, 8)]
    assert torch.equal(whole, torch.cat(parts))


def test_a_draw_is_the_word_on_whose_stretch_the_chance_falls():
    scores = torch.tensor([[0.5, 0.0, 0.3, 0.2]]).log().expand(6, 4)
    chances = torch.tensor([0.0, 0.49, 0.51, 0.79, 0.81, 1.0 - 2**-24])
    assert electra.draw(scores, chances=chances).tolist() == [0, 0, 2, 2, 3, 3]


@pytest.mark.parametrize("kind", MODELS)
def test_no_gradient_from_what_reads_to_what_writes(kind):
    """The generator's own weights get the same gradient with and without the second loss."""
    given, _, _ = inputs()
    gradients = []
    for losses in (lambda out: out.mlm_loss, lambda out: out.loss):
        model = made(kind)
        losses(model(**given)).backward()
        gradients.append({n: p.grad for n, p in model.generator.named_parameters()
                          if "embeddings." not in n or "norm" in n or "widen" in n})  # fmt: skip
    for name, gradient in gradients[0].items():
        if "decoder.weight" not in name:  # it is the shared table
            torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", MODELS)
def test_masked_places_hold_drawn_words_and_nothing_else_is_changed(kind):
    given, original, chosen = inputs()
    out = made(kind)(**given)
    drawn = electra.draw(out.mlm_logits, chances=given["chances"])
    assert torch.equal(out.corrupted_ids[chosen], drawn)
    assert torch.equal(out.corrupted_ids[~chosen], original[~chosen])
    assert torch.equal(out.is_replaced, out.corrupted_ids != original)


def test_electra_15_percent_judges_the_masked_places_only():
    given, _, chosen = inputs()
    whole, part = made(electra.ElectraForPreTraining), made(
        electra.ElectraForPreTraining, masked_only=True)
    out, some = whole(**given), part(**given)
    torch.testing.assert_close(out.replaced_logits, some.replaced_logits)
    losses = F.binary_cross_entropy_with_logits(
        some.replaced_logits, some.is_replaced.float(), reduction="none")
    torch.testing.assert_close(some.replaced_loss, losses[chosen].mean())
    torch.testing.assert_close(out.replaced_loss, losses[given["attention_mask"].bool()].mean())


def test_the_weight_counts():
    given, _, _ = inputs()
    out = made(electra.ElectraForPreTraining, weight=7.0)(**given)
    torch.testing.assert_close(out.loss, out.mlm_loss + 7 * out.replaced_loss)


def test_replace_mlm_predicts_the_masked_words_from_drawn_ones():
    given, original, chosen = inputs()
    model = made(electra.ReplaceMLM)
    out = model(**given)
    scores = model.reader(out.corrupted_ids, given["token_type_ids"], given["attention_mask"],
                          given["masked_positions"])  # fmt: skip
    torch.testing.assert_close(out.restored_logits, scores)
    torch.testing.assert_close(out.restored_loss, F.cross_entropy(scores, original[chosen]))
    torch.testing.assert_close(out.loss, out.mlm_loss + out.restored_loss)


def test_all_tokens_mixes_copying_and_words():
    """The distribution of section 3.4, with probabilities in place of logarithms."""
    given, original, chosen = inputs()
    model = made(electra.AllTokensMLM)
    out = model(**given)
    hidden = model.reader.bert(out.corrupted_ids, given["token_type_ids"],
                               given["attention_mask"]).last_hidden_state  # fmt: skip
    copy = model.copy(hidden).sigmoid()  # (B, T, 1)
    p = (1 - copy) * model.reader.mlm(hidden).softmax(-1)
    p = p + copy * F.one_hot(out.corrupted_ids, CONFIG.vocab_size)
    torch.testing.assert_close(p.sum(-1), torch.ones_like(p[..., 0]))
    loss = -p.gather(-1, original[..., None]).squeeze(-1).log()
    torch.testing.assert_close(out.restored_loss, loss[given["attention_mask"].bool()].mean())
    torch.testing.assert_close(out.restored_logits, p[chosen].log(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_are_finite_and_reach_everything(kind):
    given, _, _ = inputs()
    model = made(kind).train()
    model(**given).loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
