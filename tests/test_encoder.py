"""The encoder against torch.nn.TransformerEncoderLayer, the numbers of its start, its invariances.

Axes: B sequences, T tokens, D hidden size, H heads, F feed-forward width, L layers.
"""

import json
import math

import pytest
import torch
from torch import nn

from benchmarks.encoder_ablation import CELLS, HARSH, HARSH_VARIANTS
from course_lib.attention import padding_mask
from course_lib.config import ModelConfig
from course_lib.encoder import Embeddings, Encoder, EncoderLayer, FeedForward, init_weights
from tools.notebook_files import read

B, T, D, H, F, L = 3, 7, 32, 4, 96, 3
CONFIG = ModelConfig(
    vocab_size=50, hidden_size=D, num_layers=L, num_heads=H, intermediate_size=F, max_positions=16
)


def built(cls, config=CONFIG, seed=0, std=0.2):
    """A module in eval mode with weights large enough that every part changes the output."""
    torch.manual_seed(seed)
    module = cls(config)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=std)
    return module.eval()


def hidden(seed=1, length=T):
    return torch.randn(B, length, D, generator=torch.Generator().manual_seed(seed))


def as_torch_layer(layer, activation="gelu", eps=CONFIG.layer_norm_eps, norm_first=False):
    """torch.nn.TransformerEncoderLayer with the weights of one of our layers."""
    theirs = nn.TransformerEncoderLayer(
        D, H, F, dropout=0.0, activation=activation, layer_norm_eps=eps,
        batch_first=True, norm_first=norm_first,
    )  # fmt: skip
    attention, feed_forward = layer.attention, layer.feed_forward
    parts = [attention.query, attention.key, attention.value]
    weights = {
        "self_attn.in_proj_weight": torch.cat([part.weight for part in parts]),
        "self_attn.in_proj_bias": torch.cat([part.bias for part in parts]),
    }
    pairs = {
        "self_attn.out_proj": attention.output, "linear1": feed_forward.expand,
        "linear2": feed_forward.contract, "norm1": layer.attention_norm,
        "norm2": layer.feed_forward_norm,
    }  # fmt: skip
    for name, part in pairs.items():
        weights |= {f"{name}.weight": part.weight, f"{name}.bias": part.bias}
    theirs.load_state_dict(weights)
    return theirs.eval()


# One layer against PyTorch's


@pytest.mark.parametrize("real_tokens", [None, (7, 4, 1)])
def test_layer_equals_torch(real_tokens):
    layer, x = built(EncoderLayer), hidden()
    mask = padding = None
    if real_tokens:
        keep = torch.arange(T) < torch.tensor(real_tokens)[:, None]  # (B, T)
        mask, padding = padding_mask(keep), ~keep
    ours, _ = layer(x, mask)
    theirs = as_torch_layer(layer)(x, src_key_padding_mask=padding)
    real = slice(None) if padding is None else ~padding
    torch.testing.assert_close(ours[real], theirs[real], atol=1e-5, rtol=0)


