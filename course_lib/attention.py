"""Scaled dot-product attention and multi-head attention.

Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2, as used in every layer of BERT.

Axes: B sequences, T tokens (Tq queries, Tk keys), D hidden size, H heads, K head size.
Masks are boolean and True means "may attend".
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.config import ModelConfig
from course_lib.dropout import Dropout


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, dropout=None
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(K)) V (Vaswani et al. 2017, equation 1).

    query (..., Tq, K), key (..., Tk, K), value (..., Tk, K); mask broadcasts to (..., Tq, Tk).
    dropout, if given, is a module applied to the weights.
    Returns the output (..., Tq, K) and the weights (..., Tq, Tk), each row summing to 1.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., Tq, Tk)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    mixed = (weights if dropout is None else dropout(weights)) @ value  # (..., Tq, K)
    return mixed, weights


def padding_mask(attention_mask: Tensor) -> Tensor:
    """Turn (B, Tk) with 1 = a real token into (B, 1, 1, Tk): no query may look at padding."""
    return attention_mask.bool()[:, None, None, :]


def causal_mask(length: int, device=None) -> Tensor:
    """(T, T), True where key position <= query position: nobody may look to the right (GPT)."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each on its own K of the D features (section 3.2.2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)
        self.dropout = Dropout(config.attention_dropout)

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, K): the features are split, never the sequence."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """hidden (B, T, D) -> mixed (B, T, D) and, if asked for, weights (B, H, T, T)."""
        query = self.split_heads(self.query(hidden))  # (B, H, T, K)
        key = self.split_heads(self.key(hidden))
        value = self.split_heads(self.value(hidden))
        if need_weights or not fused_is_faster(query, self.dropout):
            mixed, weights = scaled_dot_product_attention(query, key, value, mask, self.dropout)
        else:
            p = self.dropout.p if self.training else 0.0
            mixed, weights = F.scaled_dot_product_attention(query, key, value, mask, p), None
        mixed = mixed.transpose(1, 2).flatten(2)  # (B, H, T, K) -> (B, T, D)
        return self.output(mixed), weights if need_weights else None


def fused_is_faster(query: Tensor, dropout: Dropout) -> bool:
    """PyTorch's fused attention wins on a GPU, and on a CPU when no weights are dropped.

    On a CPU with dropout it falls back to an unfused form that is slower than the explicit one
    (benchmarks/attention_paths.py has the figures).
    """
    return query.is_cuda or not (dropout.training and dropout.p > 0)
