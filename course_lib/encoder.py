"""BERT's encoder: embeddings, feed-forward network, post-norm layer, stack of layers.

Sources: Devlin et al. 2019 (arXiv:1810.04805), section 3 and figure 2; Vaswani et al. 2017
(arXiv:1706.03762), sections 3.1 and 3.3. LayerNorm stands after the residual sum (post-norm).

Axes: B sequences, T tokens, D hidden size, F feed-forward width, L layers, H heads.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.attention import MultiHeadAttention
from course_lib.config import ModelConfig
from course_lib.dropout import Dropout

ACTIVATIONS = {"gelu": nn.GELU, "gelu_tanh": lambda: nn.GELU(approximate="tanh"), "relu": nn.ReLU}


class Embeddings(nn.Module):
    """Token + position + segment vectors, then LayerNorm and dropout (BERT, figure 2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width = config.embedding_size or config.hidden_size
        self.token = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.position = nn.Embedding(config.max_positions, width)
        self.segment = nn.Embedding(config.type_vocab_size, width)
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """input_ids (B, T), token_type_ids (B, T) with 0 = A, 1 = B (default all A) -> (B, T, D).

        Raises ValueError if T is longer than the position table or an id is outside its table.
        """
        check_ids(input_ids, token_type_ids, self)
        segments = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        total = self.token(input_ids) + self.segment(segments)
        total = total + self.position(self.positions(input_ids))
        return self.dropout(self.norm(total))

    def positions(self, input_ids: Tensor) -> Tensor:
        """0, 1, 2, ... for the T tokens of every row: (T,)."""
        return torch.arange(input_ids.shape[1], device=input_ids.device)

    @property
    def longest(self) -> int:
        """The longest input, in tokens."""
        return self.position.num_embeddings


class FeedForward(nn.Module):
    """Two linear maps with a bend between them, at each token alone: D -> F -> D."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.expand = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACTIVATIONS[config.activation]()
        self.contract = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        return self.contract(self.activation(self.expand(hidden)))


class EncoderLayer(nn.Module):
    """Attention, then feed-forward; around each a residual sum and then LayerNorm (post-norm)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, need_weights: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        """hidden (B, T, D) -> hidden (B, T, D) and, if asked for, weights (B, H, T, T)."""
        attended, weights = self.attention(hidden, mask, need_weights)
        hidden = self.attention_norm(hidden + self.dropout(attended))
        transformed = self.feed_forward(hidden)
        hidden = self.feed_forward_norm(hidden + self.dropout(transformed))
        return hidden, weights


class EncoderOutput(NamedTuple):
    """What a stack of L layers returns."""

    hidden_states: tuple[Tensor, ...]  # L + 1 of (B, T, D): the input, then after each layer
    attentions: tuple[Tensor, ...] | None  # L of (B, H, T, T), only if asked for


class Encoder(nn.Module):
    """L layers, one after the other, each with its own weights."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_layers))

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, need_weights: bool = False
    ) -> EncoderOutput:
        """hidden (B, T, D), mask broadcasting to (B, H, T, T), True = may attend."""
        hidden_states, attentions = [hidden], []
        for layer in self.layers:
            hidden, weights = layer(hidden, mask, need_weights)
            hidden_states.append(hidden)
            attentions.append(weights)
        return EncoderOutput(tuple(hidden_states), tuple(attentions) if need_weights else None)


def init_weights(module: nn.Module, config: ModelConfig) -> None:
    """Draw all weights as BERT does: truncated normal, biases 0, LayerNorm 1 and 0.

    The normal is cut at two standard deviations, as in the published TensorFlow code.
    """
    std = config.initializer_range
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(part.weight, std=std, a=-2 * std, b=2 * std)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)
        if isinstance(part, nn.Embedding) and part.padding_idx is not None:
            nn.init.zeros_(part.weight[part.padding_idx])


def check_ids(input_ids: Tensor, token_type_ids: Tensor | None, embeddings: Embeddings) -> None:
    """Refuse ids that a table does not hold, with the value, the limit and the way out.

    Values are looked at on a CPU only: on a GPU the look would make every step wait.
    """
    if input_ids.ndim != 2:
        raise ValueError(
            f"input_ids has shape {tuple(input_ids.shape)}; it must be (B, T). "
            "For one sentence use ids[None, :]."
        )
    longest = embeddings.longest
    if input_ids.shape[1] > longest:
        raise ValueError(
            f"the input has {input_ids.shape[1]} tokens, the position table only {longest} rows: "
            f"cut the text to {longest} tokens or build the model with a larger max_positions."
        )
    if token_type_ids is not None and token_type_ids.shape != input_ids.shape:
        raise ValueError(
            f"token_type_ids has shape {tuple(token_type_ids.shape)}, "
            f"input_ids {tuple(input_ids.shape)}: they must be equal."
        )
    tables = {"input_ids": (input_ids, embeddings.token),
              "token_type_ids": (token_type_ids, embeddings.segment)}
    for name, (ids, table) in tables.items():
        if ids is None or ids.device.type != "cpu" or ids.numel() == 0:
            continue
        low, high = ids.aminmax()
        if low < 0 or high >= table.num_embeddings:
            raise ValueError(
                f"{name} holds {int(low if low < 0 else high)}, but its table has rows 0 to "
                f"{table.num_embeddings - 1}: was the text encoded with another vocabulary?"
            )
