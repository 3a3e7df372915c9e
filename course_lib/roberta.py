"""RoBERTa: BERT's architecture, pre-trained with more care.

What changes in the model: a byte-level vocabulary of 50,265 pieces, no segments, no next sentence
prediction. What changes in the training (more data and steps, larger batches, masks drawn anew each
time, full rows of running text) is in `objectives` and `packing`.

Source: Liu et al. 2019 (arXiv:1907.11692), sections 3 and 4.

Axes: B sequences, T tokens, D hidden size, V vocabulary, N predicted positions.
"""

from typing import NamedTuple

from torch import Tensor, nn

from course_lib.bert import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.config import ModelConfig
from course_lib.dropout import Dropout
from course_lib.encoder import Embeddings, init_weights
from course_lib.heads import MLMHead, mean_loss


class RobertaEmbeddings(Embeddings):
    """Positions count from pad_token_id + 1, and padding stands at pad_token_id: a habit of the
    library that RoBERTa was written in, which published checkpoints keep."""

    def positions(self, input_ids: Tensor) -> Tensor:
        """(B, T) -> (B, T): 2, 3, 4, ... at tokens, 1 at padding, with pad_token_id 1."""
        real = (input_ids != self.token.padding_idx).long()
        return real.cumsum(-1) * real + self.token.padding_idx

    @property
    def longest(self) -> int:
        """Tokens for which there are positions: the first ones of the table are never used."""
        return self.position.num_embeddings - self.token.padding_idx - 1


class RobertaModel(BertModel):
    """BERT's encoder with RoBERTa's count of positions."""

    embeddings_class = RobertaEmbeddings


class MaskedLMOutput(NamedTuple):
    """The loss is a mean in nats, None without labels."""

    loss: Tensor | None
    mlm_logits: Tensor  # (B, T, V), or (N, V) at masked_positions


class RobertaForMaskedLM(nn.Module):
    """One loss: masked words. Next sentence prediction is gone (section 4.2)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bert = RobertaModel(config, add_pooler=False)
        self.mlm = MLMHead(config, self.bert.embeddings.token)
        init_weights(self, config)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        masked_positions: Tensor | None = None,
        masked_labels: Tensor | None = None,
        masked_count: Tensor | float | None = None,
    ) -> MaskedLMOutput:
        """Arguments as in `bert.BertForPreTraining`."""
        hidden = self.bert(input_ids, token_type_ids, attention_mask).last_hidden_state
        logits = self.mlm(hidden, masked_positions)
        loss = None if masked_labels is None else mean_loss(logits, masked_labels, masked_count)
        return MaskedLMOutput(loss, logits)


class FirstTokenClassifier(nn.Module):
    """A label from the first token: dense, tanh, dropout, dense. It takes the pooler's part, and
    starts untrained, as there is no next sentence prediction that would have trained a pooler."""

    def __init__(self, config: ModelConfig, num_labels: int):
        super().__init__()
        self.hidden = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = nn.Tanh()
        self.dropout = Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden_size, num_labels)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, C)."""
        first = self.activation(self.hidden(self.dropout(hidden[:, 0])))
        return self.dense(self.dropout(first))


class RobertaForSequenceClassification(BertForSequenceClassification):
    """One label for each input, from the vector of <s>."""

    body_class, classifier_class, pooled = RobertaModel, FirstTokenClassifier, False


class RobertaForTokenClassification(BertForTokenClassification):
    body_class = RobertaModel


class RobertaForQuestionAnswering(BertForQuestionAnswering):
    body_class = RobertaModel
