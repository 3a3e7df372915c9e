"""Roles, entropy and distances of heads, and what a prediction rests on."""

import math

import pytest
import torch
from small_families import TEXT, family

from course_lib.attention_roles import (
    ROLES,
    bootstrap,
    chance_share,
    effect_share,
    entropy_bits,
    fetched_lengths,
    link_target,
    mean_distance,
    role_share,
    role_targets,
)
from course_lib.importance import (
    by_gradient,
    by_leaving_out,
    changed_maps,
    rank_correlation,
    switched_off,
    word_score,
)


@pytest.fixture(scope="module")
def bert():
    model, tokenizer = family("bert")
    return model.eval(), tokenizer, tokenizer.encode(TEXT)["input_ids"]


def test_targets_of_a_sentence(bert):
    _, tokenizer, ids = bert  # [CLS] the cat sat on the mat [SEP]
    targets = role_targets(ids, tokenizer)
    assert tuple(targets) == ROLES
    assert {name: int(target.sum()) for name, target in targets.items()} == {
        "itself": 6,
        "previous": 5,
        "next": 5,
        "same word": 2,
        "[SEP]": 6,
        "[CLS]": 6,
    }
    assert targets["previous"][3, 2] and targets["next"][2, 3]
    assert targets["same word"][1, 5] and targets["same word"][5, 1]
    for target in targets.values():
        assert not target[0].any() and not target[-1].any()  # only words look


def test_a_perfect_head_scores_one_and_a_uniform_one_chance(bert):
    _, tokenizer, ids = bert
    T = len(ids)
    perfect = torch.eye(T).roll(1, dims=1)  # each token looks at the next
    uniform = torch.full((T, T), 1 / T)
    both = torch.stack([perfect, uniform])
    targets = role_targets(ids, tokenizer)
    share = role_share(both, targets["next"])
    assert share.tolist() == pytest.approx([1.0, 1 / T])
    assert chance_share(targets["next"]) == pytest.approx(1 / T)
    assert role_share(perfect, targets["previous"]) == 0
    assert role_share(perfect, torch.zeros(T, T, dtype=torch.bool)).isnan()


def test_links():
    target = link_target(4, {2: 0})
    assert target.sum() == 1 and target[2, 0]
    assert role_share(torch.eye(4).roll(2, dims=1), target) == 1


def test_entropy_and_distance():
    even = torch.full((1, 8, 8), 1 / 8)
    assert entropy_bits(even).flatten().tolist() == pytest.approx([3.0] * 8)
    assert entropy_bits(torch.eye(8)).abs().max() == 0
    assert mean_distance(torch.eye(5).roll(1, dims=1))[:4].tolist() == [1, 1, 1, 1]
    assert mean_distance(torch.eye(5)).sum() == 0


@torch.no_grad()
def test_fetched_vectors_add_up_to_what_the_layer_adds(bert):
    """With one token only, the weight is 1: the heads' vectors and the bias are the output."""
    model, tokenizer, _ = bert
    body = model.bert
    output = body(torch.tensor([[tokenizer.cls_id]]))
    lengths = fetched_lengths(body, output.hidden_states)
    assert lengths.shape == (3, 2, 1)
    attention, hidden = body.encoder.layers[1].attention, output.hidden_states[1]
    with switched_off(model, [(1, 0)]):
        one_head = attention(hidden)[0] - attention.output.bias
    assert lengths[1, 1, 0].item() == pytest.approx(one_head.norm().item(), rel=1e-4)


def test_effect_share_is_a_share():
    weights = torch.tensor([[[[0.5, 0.5], [0.9, 0.1]]]])
    effect = effect_share(weights, torch.tensor([[[1.0, 3.0]]]))
    assert effect[0, 0].tolist() == [pytest.approx([0.25, 0.75]), pytest.approx([0.75, 0.25])]


def test_bootstrap_covers_the_truth_and_leaves_out_nan():
    draw = torch.Generator().manual_seed(1)
    values = torch.randn(400, 2, generator=draw) + torch.tensor([0.0, 5.0])
    values[::2, 1] = math.nan
    mean, low, high = bootstrap(values)
    assert (low < mean).all() and (mean < high).all()
    assert low[0] < 0 < high[0] and low[1] < 5 < high[1]
    assert high[1] - low[1] > high[0] - low[0]  # half the texts


@torch.no_grad()
def test_unchanged_maps_change_nothing_and_are_put_back(bert):
    model, _, ids = bert
    ids = torch.tensor([ids])
    before = model(ids).mlm_logits
    with changed_maps(model, lambda layer, weights: weights):
        torch.testing.assert_close(model(ids).mlm_logits, before, rtol=1e-4, atol=1e-5)
    with switched_off(model, [(0, 1), (2, 0)]):
        off = model(ids).mlm_logits
    assert (off - before).abs().max() > 1e-3
    assert torch.equal(model(ids).mlm_logits, before)
    with pytest.raises(ZeroDivisionError), changed_maps(model, lambda layer, weights: 1 / 0):
        model(ids)
    assert torch.equal(model(ids).mlm_logits, before)


@torch.no_grad()
def test_a_head_switched_off_adds_nothing(bert):
    model, _, ids = bert
    attention = model.bert.encoder.layers[0].attention
    hidden = torch.randn(1, 5, 12)
    with switched_off(model, [(0, 0), (0, 1)]):
        assert torch.equal(attention(hidden)[0], attention.output.bias.expand(1, 5, 12))


def test_albert_is_refused():
    model, _ = family("albert")
    with pytest.raises(ValueError, match="share"), switched_off(model, [(0, 0)]):
        pass


def test_importance_of_words(bert):
    model, tokenizer, ids = bert
    ids = torch.tensor([ids])
    ids[0, 3] = tokenizer.mask_id

    def score(rows):
        return word_score(model, rows, 3, tokenizer.vocab["sat"])

    gone, slope = by_leaving_out(ids, tokenizer.mask_id, score), by_gradient(model, ids, score)
    assert gone.shape == slope.shape == (8,)
    assert gone[3] == 0  # it was [MASK] before
    assert (slope >= 0).all() and slope.sum() > 0
    assert all(p.grad is None for p in model.parameters())
    against = word_score(model, ids, 3, 7, against=7)
    assert against.tolist() == [0.0]


def test_gradient_times_input_is_the_slope_of_the_score(bert):
    """Shrink one token's vector a little, and see how far the score falls."""
    model, tokenizer, ids = bert
    ids = torch.tensor([ids])
    model = model.double()
    try:

        def score(rows):
            return word_score(model, rows, 3, tokenizer.vocab["sat"])

        expected = by_gradient(model, ids, score)
        step, table = 1e-6, model.bert.embeddings.token
        for place in (1, 4):

            def shrink(module, inputs, output, place=place):
                output = output.clone()
                output[:, place] *= 1 - step
                return output

            hook = table.register_forward_hook(shrink)
            with torch.no_grad():
                moved = score(ids)
            hook.remove()
            with torch.no_grad():
                fall = (score(ids) - moved).abs().item() / step
            assert fall == pytest.approx(expected[place].item(), rel=1e-3)
    finally:
        model.float()


def test_rank_correlation():
    a = torch.tensor([3.0, 1.0, 2.0, 10.0])
    assert rank_correlation(a, a**3) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    scipy = pytest.importorskip("scipy.stats")
    b = torch.tensor([0.2, 0.9, 0.1, 0.3])
    assert rank_correlation(a, b) == pytest.approx(scipy.spearmanr(a, b).statistic)
