"""BERT: one encoder, pre-trained with two losses, fine-tuned with one small head per task.

Source: Devlin et al. 2019 (arXiv:1810.04805), sections 3 and 4.

Axes: B sequences, T tokens, D hidden size, L layers, H heads, V vocabulary, N predicted positions.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_lib.attention import padding_mask
from course_lib.config import ModelConfig
from course_lib.encoder import Embeddings, Encoder, init_weights
from course_lib.heads import (
    MLMHead,
    Pooler,
    SentencePairHead,
    SequenceClassifier,
    SpanHead,
    TokenTagger,
    mean_loss,
)


class BertOutput(NamedTuple):
    """What the encoder returns."""

    last_hidden_state: Tensor  # (B, T, D)
    pooled: Tensor | None  # (B, D), None without a pooler
    hidden_states: tuple[Tensor, ...]  # L + 1 of (B, T, D)
    attentions: tuple[Tensor, ...] | None  # L of (B, H, T, T), only if asked for


class BertModel(nn.Module):
    """Embeddings, encoder and pooler: everything that pre-training hands on."""

    embeddings_class, encoder_class = Embeddings, Encoder  # a relative of BERT may have its own

    def __init__(self, config: ModelConfig, add_pooler: bool = True):
        super().__init__()
        self.config = config
        self.embeddings = self.embeddings_class(config)
        self.encoder = self.encoder_class(config)
        self.pooler = Pooler(config) if add_pooler else None
        init_weights(self, config)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        need_weights: bool = False,
    ) -> BertOutput:
        """input_ids (B, T). attention_mask is (B, T), 1 = a real token, or (B, T, T), 1 = may
        attend (row: query, column: key); without one, every token sees every token."""
        hidden = self.embeddings(input_ids, token_type_ids)  # (B, T, D)
        mask = broadcast_mask(attention_mask, input_ids)
        hidden_states, attentions = self.encoder(hidden, mask, need_weights)
        pooled = self.pooler(hidden_states[-1]) if self.pooler else None
        return BertOutput(hidden_states[-1], pooled, hidden_states, attentions)


def broadcast_mask(attention_mask: Tensor | None, input_ids: Tensor) -> Tensor | None:
    """(B, T) or (B, T, T) with 1 = may attend -> boolean, ready to broadcast to (B, H, T, T)."""
    if attention_mask is None:
        return None
    batch, length = input_ids.shape
    if attention_mask.shape == (batch, length):
        return padding_mask(attention_mask)
    if attention_mask.shape == (batch, length, length):
        return attention_mask.bool()[:, None]
    raise ValueError(
        f"attention_mask has shape {tuple(attention_mask.shape)}; for input_ids of shape "
        f"{(batch, length)} it must be {(batch, length)} or {(batch, length, length)}."
    )


class PreTrainingOutput(NamedTuple):
    """Losses are means in nats, None where their labels were not given."""

    loss: Tensor | None  # the sum of the losses that are there
    mlm_loss: Tensor | None
    nsp_loss: Tensor | None
    mlm_logits: Tensor  # (B, T, V), or (N, V) at masked_positions
    nsp_logits: Tensor  # (B, 2)


class BertForPreTraining(nn.Module):
    """BERT with both pre-training heads (section 3.1): masked words, and next sentence."""

    body_class, pair_head_class = BertModel, SentencePairHead

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bert = self.body_class(config)
        self.mlm = MLMHead(config, self.bert.embeddings.token)
        self.nsp = self.pair_head_class(config)
        init_weights(self, config)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        masked_positions: Tensor | None = None,
        masked_labels: Tensor | None = None,
        next_sentence_label: Tensor | None = None,
        masked_count: Tensor | float | None = None,
        pair_count: Tensor | float | None = None,
    ) -> PreTrainingOutput:
        """Scores and losses.

        masked_positions (N,) are indices into the B*T tokens laid end to end; with them scores
        are computed at those N tokens only, which saves six sevenths of the largest product.
        masked_labels (N,), or (B, T) without masked_positions, holds the original ids and -100
        elsewhere. next_sentence_label (B,): 0 = B really follows A. The counts: see `mean_loss`.
        """
        encoded = self.bert(input_ids, token_type_ids, attention_mask)
        mlm_logits = self.mlm(encoded.last_hidden_state, masked_positions)
        nsp_logits = self.nsp(encoded.pooled)
        mlm_loss = nsp_loss = None
        if masked_labels is not None:
            mlm_loss = mean_loss(mlm_logits, masked_labels, masked_count)
        if next_sentence_label is not None:
            nsp_loss = mean_loss(nsp_logits, next_sentence_label, pair_count)
        losses = [loss for loss in (mlm_loss, nsp_loss) if loss is not None]
        return PreTrainingOutput(
            sum(losses) if losses else None, mlm_loss, nsp_loss, mlm_logits, nsp_logits
        )


class TaskOutput(NamedTuple):
    """What a fine-tuned model returns."""

    loss: Tensor | None  # mean cross-entropy in nats, None without labels
    logits: Tensor  # (B, C), (B, T, C), or (B, T, 2) with start and end scores


class BertForSequenceClassification(nn.Module):
    """One label for each input: sentiment, entailment, paraphrase (section 4.1)."""

    body_class, classifier_class = BertModel, SequenceClassifier
    pooled = True  # whether the classifier reads the pooled vector, or all vectors

    def __init__(self, config: ModelConfig, num_labels: int = 2):
        super().__init__()
        self.config = config
        self.bert = self.body_class(config, add_pooler=self.pooled)
        self.classifier = self.classifier_class(config, num_labels)
        init_weights(self, config)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, labels=None):
        """labels (B,) -> TaskOutput with logits (B, C)."""
        encoded = self.bert(input_ids, token_type_ids, attention_mask)
        logits = self.classifier(encoded.pooled if self.pooled else encoded.last_hidden_state)
        return TaskOutput(None if labels is None else mean_loss(logits, labels), logits)


class BertForTokenClassification(nn.Module):
    """One label for each token: named entities (section 5.3)."""

    body_class = BertModel

    def __init__(self, config: ModelConfig, num_labels: int):
        super().__init__()
        self.config = config
        self.bert = self.body_class(config, add_pooler=False)
        self.tagger = TokenTagger(config, num_labels)
        init_weights(self, config)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None, labels=None):
        """labels (B, T), -100 where none -> TaskOutput with logits (B, T, C)."""
        encoded = self.bert(input_ids, token_type_ids, attention_mask)
        logits = self.tagger(encoded.last_hidden_state)
        return TaskOutput(None if labels is None else mean_loss(logits, labels), logits)


class BertForQuestionAnswering(nn.Module):
    """The answer as a stretch of the passage: scores for its start and its end (section 4.2)."""

    body_class = BertModel

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bert = self.body_class(config, add_pooler=False)
        self.span = SpanHead(config)
        init_weights(self, config)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None,
        start_positions=None, end_positions=None,
    ):
        """start_positions, end_positions (B,) -> TaskOutput with logits (B, T, 2)."""
        encoded = self.bert(input_ids, token_type_ids, attention_mask)
        start, end = self.span(encoded.last_hidden_state)
        loss = None
        if start_positions is not None:
            # the mean of both, as in the published code (the paper speaks of their sum)
            loss = (mean_loss(start, start_positions) + mean_loss(end, end_positions)) / 2
        return TaskOutput(loss, torch.stack([start, end], dim=-1))
