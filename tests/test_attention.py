"""Attention, masks and dropout: PyTorch as oracle, invariances, statistics.

The comparisons with PyTorch are also run on wrong attentions, to show that they can fail.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_lib import attention
from course_lib.attention import (
    MultiHeadAttention,
    causal_mask,
    fused_is_faster,
    padding_mask,
    scaled_dot_product_attention,
)
from course_lib.config import ModelConfig
from course_lib.dropout import Dropout, keep_mask

B, T, D, H = 3, 7, 24, 4
REAL = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
MASKS = {
    "none": None,
    "padding": padding_mask(REAL),
    "causal": causal_mask(T),
    "both": padding_mask(REAL) & causal_mask(T),
    "one per sentence": torch.eye(T, dtype=torch.bool)
    | (torch.rand(B, 1, T, T, generator=torch.Generator().manual_seed(1)) > 0.5),
}
every_mask = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def layer(num_heads=H, p=0.0, hidden_size=D):
    """An attention layer in eval mode, with biases that are not zero."""
    made = MultiHeadAttention(
        ModelConfig(hidden_size=hidden_size, num_heads=num_heads, attention_dropout=p)
    ).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def torch_layer(ours):
    """PyTorch's layer with the weights of ours."""
    dtype = ours.query.weight.dtype
    theirs = nn.MultiheadAttention(D, ours.num_heads, batch_first=True, dtype=dtype).eval()
    maps = (ours.query, ours.key, ours.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in maps]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in maps]))
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


def per_head(mask):
    """Our mask as PyTorch's layer wants it: (B * H, T, T), True where attention is blocked."""
    return None if mask is None else ~mask.expand(B, H, T, T).reshape(B * H, T, T)


def equals_torch(function, mask, dtype=torch.float64):
    """Whether an attention function gives the numbers of PyTorch's."""
    query, key, value = torch.randn(3, B, H, T, 6, dtype=dtype).unbind()
    expected = F.scaled_dot_product_attention(query, key, value, mask)
    return torch.allclose(function(query, key, value, mask)[0], expected, atol=1e-6)


# The function ------------------------------------------------------------------------------------


@every_mask
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_function_equals_torch(mask, dtype):
    assert equals_torch(scaled_dot_product_attention, mask, dtype)


def wrong(scale=None, axis=-1, flip=False, late=False, ignore=False, average=False):
    """An attention with one mistake."""

    def function(query, key, value, mask=None):
        scores = query @ key.transpose(-2, -1) / (scale or math.sqrt)(query.shape[-1])
        if mask is not None and not late and not ignore:
            scores = scores.masked_fill(mask if flip else ~mask, -1e9)
        weights = scores.softmax(dim=axis)
        if late and mask is not None:
            weights = weights * mask
        if average:
            weights = weights.mean(1, keepdim=True)
        return weights @ value, weights

    return function


WRONG = {
    "no scaling": dict(scale=lambda n: 1.0),
    "divides by K": dict(scale=lambda n: n),
    "divides by sqrt(D)": dict(scale=lambda n: math.sqrt(n * H)),
    "softmax over the queries": dict(axis=-2),
    "True means blocked": dict(flip=True),
    "mask after the softmax": dict(late=True),
    "mask forgotten": dict(ignore=True),
    "heads averaged": dict(average=True),
}


def test_the_model_of_the_wrong_answers_is_right_without_a_mistake():
    assert all(equals_torch(wrong(), mask) for mask in MASKS.values())


@pytest.mark.parametrize("mistake", WRONG.values(), ids=WRONG.keys())
def test_comparison_rejects_wrong_attention(mistake):
    assert not all(equals_torch(wrong(**mistake), mask) for mask in MASKS.values())


def test_queries_and_keys_may_differ_in_number():
    query, (key, value) = torch.randn(2, 5, 6), torch.randn(2, 2, 9, 6)
    output, weights = scaled_dot_product_attention(query, key, value)
    assert output.shape == (2, 5, 6) and weights.shape == (2, 5, 9)
    torch.testing.assert_close(output, F.scaled_dot_product_attention(query, key, value))


