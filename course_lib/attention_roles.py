"""What attention heads look at, as numbers: shares of the weight, entropy, distance, sizes.

Sources: Clark et al. 2019 (arXiv:1906.04341), sections 3 and 4 (roles, entropy); Kobayashi et al.
2020 (arXiv:2004.10102), section 2 (weights times the length of what is fetched).

A role is given by a target for each text: boolean (T, T), True where the row's token should look.
Axes: L layers, H heads, T tokens, K head size, D hidden size.
"""

import math

import torch
from torch import Tensor

from course_lib.bert import BertModel

ROLES = ("itself", "previous", "next", "same word", "[SEP]", "[CLS]")


def role_targets(ids: list[int], tokenizer) -> dict[str, Tensor]:
    """{role: target (T, T)} for one text. Only words look; [CLS] and [SEP] are looked at."""
    ids = torch.tensor(ids)
    word = ~torch.isin(ids, torch.tensor(sorted(tokenizer.special_ids)))  # (T,)
    place = torch.arange(len(ids))
    steps = place[None, :] - place[:, None]  # (T, T): column minus row
    words = word[:, None] & word[None, :]
    found = {"itself": words & (steps == 0), "previous": words & (steps == -1),
             "next": words & (steps == 1),
             "same word": words & (ids[:, None] == ids[None, :]) & (steps != 0)}  # fmt: skip
    for name, special in (("[SEP]", tokenizer.sep_id), ("[CLS]", tokenizer.cls_id)):
        found[name] = word[:, None] & (ids == special)[None, :]
    return found


def link_target(length: int, links: dict[int, int]) -> Tensor:
    """The target (T, T) of a role that is known place by place, such as {verb: its subject}."""
    target = torch.zeros(length, length, dtype=torch.bool)
    for row, column in links.items():
        target[row, column] = True
    return target


def role_share(attentions: Tensor, target: Tensor) -> Tensor:
    """Share of the weight that falls on the target: attentions (..., T, T) -> (...).

    The mean over the rows that have a target; NaN if none has.
    """
    rows = target.any(dim=-1)
    return (attentions * target).sum(dim=-1)[..., rows].mean(dim=-1)


def chance_share(target: Tensor) -> float:
    """What a head would score that looks at all tokens alike; NaN if no row has a target."""
    return target[target.any(dim=-1)].float().mean().item()


def entropy_bits(attentions: Tensor) -> Tensor:
    """Entropy of each row in bits: (..., T, T) -> (..., T). 0: one token has all the weight."""
    return -torch.xlogy(attentions, attentions).sum(dim=-1) / math.log(2)


def mean_distance(attentions: Tensor) -> Tensor:
    """How many tokens away each row looks, weighted: (..., T, T) -> (..., T)."""
    place = torch.arange(attentions.shape[-1], dtype=attentions.dtype)
    return (attentions * (place[None, :] - place[:, None]).abs()).sum(dim=-1)


@torch.no_grad()
def fetched_lengths(body: BertModel, hidden_states: tuple[Tensor, ...]) -> Tensor:
    """Length of the vector that a head fetches from a token at weight 1: (L, H, T), one text.

    That vector is the value (T, K), turned by the head's part of the output matrix (K, D).
    hidden_states: L + 1 of (1, T, D), as the body returns them.
    """
    found = []
    for layer, hidden in zip(body.encoder.layers, hidden_states, strict=False):
        attention = layer.attention
        value = attention.split_heads(attention.value(hidden))[0]  # (H, T, K)
        turn = attention.output.weight.unflatten(1, (attention.num_heads, -1))  # (D, H, K)
        found.append(torch.einsum("htk,dhk->htd", value, turn).norm(dim=-1))  # (H, T)
    return torch.stack(found)


def effect_share(attentions: Tensor, lengths: Tensor) -> Tensor:
    """Weights times fetched lengths, each row made to sum to 1 again: (L, H, T, T)."""
    effect = attentions * lengths[:, :, None, :]
    return effect / effect.sum(dim=-1, keepdim=True)


def bootstrap(values: Tensor, draws: int = 1000, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over the texts, with the ends of its 95 % interval: (N, ...) -> three of (...).

    Draws N texts with replacement, again and again, and looks how far the mean moves. Texts where
    a value is NaN (the role does not occur) are left out of it.
    """
    generator = torch.Generator().manual_seed(seed)
    there = ~values.isnan()
    flat = values.nan_to_num().reshape(len(values), -1)  # (N, rest)
    counts = torch.stack([
        torch.randint(len(flat), (len(flat),), generator=generator).bincount(minlength=len(flat))
        for _ in range(draws)]).to(flat.dtype)  # (draws, N): how often a text was drawn
    means = (counts @ flat) / (counts @ there.reshape(flat.shape).to(flat.dtype))
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=flat.dtype), dim=0)
    return values.nanmean(dim=0), low.view(values.shape[1:]), high.view(values.shape[1:])
