"""ELECTRA: find the words that a small masked model has put in.

A generator, a small BERT, fills masked places with words it draws; a discriminator looks at all
tokens and says of each whether it was replaced. The discriminator learns from every token, not from
the masked 15 % only, and is what one keeps.

Source: Clark et al. 2020 (arXiv:2003.10555), section 2.

Axes: B sequences, T tokens, D hidden size, E embedding size, V vocabulary, N masked positions.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.albert import FactorizedEmbeddings
from course_lib.bert import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)
from course_lib.config import ModelConfig
from course_lib.encoder import ACTIVATIONS, Embeddings, init_weights
from course_lib.heads import MLMHead, mean_loss
from course_lib.roberta import FirstTokenClassifier

DISCRIMINATOR_WEIGHT = 50.0  # lambda of section 2; its loss per token is far smaller


class ElectraModel(BertModel):
    """BERT's encoder without a pooler; embeddings of another width are widened or narrowed."""

    def __init__(self, config: ModelConfig, add_pooler: bool = False):
        self.embeddings_class = Embeddings if same_width(config) else FactorizedEmbeddings
        super().__init__(config, add_pooler)


def same_width(config: ModelConfig) -> bool:
    """Whether embeddings and layers have one width, so that no matrix is needed between them."""
    return config.embedding_size in (None, config.hidden_size)


class Generator(nn.Module):
    """A small BERT with a masked-word head."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bert = ElectraModel(config)
        self.mlm = MLMHead(config, self.bert.embeddings.token)
        init_weights(self, config)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, masked_positions=None
    ) -> Tensor:
        """Scores (B, T, V), or (N, V) at masked_positions."""
        hidden = self.bert(input_ids, token_type_ids, attention_mask).last_hidden_state
        if masked_positions is not None:
            hidden = hidden.flatten(0, 1).index_select(0, masked_positions)  # (N, D)
        return self.mlm(hidden)


class ReplacedTokenHead(nn.Module):
    """One score for each token: above 0 = replaced."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.hidden = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = ACTIVATIONS[config.activation]()
        self.dense = nn.Linear(config.hidden_size, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, T, D) -> (B, T)."""
        return self.dense(self.activation(self.hidden(hidden))).squeeze(-1)


class Discriminator(nn.Module):
    """The encoder that one keeps, with the head that says which tokens were replaced."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.bert = ElectraModel(config)
        self.replaced = ReplacedTokenHead(config)
        init_weights(self, config)

    def forward(self, input_ids, token_type_ids=None, attention_mask=None) -> Tensor:
        """Scores (B, T)."""
        return self.replaced(self.bert(input_ids, token_type_ids, attention_mask).last_hidden_state)


class ElectraOutput(NamedTuple):
    """Losses are means in nats, None where the masked words' labels were not given."""

    loss: Tensor | None  # generator's + 50 * discriminator's
    mlm_loss: Tensor | None
    replaced_loss: Tensor | None
    mlm_logits: Tensor  # (N, V)
    replaced_logits: Tensor  # (B, T)
    corrupted_ids: Tensor  # (B, T) what the discriminator has read
    is_replaced: Tensor  # (B, T) True where that is not the original