def test_gradients_equal_torch():
    layer = built(EncoderLayer)
    theirs = as_torch_layer(layer)
    ours_in, theirs_in = hidden().requires_grad_(), hidden().requires_grad_()
    target = hidden(seed=2)
    (layer(ours_in)[0] * target).sum().backward()
    (theirs(theirs_in) * target).sum().backward()
    torch.testing.assert_close(ours_in.grad, theirs_in.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("other", [{"activation": "relu"}, {"norm_first": True}, {"eps": 0.1}])
def test_comparison_notices_another_layer(other):
    """The comparison above is worth something: each change of the reference shows."""
    layer, x = built(EncoderLayer), hidden()
    difference = (layer(x)[0] - as_torch_layer(layer, **other)(x)).abs().max()
    assert difference > 1e-3


def test_relu_is_chosen_by_the_configuration():
    layer, x = built(EncoderLayer, CONFIG.replace(activation="relu")), hidden()
    torch.testing.assert_close(layer(x)[0], as_torch_layer(layer, "relu")(x), atol=1e-5, rtol=0)


# Feed-forward network, LayerNorm, start of the weights


def test_gelu_is_the_one_with_erf():
    x = torch.linspace(-4, 4, 401, dtype=torch.float64)
    exact = torch.tensor([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.tolist()],
                         dtype=torch.float64)  # fmt: skip
    gelu = FeedForward(ModelConfig()).activation
    assert (gelu(x) - exact).abs().max() < 1e-12
    tanh = FeedForward(ModelConfig(activation="gelu_tanh")).activation
    assert 1e-4 < (tanh(x) - exact).abs().max() < 1e-3


def test_feed_forward_sees_each_token_alone():
    feed_forward, x = built(FeedForward), hidden()
    assert feed_forward.expand.weight.shape == (F, D)
    one_by_one = torch.stack([feed_forward(x[:, t]) for t in range(T)], dim=1)
    torch.testing.assert_close(feed_forward(x), one_by_one, atol=1e-5, rtol=1e-5)
    changed = x.clone()
    changed[:, 2] += 1
    moved = (feed_forward(changed) - feed_forward(x)).abs().amax(dim=(0, 2)) > 1e-4
    assert moved.tolist() == [t == 2 for t in range(T)]


def test_layer_norm_epsilon_is_the_published_one():
    """With 1e-12 a vector of tiny spread comes out with spread 1; with PyTorch's 1e-5 it cannot."""
    embeddings, layer = Embeddings(ModelConfig()), EncoderLayer(ModelConfig())
    tiny = 1e-4 * torch.randn(768, generator=torch.Generator().manual_seed(0))
    for norm in (embeddings.norm, layer.attention_norm, layer.feed_forward_norm):
        assert norm.eps == 1e-12
        assert norm(tiny).std(correction=0).item() == pytest.approx(1, abs=1e-3)
    assert nn.LayerNorm(768)(tiny).std(correction=0) < 0.1


def test_start_of_the_weights():
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=3000, hidden_size=128, num_layers=2, num_heads=2)
    parts = nn.ModuleList([Embeddings(config), Encoder(config)])
    for parameter in parts.parameters():
        nn.init.constant_(parameter, 7.0)  # whatever init_weights forgets stays at 7
    for norm in (m for m in parts.modules() if isinstance(m, nn.LayerNorm)):
        norm.reset_parameters()
    init_weights(parts, config)
    # A standard normal cut at two deviations has this deviation itself.
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    shrink = math.sqrt(1 - 4 * density / math.erf(math.sqrt(2)))
    for name, value in parts.named_parameters():
        if "norm" in name:
            assert value.eq(1 if name.endswith("weight") else 0).all(), name
        elif name.endswith("bias"):
            assert value.eq(0).all(), name
        else:
            limit = 2 * config.initializer_range
            assert value.abs().max() <= limit and value.abs().max() > 0.9 * limit, name
            noise = 1 / math.sqrt(value.numel())
            assert value.mean().abs() < 5 * 0.02 * noise, name
            assert value.std().item() == pytest.approx(0.02 * shrink, rel=0.01 + 3 * noise), name


def test_start_of_the_padding_row_and_of_another_range():
    torch.manual_seed(0)
    embeddings = Embeddings(CONFIG)
    init_weights(embeddings, CONFIG.replace(initializer_range=0.5))
    assert embeddings.token.weight[0].eq(0).all()
    assert embeddings.token.weight[1:].ne(0).all()
    assert 0.9 < embeddings.token.weight.abs().max() <= 1.0


# Embeddings


def test_embeddings_are_a_normalised_sum_of_three():
    embeddings = built(Embeddings)
    ids = torch.tensor([[5, 9, 9]])
    segments = torch.tensor([[0, 0, 1]])
    out = embeddings(ids, segments)
    for place, (token, segment) in enumerate(zip(ids[0], segments[0], strict=True)):
        total = (embeddings.token.weight[token] + embeddings.position.weight[place]
                 + embeddings.segment.weight[segment])  # fmt: skip
        centered = total - total.mean()
        expected = centered / total.std(correction=0)
        expected = expected * embeddings.norm.weight + embeddings.norm.bias
        torch.testing.assert_close(out[0, place], expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(embeddings(ids), out, atol=1e-3)  # the default is all segment A
    torch.testing.assert_close(embeddings(ids), embeddings(ids, torch.zeros_like(ids)))


@pytest.mark.parametrize(
    ("ids", "segments", "names"),
    [
        (torch.zeros(1, 17, dtype=torch.long), None, ("17", "16", "max_positions")),
        (torch.tensor([[1, 50]]), None, ("50", "49", "input_ids")),
        (torch.tensor([[1, -3]]), None, ("-3", "49", "input_ids")),
        (torch.tensor([1, 2]), None, ("(2,)", "(B, T)", "[None, :]")),
        (torch.tensor([[1, 2]]), torch.tensor([[0, 2]]), ("2", "0 to 1", "token_type_ids")),
        (torch.tensor([[1, 2]]), torch.tensor([[0]]), ("(1, 1)", "(1, 2)", "token_type_ids")),
    ],
)
def test_embeddings_refuse_what_they_do_not_hold(ids, segments, names):
    with pytest.raises(ValueError) as caught:
        built(Embeddings)(ids, segments)
    assert all(name in str(caught.value) for name in names), caught.value


def test_embeddings_take_the_longest_input_and_the_last_id():
    out = built(Embeddings)(torch.full((1, 16), 49))
    assert out.shape == (1, 16, D)


# The stack


def test_stack_keeps_every_hidden_state():
    encoder, x = built(Encoder), hidden()
    states = encoder(x).hidden_states
    assert len(states) == L + 1
    assert states[0] is x
    for number, layer in enumerate(encoder.layers):
        torch.testing.assert_close(states[number + 1], layer(states[number])[0])
        assert not torch.allclose(states[number + 1], states[number], atol=0.1)


def test_every_layer_has_its_own_weights():
    encoder = Encoder(CONFIG)
    one_layer = 4 * (D * D + D) + 2 * D * F + F + D + 2 * 2 * D
    assert sum(p.numel() for p in encoder.parameters()) == L * one_layer
    assert len({p.data_ptr() for p in encoder.parameters()}) == len(list(encoder.parameters()))


@pytest.mark.parametrize("masked", [False, True])
def test_both_attention_paths_agree(masked):
    encoder, x = built(Encoder), hidden()
    mask = padding_mask(torch.arange(T) < torch.tensor([7, 5, 2])[:, None]) if masked else None
    fast, slow = encoder(x, mask), encoder(x, mask, need_weights=True)
    assert fast.attentions is None and len(slow.attentions) == L
    for a, b in zip(fast.hidden_states, slow.hidden_states, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)
    for weights in slow.attentions:
        assert weights.shape == (B, H, T, T)
        torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))
        if masked:
            assert weights[2, :, :, 2:].max() == 0 and weights[2, :, :, :2].min() > 0


