"""The feature-based way: vectors of a frozen encoder, computed once, and a small tagger on top.

Devlin et al. 2019 (arXiv:1810.04805), section 5.3 and table 7: which layers' vectors to take. The
weighted sum of layers is ELMo's (Peters et al. 2018, arXiv:1802.05365, equation 1).

Axes: N rows, W words, L layers, S chosen layers, D hidden size, C tags.
"""

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from course_lib.heads import mean_loss
from course_lib.objectives import IGNORED
from course_lib.task_rows import batches_of_epoch, make_batch
from course_lib.tasks.tags import NO_WORD

# The rows of table 7: which of the L + 1 hidden states, and whether they are summed or joined.
CHOICES = {
    "embeddings": (slice(0, 1), "sum"),
    "second-to-last": (slice(-2, -1), "sum"),
    "last": (slice(-1, None), "sum"),
    "weighted sum of last four": (slice(-4, None), "sum"),
    "last four joined": (slice(-4, None), "join"),
    "weighted sum of all layers": (slice(1, None), "sum"),
}


def first_pieces(words: list[int]) -> list[int]:
    """Where each word begins among the pieces of a row: `words` as `encode_words` gives them."""
    return [i for i, word in enumerate(words) if word != NO_WORD and word not in words[:i]]


@torch.no_grad()
def layer_features(model: nn.Module, rows: Dataset, batch_size: int = 64) -> list[Tensor]:
    """All hidden states of an encoder at the first piece of each word, one (W, L + 1, D) for each
    row of `encode_words`: the embeddings first, the last layer last. Dropout is off."""
    was_training, found = model.training, {}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["input_ids"]))
    model.eval()
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        batch = make_batch(rows, indices, model.config)
        states = torch.stack(model(**batch).hidden_states, 2)  # (B, T, L+1, D)
        for i, of_row in zip(indices, states, strict=True):
            found[i] = of_row[first_pieces(rows[i]["words"])].clone()  # (W, L+1, D)
    model.train(was_training)
    return [found[i] for i in range(len(rows))]


def word_labels(rows: Dataset) -> list[Tensor]:
    """The labels at the first pieces: one (W,) for each row."""
    return [torch.tensor(labels)[first_pieces(words)]
            for labels, words in zip(rows["labels"], rows["words"], strict=True)]


class FeatureTagger(nn.Module):
    """Layers to one vector a word, maybe a BiLSTM over the words, and a tag for each.

    take: which layers (a slice of L + 1). how: "sum" weighs them by a learned softmax, "join" puts
    them side by side. lstm_size: of one direction; 0: no LSTM. The paper has two layers of 768.
    """

    def __init__(self, layers: int, hidden_size: int, num_tags: int, take: slice, how: str = "sum",
                 lstm_size: int = 0, lstm_layers: int = 2):  # fmt: skip
        super().__init__()
        number = len(range(layers)[take])
        if number == 0 or how not in ("sum", "join"):
            raise ValueError(f"take={take} of {layers} layers gives {number}, how={how!r}: take at "
                             "least one, and sum or join them.")
        self.take, self.how = take, how
        self.layer_weights = nn.Parameter(torch.zeros(number))
        width = hidden_size * (number if how == "join" else 1)
        self.lstm = None
        if lstm_size:
            self.lstm = nn.LSTM(width, lstm_size, lstm_layers, batch_first=True,
                                bidirectional=True)
            width = 2 * lstm_size
        self.dense = nn.Linear(width, num_tags)

    def mix(self, features: Tensor) -> Tensor:
        """(B, W, L+1, D) -> (B, W, D), or (B, W, S * D)."""
        chosen = features[..., self.take, :]  # (B, W, S, D)
        if self.how == "join":
            return chosen.flatten(-2)
        return (self.layer_weights.softmax(0)[:, None] * chosen).sum(-2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, W, L+1, D) -> scores (B, W, C)."""
        hidden = self.mix(features)
        if self.lstm is not None:
            hidden, _ = self.lstm(hidden)
        return self.dense(hidden)


def fit(
    tagger: FeatureTagger, features: list[Tensor], labels: list[Tensor], *, epochs: int = 20,
    batch_size: int = 16, learning_rate: float = 2e-3, seed: int = 0,
) -> list[float]:  # fmt: skip
    """Train a tagger (in place) on features that do not change. Returns the loss of each step."""
    optimizer = torch.optim.AdamW(tagger.parameters(), lr=learning_rate)
    lengths = torch.tensor([len(of_row) for of_row in features]).numpy()
    losses = []
    tagger.train()
    for epoch in range(epochs):
        for indices in batches_of_epoch(lengths, batch_size, seed, epoch):
            inputs = pad_sequence([features[i].float() for i in indices], True)
            wanted = pad_sequence([labels[i] for i in indices], True, IGNORED)
            loss = mean_loss(tagger(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@torch.no_grad()
def tag(tagger: FeatureTagger, features: list[Tensor], batch_size: int = 64) -> list[Tensor]:
    """The tags of every word, one (W,) for each row."""
    tagger.eval()
    found = []
    for start in range(0, len(features), batch_size):
        part = features[start : start + batch_size]
        scores = tagger(pad_sequence([of_row.float() for of_row in part], True))
        found += [row[: len(of_row)].argmax(-1) for row, of_row in zip(scores, part, strict=True)]
    return found
