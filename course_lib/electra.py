"""ELECTRA: find the words that a small masked model has put in.

A generator, a small BERT, fills masked places with words it draws; a discriminator looks at all
tokens and says of each whether it was replaced. The discriminator learns from every token, not from
the masked 15 % only, and is what one keeps. Two models on the way from BERT to ELECTRA, with which
the paper finds out what the gain is due to, are `ReplaceMLM` and `AllTokensMLM`.

Source: Clark et al. 2020 (arXiv:2003.10555), sections 2 and 3.4.

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
from course_lib.heads import IGNORED, MLMHead, mean_loss
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
        return self.mlm(hidden, masked_positions)


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


class Corrupted(NamedTuple):
    """What a generator has made of a batch with masks in."""

    scores: Tensor  # (N, V), its own, at the masked places
    chosen: Tensor  # (B, T) True at the masked places
    original: Tensor  # (B, T) the ids before the masks
    ids: Tensor  # (B, T) the masked places filled with the words drawn
    is_replaced: Tensor  # (B, T) True where that is not the original: a right guess is an original


def corrupt(
    generator: Generator, input_ids, token_type_ids, attention_mask, positions, labels,
    chances: Tensor | None = None, rng: torch.Generator | None = None,
) -> Corrupted:  # fmt: skip
    """Fill the masked places with words that the generator draws. positions, labels, chances (N,);
    a label of -100 is an empty slot."""
    scores = generator(input_ids, token_type_ids, attention_mask, positions)
    real, flat = labels != IGNORED, input_ids.flatten()
    drawn = draw(scores, rng, chances)
    # sums of changes, so that empty slots, which all point to token 0, change nothing there
    original = flat.index_add(0, positions, torch.where(real, labels - flat[positions], 0))
    ids = original.index_add(0, positions, torch.where(real, drawn - labels, 0))
    chosen = torch.zeros_like(flat).index_add(0, positions, real.long()).bool()
    found = (x.view_as(input_ids) for x in (chosen, original, ids, ids != original))
    return Corrupted(scores, *found)


@torch.no_grad()
def draw(
    scores: Tensor, generator: torch.Generator | None = None, chances: Tensor | None = None
) -> Tensor:
    """One word at each masked place, by the generator's probabilities: (N, V) -> (N,).

    The probabilities are laid end to end, and the word taken on which a number between 0 and 1
    falls; `chances` (N,) gives these numbers. It has no gradient, as a word is one or another:
    the generator learns from its own loss alone, not from deceiving the discriminator.
    """
    if chances is None:
        chances = torch.rand(len(scores), generator=generator, device=scores.device)
    ends = scores.float().softmax(-1).cumsum_(-1)  # (N, V): where each word's stretch ends
    places = chances[:, None] * ends[:, -1:]  # the last end is 1 but for rounding
    return torch.searchsorted(ends, places, right=True).squeeze(1).clamp(max=scores.shape[1] - 1)


class ElectraOutput(NamedTuple):
    """Losses are means in nats."""

    loss: Tensor  # generator's + weight * discriminator's
    mlm_loss: Tensor
    replaced_loss: Tensor
    mlm_logits: Tensor  # (N, V)
    replaced_logits: Tensor  # (B, T)
    corrupted_ids: Tensor  # (B, T) what the discriminator has read
    is_replaced: Tensor  # (B, T) True where that is not the original


class ElectraForPreTraining(nn.Module):
    """Generator and discriminator, trained together (section 2). They share the embeddings of
    tokens, positions and segments (section 3.2); a matrix fits those to the generator's width.

    weight: of the discriminator's loss. masked_only: it learns from the masked places alone
    (ELECTRA 15 %, section 3.4 and table 5).
    """

    def __init__(
        self, config: ModelConfig, generator_config: ModelConfig | None = None,
        weight: float = DISCRIMINATOR_WEIGHT, masked_only: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.config, self.weight, self.masked_only = config, weight, masked_only
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
        chances: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> ElectraOutput:
        """input_ids (B, T) with masks in; masked_positions (N,) into the B*T tokens laid end to
        end, and masked_labels (N,), the original ids there. The counts: see `heads.mean_loss`;
        token_count is the discriminator's. chances (N,), or generator: see `draw`."""
        made = corrupt(self.generator, input_ids, token_type_ids, attention_mask,
                       masked_positions, masked_labels, chances, generator)  # fmt: skip
        found = self.discriminator(made.ids, token_type_ids, attention_mask)
        mlm_loss = mean_loss(made.scores, masked_labels, masked_count)
        judged = (made.chosen, masked_count) if self.masked_only else (attention_mask, token_count)
        replaced_loss = binary_loss(found, made.is_replaced, *judged)
        loss = mlm_loss + self.weight * replaced_loss
        return ElectraOutput(loss, mlm_loss, replaced_loss, made.scores, found, made.ids,
                             made.is_replaced)  # fmt: skip