class ElectraForPreTraining(nn.Module):
    """Generator and discriminator, trained together (section 2). They share the embeddings of
    tokens, positions and segments (section 3.2); a matrix fits those to the generator's width."""

    def __init__(self, config: ModelConfig, generator_config: ModelConfig | None = None):
        super().__init__()
        self.config = config
        self.generator_config = generator_config or generator_of(config)
        self.discriminator = Discriminator(config)
        self.generator = Generator(self.generator_config)
        share_embeddings(self.discriminator.bert.embeddings, self.generator)

    def forward(
        self,
        input_ids: Tensor,
        token_type_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        masked_positions: Tensor | None = None,
        masked_labels: Tensor | None = None,
        masked_count: Tensor | float | None = None,
        token_count: Tensor | float | None = None,
        generator: torch.Generator | None = None,
    ) -> ElectraOutput:
        """input_ids (B, T) with masks in; masked_positions (N,) into the B*T tokens laid end to
        end, and masked_labels (N,), the original ids there. The counts: see `heads.mean_loss`;
        token_count is the discriminator's."""
        scores = self.generator(input_ids, token_type_ids, attention_mask, masked_positions)
        original = input_ids.flatten().index_copy(0, masked_positions, masked_labels)
        drawn = draw(scores, generator)
        corrupted = original.index_copy(0, masked_positions, drawn).view_as(input_ids)
        is_replaced = corrupted != original.view_as(input_ids)  # a right guess is an original
        found = self.discriminator(corrupted, token_type_ids, attention_mask)
        mlm_loss = mean_loss(scores, masked_labels, masked_count)
        replaced_loss = binary_loss(found, is_replaced, attention_mask, token_count)
        loss = mlm_loss + DISCRIMINATOR_WEIGHT * replaced_loss
        return ElectraOutput(loss, mlm_loss, replaced_loss, scores, found, corrupted, is_replaced)


@torch.no_grad()
def draw(scores: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One word at each masked place, by the generator's probabilities: (N, V) -> (N,).

    The largest of score + Gumbel noise is such a draw. It has no gradient, as a word is one or
    another: the generator learns from its own loss alone, not from deceiving the discriminator.
    """
    noise = torch.empty_like(scores, dtype=torch.float32).exponential_(generator=generator).log()
    return (scores.float() - noise).argmax(-1)


def binary_loss(
    scores: Tensor, is_replaced: Tensor, attention_mask: Tensor | None,
    count: Tensor | float | None = None,
) -> Tensor:  # fmt: skip
    """Mean over real tokens of the cross-entropy of replaced or original: all (B, T) -> ()."""
    losses = F.binary_cross_entropy_with_logits(
        scores.float(), is_replaced.float(), reduction="none"
    )
    real = torch.ones_like(losses) if attention_mask is None else attention_mask.to(losses.dtype)
    return (losses * real).sum() / (real.sum() if count is None else count)


def generator_of(config: ModelConfig, share: float = 1 / 4) -> ModelConfig:
    """The generator's shape: as deep as the discriminator, a quarter as wide (table 6)."""
    width = max(config.head_size, round(config.hidden_size * share))
    heads = max(1, width // config.head_size)
    return config.replace(
        hidden_size=heads * config.head_size, num_heads=heads,
        intermediate_size=round(config.intermediate_size * heads / config.num_heads),
        embedding_size=config.embedding_size or config.hidden_size,
    )  # fmt: skip


def share_embeddings(embeddings: Embeddings, generator: Generator) -> None:
    """Give the generator the discriminator's tables; its own matrix to its width stays."""
    theirs = generator.bert.embeddings
    for name in ("token", "position", "segment"):
        if getattr(theirs, name).weight.shape != getattr(embeddings, name).weight.shape:
            raise ValueError(
                f"the {name} table is {tuple(getattr(embeddings, name).weight.shape)} in the "
                f"discriminator and {tuple(getattr(theirs, name).weight.shape)} in the generator: "
                "they share it, so give both the same embedding_size, vocabulary and positions."
            )
        setattr(theirs, name, getattr(embeddings, name))
    generator.mlm.decoder.weight = embeddings.token.weight


class ElectraClassifier(FirstTokenClassifier):
    """A label from the first token: dense, GELU, dropout, dense."""

    def __init__(self, config: ModelConfig, num_labels: int):
        super().__init__(config, num_labels)
        self.activation = nn.GELU()


class ElectraForSequenceClassification(BertForSequenceClassification):
    """One label for each input, from the vector of [CLS]."""

    body_class, classifier_class, pooled = ElectraModel, ElectraClassifier, False


class ElectraForTokenClassification(BertForTokenClassification):
    body_class = ElectraModel


class ElectraForQuestionAnswering(BertForQuestionAnswering):
    body_class = ElectraModel
