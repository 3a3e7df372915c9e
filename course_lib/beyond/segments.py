"""A left-to-right model that reads text segment by segment and may keep the states of the last one.

Without the past: the vanilla Transformer language model (Al-Rfou et al. 2018, arXiv:1808.04444).
With it: the recurrence of Transformer-XL (Dai et al. 2019, arXiv:1901.02860, section 3.2). A kept
state has no place of its own in the new segment, so places must be told by distance. The paper's
distances enter through sinusoids and two learned vectors (section 3.3); here each head learns one
number for each distance, which is shorter (Raffel et al. 2020, arXiv:1910.10683, section 2.1).

Axes: B streams, T tokens of a segment, M kept tokens, D hidden size, H heads, K head size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib import tinyworld
from course_lib.attention import MultiHeadAttention
from course_lib.config import ModelConfig
from course_lib.encoder import FeedForward, init_weights


class RecurrentLayer(nn.Module):
    """A post-norm layer whose queries come from the segment, keys and values also from the past."""

    def __init__(self, config: ModelConfig, reach: int):
        super().__init__()
        self.attention = MultiHeadAttention(config)
        self.distance = nn.Parameter(torch.zeros(config.num_heads, reach))  # a score for each
        self.norms = nn.ModuleList(nn.LayerNorm(config.hidden_size) for _ in range(2))
        self.feed_forward = FeedForward(config)

    def forward(self, hidden: Tensor, past: Tensor) -> Tensor:
        """hidden (B, T, D), past (B, M, D) -> (B, T, D)."""
        at, both = self.attention, torch.cat([past, hidden], dim=1)  # (B, M + T, D)
        query = at.split_heads(at.query(hidden))  # (B, H, T, K)
        key, value = at.split_heads(at.key(both)), at.split_heads(at.value(both))
        places = torch.arange(both.shape[1], device=hidden.device)
        back = places[past.shape[1] :, None] - places  # (T, M + T): how far back each key lies
        scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
        scores = scores + self.distance[:, back.clamp(0, self.distance.shape[1] - 1)]
        weights = scores.masked_fill(back < 0, -torch.inf).softmax(-1)  # nobody looks ahead
        mixed = at.output((weights @ value).transpose(1, 2).flatten(2))
        hidden = self.norms[0](hidden + mixed)
        return self.norms[1](hidden + self.feed_forward(hidden))


class SegmentModel(nn.Module):
    """Predicts each next token; hands back the states that the next segment may look at."""

    def __init__(self, config: ModelConfig, reach: int = 64):
        super().__init__()
        self.token = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(RecurrentLayer(config, reach) for _ in range(config.num_layers))
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))
        init_weights(self, config)

    def forward(self, ids: Tensor, past: list[Tensor] | None = None):
        """ids (B, T) -> scores (B, T, V), and the inputs of the layers to be kept, each (B, T, D).
        No gradient runs into the past."""
        hidden, kept = self.token(ids), []
        for number, layer in enumerate(self.layers):
            before = hidden[:, :0] if past is None else past[number]
            kept.append(hidden.detach())
            hidden = layer(hidden, before)
        return hidden @ self.token.weight.T + self.bias, kept


def streams(documents: int, seed: int, tokenizer, rows: int) -> Tensor:
    """Running text of tinyworld as `rows` long streams of ids (B, N), documents parted by [SEP]."""
    ids = []
    for document in tinyworld.documents(documents, seed):
        ids += [tokenizer.vocab[token.text.lower()] for token in document.tokens]
        ids.append(tokenizer.sep_id)
    return torch.tensor(ids[: len(ids) // rows * rows]).view(rows, -1)


@torch.no_grad()
def loss_by_place(
    model: SegmentModel, text: Tensor, size: int, keep: bool, sliding: bool = False
) -> list[float]:
    """Mean loss at each place of a segment. sliding: every word is predicted at the last place of a
    window of its own, which costs a whole window for each word."""
    total, past, count = torch.zeros(size), None, 0
    for start in range(size, text.shape[1] - size - 1, size):
        ids = text[:, start : start + size + 1]
        if sliding:
            windows = text[:, start - size + 1 : start + size].unfold(1, size, 1)  # (B, T, T)
            logits = model(windows.flatten(0, 1))[0][:, -1].unflatten(0, windows.shape[:2])
        else:
            logits, past = model(ids[:, :-1], past if keep else None)
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        total, count = total + losses.view(len(text), -1).mean(0), count + 1
    return [round(float(x), 4) for x in total / count]