@every_mask
def test_rows_sum_to_one_and_blocked_weights_are_exactly_zero(mask):
    query, key, value = torch.randn(3, B, H, T, 6).unbind()
    _, weights = scaled_dot_product_attention(query, key, value, mask)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
    if mask is not None:
        allowed = mask.expand(B, H, T, T)
        assert (weights[~allowed] == 0).all() and (weights[allowed] > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@every_mask
def test_half_precision_is_finite_and_near(mask, dtype):
    query, key, value = torch.randn(3, B, H, T, 6).unbind()
    expected, _ = scaled_dot_product_attention(query, key, value, mask)
    half, weights = scaled_dot_product_attention(query.to(dtype), key.to(dtype), value.to(dtype),
                                                 mask)  # fmt: skip
    assert half.dtype == weights.dtype == dtype
    torch.testing.assert_close(half.float(), expected, atol=0.05, rtol=0)


def test_large_scores_in_half_precision_do_not_let_padding_through():
    query = torch.full((1, 1, T, 64), 20.0, dtype=torch.float16)  # scores 3,200: e^x overflows
    _, weights = scaled_dot_product_attention(query, query, query, MASKS["padding"])
    assert weights.isfinite().all() and (weights[1, :, :, 5:] == 0).all()


def test_dropout_acts_on_the_mix_and_not_on_the_returned_weights():
    query, key, value = torch.randn(3, B, H, T, 6).unbind()
    none = Dropout(0.5).train()
    output, weights = scaled_dot_product_attention(query, key, value, dropout=none)
    expected, plain = scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(weights, plain)
    assert not torch.allclose(output, expected)


def test_gradients_are_the_derivative():
    inputs = [torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = causal_mask(4)
    assert torch.autograd.gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask), inputs
    )


# The masks ---------------------------------------------------------------------------------------


def test_padding_mask_is_true_for_real_tokens():
    mask = padding_mask(REAL)
    assert mask.dtype == torch.bool and mask.shape == (B, 1, 1, T)
    assert mask[1, 0, 0].tolist() == [True] * 5 + [False] * 2
    assert torch.equal(padding_mask(REAL.bool()), mask)
    assert torch.equal(padding_mask(REAL.float()), mask)


def test_causal_mask_is_true_up_to_and_with_oneself():
    mask = causal_mask(T)
    assert mask.dtype == torch.bool
    for i in range(T):
        assert mask[i].tolist() == [j <= i for j in range(T)]
    assert causal_mask(1).tolist() == [[True]]


# The layer ---------------------------------------------------------------------------------------


@every_mask
def test_layer_equals_torch_in_output_weights_and_gradient(mask):
    ours, hidden = layer().double(), torch.randn(B, T, D, dtype=torch.float64)
    theirs = torch_layer(ours)
    output, weights = ours(hidden, mask, need_weights=True)
    expected, expected_weights = theirs(
        hidden, hidden, hidden, attn_mask=per_head(mask), average_attn_weights=False
    )
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(weights, expected_weights)
    output.square().sum().backward()
    expected.square().sum().backward()
    maps = (ours.query, ours.key, ours.value)
    gradient = torch.cat([part.weight.grad for part in maps])
    torch.testing.assert_close(gradient, theirs.in_proj_weight.grad)
    torch.testing.assert_close(ours.output.weight.grad, theirs.out_proj.weight.grad)


@pytest.fixture
def fused_calls(monkeypatch):
    """Counts the calls of PyTorch's fused attention."""
    calls, real = [], F.scaled_dot_product_attention

    def spy(*args, **kwargs):
        calls.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", spy)
    return calls


@every_mask
@pytest.mark.parametrize("num_heads", [1, 3, 4])
def test_fused_path_equals_explicit_path(mask, num_heads, fused_calls):
    ours, hidden = layer(num_heads), torch.randn(B, T, D)
    fused, nothing = ours(hidden, mask)
    assert len(fused_calls) == 1 and nothing is None
    explicit, weights = ours(hidden, mask, need_weights=True)
    assert len(fused_calls) == 1 and weights.shape == (B, num_heads, T, T)
    torch.testing.assert_close(fused, explicit, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training, p, fused", [
    (False, 0.1, True), (True, 0.0, True), (True, 0.1, False),
])  # fmt: skip
def test_path_on_a_cpu(training, p, fused, fused_calls):
    ours = layer(p=p).train(training)
    assert fused_is_faster(torch.zeros(1), ours.dropout) is fused
    output, weights = ours(torch.randn(B, T, D))
    assert bool(fused_calls) is fused and weights is None and output.shape == (B, T, D)


@pytest.mark.parametrize("need_weights", [True, False])
def test_padding_is_never_read(need_weights):
    ours, hidden = layer(), torch.randn(B, T, D)
    before, _ = ours(hidden, padding_mask(REAL), need_weights)
    spoiled = torch.where(REAL.bool()[..., None], hidden, 1e4)
    after, _ = ours(spoiled, padding_mask(REAL), need_weights)
    torch.testing.assert_close(before[REAL.bool()], after[REAL.bool()], atol=0, rtol=0)
    unmasked, _ = ours(spoiled, None, need_weights)
    assert not torch.allclose(before[1, :5], unmasked[1, :5])


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_padded_sentence_gives_what_it_gives_alone(need_weights):
    ours, hidden = layer(), torch.randn(B, T, D)
    together, _ = ours(hidden, padding_mask(REAL), need_weights)
    alone, _ = ours(hidden[1:2, :5], None, need_weights)
    torch.testing.assert_close(together[1:2, :5], alone)


