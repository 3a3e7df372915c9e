"""Heads: what stands on top of an encoder for each task.

Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1 (MLM, NSP) and section 4, figure 4
(classification, spans, tags).

Axes: B sequences, T tokens, D hidden size, V vocabulary, N predicted positions, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.config import ModelConfig
from course_lib.dropout import Dropout
from course_lib.encoder import ACTIVATIONS

IGNORED = -100  # a label that carries no loss, PyTorch's convention


def mean_loss(logits: Tensor, labels: Tensor, count: Tensor | float | None = None) -> Tensor:
    """Cross-entropy in nats, averaged over the labels that are not -100; 0 where all are.

    logits (..., C), labels (...). `count` replaces the number of labels as divisor: a training
    step that is split over processes or micro-batches passes its share of the whole batch's
    number, so that the parts add up to the mean of the whole.
    """
    logits, labels = logits.flatten(0, -2).float(), labels.flatten()
    total = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
    return total / ((labels != IGNORED).sum().clamp(min=1) if count is None else count)


class Pooler(nn.Module):
    """tanh(W h + b) of the first token's vector h, the C of figure 1 (as in the published code)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, D)."""
        return torch.tanh(self.dense(hidden[:, 0]))


class MLMHead(nn.Module):
    """Scores over the vocabulary; the output matrix is the token embedding itself (tied)."""

    def __init__(self, config: ModelConfig, token_embedding: nn.Embedding):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, token_embedding.embedding_dim)
        self.activation = ACTIVATIONS[config.activation]()
        self.norm = nn.LayerNorm(token_embedding.embedding_dim, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(token_embedding.embedding_dim, config.vocab_size)
        self.decoder.weight = token_embedding.weight

    def forward(self, hidden: Tensor, positions: Tensor | None = None) -> Tensor:
        """(..., D) -> (..., V). With positions (N,), indices into the B*T tokens laid end to end,
        (B, T, D) -> (N, V): only at those tokens."""
        if positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, positions)  # (N, D)
        return self.decoder(self.norm(self.activation(self.dense(hidden))))


class SentencePairHead(nn.Module):
    """Two scores from the pooled vector: 0 = B really follows A, 1 = it does not (NSP)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) -> (B, 2)."""
        return self.dense(pooled)


class SequenceClassifier(nn.Module):
    """One label for the whole input, from the pooled vector (figure 4 a, b)."""

    def __init__(self, config: ModelConfig, num_labels: int):
        super().__init__()
        self.dropout = Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden_size, num_labels)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) -> (B, C)."""
        return self.dense(self.dropout(pooled))


class SpanHead(nn.Module):
    """Start and end scores at each token: the vectors S and E of section 4.2 (figure 4 c)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, 2)

    def forward(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) -> start (B, T) and end (B, T)."""
        start, end = self.dense(hidden).unbind(-1)
        return start, end


class TokenTagger(nn.Module):
    """One label for each token (figure 4 d)."""

    def __init__(self, config: ModelConfig, num_labels: int):
        super().__init__()
        self.dropout = Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden_size, num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, C)."""
        return self.dense(self.dropout(hidden))
