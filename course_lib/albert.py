"""ALBERT: a BERT with far fewer parameters, and a harder question about pairs of sentences.

Three ideas: narrow embeddings that a matrix widens (section 3.1, factorized embeddings), one layer
used at every depth (section 3.1, cross-layer sharing), and whether two texts stand in their order
or have been swapped, in place of next sentence prediction (sentence order prediction).

Source: Lan et al. 2020 (arXiv:1909.11942).

Axes: B sequences, T tokens, D hidden size, E embedding size, L layers, V vocabulary.
"""

from torch import Tensor, nn

from course_lib.bert import (
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.config import ModelConfig
from course_lib.dropout import Dropout
from course_lib.encoder import Embeddings, Encoder, EncoderLayer


class FactorizedEmbeddings(Embeddings):
    """V x E and then E x D in place of V x D: a token's identity needs less room than all that the
    layers later know about it in its context."""

    def __init__(self, config: ModelConfig):
        super().__init__(config)
        self.widen = nn.Linear(self.token.embedding_dim, config.hidden_size)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, D)."""
        return self.widen(super().forward(input_ids, token_type_ids))  # (B, T, E) -> (B, T, D)


class SharedEncoder(Encoder):
    """L layers that are one and the same, or share attention or feed-forward (table 4).

    The arithmetic is that of L layers; only the parameters are those of one.
    """

    def __init__(self, config: ModelConfig):
        super().__init__(config.replace(num_layers=1))
        first = self.layers[0]
        for _ in range(1, config.num_layers):
            layer = first if config.shared == "all" else EncoderLayer(config)
            if config.shared == "attention":
                layer.attention, layer.attention_norm = first.attention, first.attention_norm
            if config.shared == "feed_forward":
                layer.feed_forward = first.feed_forward
                layer.feed_forward_norm = first.feed_forward_norm
            self.layers.append(layer)


class AlbertModel(BertModel):
    """BERT with factorized embeddings and shared layers."""

    embeddings_class, encoder_class = FactorizedEmbeddings, SharedEncoder


class SentenceOrderHead(nn.Module):
    """Two scores from the pooled vector: 0 = the two texts are in order, 1 = swapped (SOP)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.dropout = Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden_size, 2)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, D) -> (B, 2)."""
        return self.dense(self.dropout(pooled))


class AlbertForPreTraining(BertForPreTraining):
    """Masked words, and sentence order where BERT has next sentence. The pair's label comes as
    `next_sentence_label`: 0 = in order, 1 = swapped."""

    body_class, pair_head_class = AlbertModel, SentenceOrderHead


class AlbertForSequenceClassification(BertForSequenceClassification):
    body_class = AlbertModel


class AlbertForTokenClassification(BertForTokenClassification):
    body_class = AlbertModel


class AlbertForQuestionAnswering(BertForQuestionAnswering):
    body_class = AlbertModel