@pytest.mark.parametrize("need_weights", [True, False])
def test_causal_mask_really_blocks(need_weights):
    ours, hidden = layer(), torch.randn(1, T, D, requires_grad=True)
    output, _ = ours(hidden, causal_mask(T), need_weights)
    for i in range(T):
        (gradient,) = torch.autograd.grad(output[0, i].sum(), hidden, retain_graph=True)
        moved = gradient[0].abs().sum(-1)
        assert (moved[i + 1 :] == 0).all() and (moved[: i + 1] > 0).all()


def test_a_sentence_of_padding_only_gives_numbers():
    nothing = padding_mask(torch.zeros(1, T))
    for need_weights in (True, False):
        output, _ = layer()(torch.randn(1, T, D), nothing, need_weights)
        assert output.isfinite().all()


@pytest.mark.parametrize("need_weights", [True, False])
def test_without_positions_order_is_invisible(need_weights):
    ours, hidden, order = layer(), torch.randn(B, T, D), torch.randperm(T)
    output, weights = ours(hidden, None, need_weights)
    shuffled, shuffled_weights = ours(hidden[:, order], None, need_weights)
    torch.testing.assert_close(shuffled, output[:, order])
    if need_weights:
        torch.testing.assert_close(shuffled_weights, weights[:, :, order][..., order])
    causal, _ = ours(hidden, causal_mask(T), need_weights)
    causal_shuffled, _ = ours(hidden[:, order], causal_mask(T), need_weights)
    assert not torch.allclose(causal_shuffled, causal[:, order])


@pytest.mark.parametrize("num_heads", [1, 2, 6, 24])
def test_heads_split_the_features_and_join_in_order(num_heads):
    ours, hidden = layer(num_heads), torch.randn(B, T, D)
    size, found, maps = D // num_heads, [], []
    for i in range(num_heads):
        rows = slice(i * size, (i + 1) * size)
        query, key, value = (F.linear(hidden, part.weight[rows], part.bias[rows])
                             for part in (ours.query, ours.key, ours.value))  # fmt: skip
        mixed, weights = scaled_dot_product_attention(query, key, value)
        found.append(mixed)
        maps.append(weights)
    output, weights = ours(hidden, need_weights=True)
    torch.testing.assert_close(weights, torch.stack(maps, dim=1))
    torch.testing.assert_close(output, ours.output(torch.cat(found, dim=-1)))


def test_parameters_do_not_depend_on_the_number_of_heads():
    counts = {sum(p.numel() for p in layer(n).parameters()) for n in (1, 2, 4, 24)}
    assert counts == {4 * D * D + 4 * D}


@pytest.mark.parametrize("need_weights", [True, False])
def test_gradient_reaches_every_parameter_and_the_input(need_weights):
    ours, hidden = layer(p=0.1).train(), torch.randn(B, T, D, requires_grad=True)
    ours(hidden, padding_mask(REAL), need_weights)[0].square().sum().backward()
    assert hidden.grad.abs().sum(-1)[REAL.bool()].min() > 0
    for name, parameter in ours.named_parameters():
        gradient = parameter.grad
        if name != "key.bias":  # adds the same to all scores of a row: softmax does not see it
            assert gradient is not None and gradient.abs().max() > 0, name


def test_dropout_of_the_layer_acts_in_training_only():
    ours, hidden = layer(p=0.5), torch.randn(B, T, D)
    torch.testing.assert_close(ours(hidden)[0], ours(hidden)[0], atol=0, rtol=0)
    ours.train()
    assert not torch.allclose(ours(hidden)[0], ours(hidden)[0])
    _, weights = ours(hidden, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (5, 1), (2, 65)])
def test_small_and_odd_sizes(shape, need_weights):
    output, weights = layer()(torch.randn(*shape, D), need_weights=need_weights)
    assert output.shape == (*shape, D) and output.isfinite().all()
    assert (weights is not None) == need_weights


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_layer_in_half_precision(dtype):
    ours, hidden = layer(), torch.randn(B, T, D)
    expected, _ = ours(hidden, padding_mask(REAL))
    for need_weights in (True, False):
        half, _ = ours.to(dtype)(hidden.to(dtype), padding_mask(REAL), need_weights)
        difference = (half.float() - expected)[REAL.bool()].abs().max()
        assert half.dtype == dtype and difference < 0.05 * expected.abs().max()


