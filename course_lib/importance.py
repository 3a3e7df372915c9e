"""What a prediction rests on: change the maps, follow the gradient, leave a word out.

Sources: Jain and Wallace 2019 (arXiv:1902.10186), section 4 (gradients, leaving out, rank
correlation); Michel et al. 2019 (arXiv:1905.10650), section 3 (heads switched off).

Axes: B sequences, T tokens, H heads, V vocabulary, D hidden size.
"""

from collections.abc import Callable
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from course_lib.attention import scaled_dot_product_attention
from course_lib.attention_views.seen import body_of


@contextmanager
def changed_maps(model: nn.Module, change: Callable[[int, Tensor], Tensor]):
    """While it is open, each layer uses change(layer, weights) for its weights (B, H, T, T).

    Layers count from 0. Raises ValueError for layers that are one and the same (ALBERT's).
    """
    attentions = [layer.attention for layer in body_of(model).encoder.layers]
    if len(set(attentions)) < len(attentions):
        raise ValueError("the layers share one attention: a change would meet all of them.")

    def replaced(number: int, attention: nn.Module):
        def forward(hidden, mask=None, need_weights=False):
            parts = (attention.query, attention.key, attention.value)
            query, key, value = (attention.split_heads(part(hidden)) for part in parts)
            weights = scaled_dot_product_attention(query, key, value, mask)[1]
            weights = change(number, weights)  # (B, H, T, T)
            mixed = (weights @ value).transpose(1, 2).flatten(2)  # (B, T, D)
            return attention.output(mixed), weights if need_weights else None

        return forward

    try:
        for number, attention in enumerate(attentions):
            attention.forward = replaced(number, attention)
        yield
    finally:
        for attention in attentions:
            attention.__dict__.pop("forward", None)


def switched_off(model: nn.Module, heads: list[tuple[int, int]]):
    """While it is open, these heads (layer, head), counted from 0, fetch nothing."""

    def change(layer: int, weights: Tensor) -> Tensor:
        off = [head for number, head in heads if number == layer]
        keep = torch.ones(weights.shape[1], 1, 1, device=weights.device)
        keep[off] = 0
        return weights * keep

    return changed_maps(model, change)


def word_score(model: nn.Module, ids: Tensor, place: int, word: int, against: int | None = None):
    """How much the model wants `word` at `place`: its log-probability, or, with `against`, by how
    much its score is above that of the other word. ids (B, T) -> (B,)."""
    scores = model(ids).mlm_logits[:, place]  # (B, V)
    if against is not None:
        return scores[:, word] - scores[:, against]
    return scores.log_softmax(-1)[:, word]


def by_gradient(model: nn.Module, ids: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
    """Size of gradient times input at each token of one text: ids (1, T) -> (T,).

    It says how much the score would fall, on a straight line, if the token's vector shrank to 0.
    """
    kept = []
    table = body_of(model).embeddings.token
    hook = table.register_forward_hook(lambda module, inputs, output: kept.append(
        output.detach().requires_grad_()) or kept[-1])  # fmt: skip
    try:
        with torch.enable_grad():
            total = score(ids).sum()
            gradient = torch.autograd.grad(total, kept[0])[0]  # (1, T, D)
    finally:
        hook.remove()
    return (gradient * kept[0].detach()).sum(dim=-1).abs()[0]


@torch.no_grad()
def by_leaving_out(ids: Tensor, mask_id: int, score: Callable[[Tensor], Tensor]) -> Tensor:
    """How far the score moves when a token becomes [MASK], for each token: ids (1, T) -> (T,)."""
    hidden = ids.repeat(ids.shape[1], 1).fill_diagonal_(mask_id)  # (T, T): row j hides token j
    return (score(hidden) - score(ids)).abs()


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's: 1 if both put the entries in the same order, -1 in the opposite one, 0 unrelated.

    a, b (N,). Entries that tie take the order in which they stand.
    """
    ranks = torch.stack([x.argsort(stable=True).argsort() for x in (a, b)]).double()
    return torch.corrcoef(ranks)[0, 1].item()