class RestoringOutput(NamedTuple):
    """Losses are means in nats."""

    loss: Tensor  # the sum of both
    mlm_loss: Tensor  # the generator's
    restored_loss: Tensor  # the reader's
    mlm_logits: Tensor  # (N, V) the generator's
    restored_logits: Tensor  # (N, V) the reader's, at the masked places
    corrupted_ids: Tensor  # (B, T) what the reader has read
    is_replaced: Tensor  # (B, T) True where that is not the original


class ReplaceMLM(nn.Module):
    """Between BERT and ELECTRA (section 3.4): words drawn by a generator stand at the masked places
    in place of [MASK], and the reader, a BERT, says what stood there before.

    The paper gives no weight for the two losses; both are means over words, and are summed.
    """

    def __init__(self, config: ModelConfig, generator_config: ModelConfig | None = None):
        super().__init__()
        self.config = config
        self.generator_config = generator_config or generator_of(config)
        self.reader = Generator(config)  # the same parts, full size
        self.generator = Generator(self.generator_config)
        share_embeddings(self.reader.bert.embeddings, self.generator)

    def forward(
        self, input_ids, token_type_ids=None, attention_mask=None, masked_positions=None,
        masked_labels=None, masked_count=None, token_count=None, chances=None, generator=None,
    ) -> RestoringOutput:  # fmt: skip
        """Arguments as for `ElectraForPreTraining`."""
        made = corrupt(self.generator, input_ids, token_type_ids, attention_mask,
                       masked_positions, masked_labels, chances, generator)  # fmt: skip
        hidden = self.reader.bert(made.ids, token_type_ids, attention_mask).last_hidden_state
        mlm_loss = mean_loss(made.scores, masked_labels, masked_count)
        restored, logits = self.restore(
            hidden.flatten(0, 1), made, masked_positions, masked_labels, masked_count,
            attention_mask, token_count)  # fmt: skip
        return RestoringOutput(mlm_loss + restored, mlm_loss, restored, made.scores, logits,
                               made.ids, made.is_replaced)  # fmt: skip

    def restore(self, hidden, made, positions, labels, masked_count, real, token_count):
        """The reader's loss, over the masked words, and its scores for them (N, V)."""
        logits = self.reader.mlm(hidden.index_select(0, positions))
        return mean_loss(logits, labels, masked_count), logits


class AllTokensMLM(ReplaceMLM):
    """The reader predicts every token, not the masked ones only (section 3.4). Most are what it
    reads, so it may copy: its distribution is D on the token that stands there, plus 1 - D times
    that of the words, with D a sigmoid of the token's vector."""

    def __init__(self, config: ModelConfig, generator_config: ModelConfig | None = None):
        super().__init__(config, generator_config)
        self.copy = nn.Linear(config.hidden_size, 1)
        init_weights(self.copy, config)

    def restore(self, hidden, made, positions, labels, masked_count, real, token_count):
        """As above; the loss is a mean over all real tokens."""
        copy = self.copy(hidden).squeeze(-1).float()  # (B*T,)
        words = self.reader.mlm(hidden).float()  # (B*T, V): seven times the work of 15 %
        original, same = made.original.flatten(), ~made.is_replaced.flatten()
        log_p = F.logsigmoid(-copy) - F.cross_entropy(words, original, reduction="none")
        copied = F.logsigmoid(copy).masked_fill(~same, float("-inf"))
        losses = -torch.logaddexp(log_p, copied)  # (B*T,)
        weight = torch.ones_like(losses) if real is None else real.flatten().to(losses.dtype)
        loss = (losses * weight).sum() / (weight.sum() if token_count is None else token_count)
        return loss, None if self.training else self.mixture(copy, words, made, positions)

    def mixture(self, copy, words, made, positions) -> Tensor:
        """The log of the whole distribution at the masked places: (N, V)."""
        copy, here = copy[positions, None], made.ids.flatten()[positions, None]  # (N, 1)
        log_p = F.logsigmoid(-copy) + words[positions].log_softmax(-1)
        both = torch.logaddexp(log_p.gather(1, here), F.logsigmoid(copy))
        return log_p.scatter(1, here, both)


def binary_loss(
    scores: Tensor, is_replaced: Tensor, attention_mask: Tensor | None,
    count: Tensor | float | None = None,
) -> Tensor:  # fmt: skip
    """Mean over real tokens of the cross-entropy of replaced or original: all (B, T) -> ().

    `count`: see `heads.mean_loss`."""
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