@pytest.mark.parametrize("need_weights", [False, True])
def test_padding_changes_no_real_token(need_weights):
    encoder, x = built(Encoder), hidden()
    real = 4
    alone = encoder(x[:, :real]).hidden_states[-1]
    for garbage in (0.0, 100.0):
        padded = x.clone()
        padded[:, real:] = garbage
        mask = padding_mask(torch.arange(T).expand(B, T) < real)
        together = encoder(padded, mask, need_weights).hidden_states[-1][:, :real]
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    unmasked = encoder(padded).hidden_states[-1][:, :real]
    assert (unmasked - alone).abs().max() > 1e-2  # without the mask the padding is read


def test_order_is_seen_through_positions_only():
    encoder, embeddings = built(Encoder), built(Embeddings)
    ids = torch.randint(1, 50, (B, T), generator=torch.Generator().manual_seed(3))
    order = torch.randperm(T, generator=torch.Generator().manual_seed(4))

    def mismatch():
        straight = encoder(embeddings(ids)).hidden_states[-1][:, order]
        shuffled = encoder(embeddings(ids[:, order])).hidden_states[-1]
        return (straight - shuffled).abs().max().item()

    assert mismatch() > 1e-2
    nn.init.zeros_(embeddings.position.weight)
    assert mismatch() < 1e-5


# Dropout


def test_evaluation_is_deterministic_and_training_is_not():
    encoder, x = built(Encoder), hidden()
    first, second = (encoder(x).hidden_states[-1] for _ in range(2))
    assert torch.equal(first, second)
    encoder.train()
    assert not torch.allclose(encoder(x).hidden_states[-1], encoder(x).hidden_states[-1], atol=1e-3)


def test_without_dropout_training_equals_evaluation():
    encoder, x = built(Encoder, CONFIG.replace(dropout=0.0, attention_dropout=0.0)), hidden()
    evaluated = encoder(x).hidden_states[-1]
    torch.testing.assert_close(encoder.train()(x).hidden_states[-1], evaluated, atol=1e-5, rtol=0)


@pytest.mark.parametrize("silenced", ["attention", "feed_forward"])
def test_dropout_stands_behind_each_half_of_the_layer(silenced):
    """With one half of the layer silenced, the dropout behind the other still shows."""
    layer = built(EncoderLayer, CONFIG.replace(dropout=0.5, attention_dropout=0.0)).train()
    last = {"attention": layer.attention.output, "feed_forward": layer.feed_forward.contract}
    for parameter in last[silenced].parameters():
        nn.init.zeros_(parameter)
    assert not torch.allclose(layer(hidden())[0], layer(hidden())[0], atol=1e-3)


def test_dropout_of_the_attention_weights():
    layer = built(EncoderLayer, CONFIG.replace(dropout=0.0, attention_dropout=0.5)).train()
    out, weights = layer(hidden(), need_weights=True)
    assert not torch.allclose(out, layer(hidden())[0], atol=1e-3)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, H, T))  # reported before dropping


# The recorded runs of lesson 03


def test_recorded_runs_belong_to_the_lesson(root):
    source = {cell.id: cell.source for cell in read(root / "notebooks/03_encoder.ipynb").cells}
    assert set(CELLS) <= source.keys()
    record = json.loads((root / "notebooks/records/03_encoder_ablation.json").read_text())
    settings, steps = record["settings"], record["settings"]["steps"]
    assert all(f'"{variant}"' in source["variants"] for variant in record["runs"])
    for runs in record["runs"].values():
        assert len({run["seed"] for run in runs}) >= 3
        assert all(len(run["losses"]) * settings["mean_over_steps"] == steps for run in runs)
    assert record["harsh"].keys() == HARSH.keys()
    assert all(by.keys() == set(HARSH_VARIANTS) for by in record["harsh"].values())
    assert {"date", "hardware", "versions", "command"} <= record.keys()