def test_bf16_autocast():
    ours, hidden = layer(p=0.1).train(), torch.randn(B, T, D)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, weights = ours(hidden, padding_mask(REAL), need_weights=True)
    output.float().sum().backward()
    assert weights.isfinite().all() and ours.query.weight.grad.isfinite().all()


# Dropout -----------------------------------------------------------------------------------------

N = 100_003  # odd, and no multiple of four


def dropped(p, shape=(N,)):
    """True where dropout sets ones to zero."""
    return Dropout(p).train()(torch.ones(shape)) == 0


@pytest.mark.parametrize("p", [0.001, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999])
def test_rate_is_p(p):
    rate = dropped(p).double().mean().item()
    assert abs(rate - p) < 5 * math.sqrt(p * (1 - p) / N) + 2**-17


@pytest.mark.parametrize("p", [1e-7, 1 - 1e-7])
def test_rate_at_the_edges(p):
    assert abs(dropped(p).double().mean().item() - p) < 1e-3


def test_rate_test_can_fail():
    rate = dropped(0.1).double().mean().item()
    assert abs(rate - 0.11) > 5 * math.sqrt(0.11 * 0.89 / N)


def test_each_of_the_four_lanes_has_the_rate():
    lanes = dropped(0.1, (250_000, 4)).double()  # one 64-bit word per row
    tolerance = 5 * math.sqrt(0.09 / len(lanes))
    assert (lanes.mean(0) - 0.1).abs().max() < tolerance
    correlation = torch.corrcoef(lanes.T).fill_diagonal_(0)
    assert correlation.abs().max() < 5 / math.sqrt(len(lanes))
    following = torch.corrcoef(torch.stack([lanes[:-1, 0], lanes[1:, 0]]))[0, 1]
    assert following.abs() < 5 / math.sqrt(len(lanes))


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_kept_elements_are_scaled_and_the_mean_stays(p):
    x = torch.rand(N) + 1
    y = Dropout(p).train()(x)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / (1 - p))
    assert abs(y.mean() / x.mean() - 1) < 6 * math.sqrt(p / (1 - p) / N)


def test_eval_and_zero_are_the_identity():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


@pytest.mark.parametrize("p", [0.1, 0.7])
def test_gradient_goes_through_the_same_elements(p):
    x = torch.rand(1001, dtype=torch.float64).add_(1).requires_grad_()
    y = Dropout(p).train()(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, (y / x).detach())
    assert 0 < (x.grad == 0).sum() < 1001


def test_each_call_draws_anew_and_a_seed_repeats_it():
    layer = Dropout(0.5).train()
    x = torch.ones(1000)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first) and torch.equal(layer(x), second)
    assert not torch.equal(first, second)
    agree = (first == second).double().mean().item()
    assert abs(agree - 0.5) < 5 * math.sqrt(0.25 / 1000)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2,), (3,), (5,), (7, 1), (3, 5, 7), (2, 0, 3)])
def test_any_shape(shape):
    x = torch.rand(shape) + 1
    y = Dropout(0.5).train()(x)
    assert y.shape == x.shape and y.dtype == x.dtype
    assert (torch.isclose(y, 2 * x) | (y == 0)).all()


def test_views_that_are_not_contiguous():
    x = (torch.rand(6, 10) + 1).T[::2]
    y = Dropout(0.5).train()(x)
    assert (torch.isclose(y, 2 * x) | (y == 0)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_dtypes(dtype):
    y = Dropout(0.5).train()(torch.ones(N, dtype=dtype))
    assert y.dtype == dtype and set(y.unique().tolist()) == {0.0, 2.0}


def test_no_more_random_numbers_than_needed():
    torch.manual_seed(5)
    words = torch.empty(3, dtype=torch.int64).random_(-(1 << 63), None)
    following = torch.rand(1)
    torch.manual_seed(5)
    mask = keep_mask(torch.ones(9), 0.5)
    assert torch.equal(mask, words.view(torch.int16)[:9] >= 0)
    assert torch.equal(torch.rand(1), following)


def test_distribution_is_that_of_torch():
    ours, theirs = Dropout(0.3).train(), nn.Dropout(0.3).train()
    x = torch.ones(2000, 50)
    for moment in (lambda y: y.mean(1).mean(), lambda y: y.mean(1).var()):
        assert abs(moment(ours(x)) / moment(theirs(x)) - 1) < 0.15


def test_it_prints_its_rate():
    assert "p=0.1" in repr(layer(p=0.1))
