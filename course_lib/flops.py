"""How much arithmetic a model costs, counted as the ELECTRA paper counts it; and how much memory a
training step keeps (`activation_bytes`).

One multiplication and one addition are two operations. Looking up a token's vector counts as the
matrix product that it is equal to, and the backward pass as much as the forward pass: so the paper
compares models, and so published figures (`facts.models()`) can be checked. Its true cost is
twice the forward pass, hence real training is about 1.5 times as much as counted here.

Source: Clark et al. 2020 (arXiv:2003.10555), appendix "Counting FLOPs", and their published counts.

Axes: T tokens, D hidden size, E embedding size, F feed-forward width, V vocabulary, H heads.
"""

import torch

from course_lib.config import ModelConfig

LAYER_NORM, SOFTMAX, ACTIVATION, DROPOUT = 5, 5, 8, 4  # operations for one number


def layer(config: ModelConfig, tokens: int) -> int:
    """Operations of one encoder layer for one sequence of T tokens."""
    width, inner, heads = config.hidden_size, config.intermediate_size, config.num_heads
    queries_keys_values = 3 * (2 * width * width + width)
    scores = 2 * width * tokens + heads * tokens  # with the division by sqrt(K)
    weights = (SOFTMAX + DROPOUT) * heads * tokens
    mixing = 2 * width * tokens
    output = 2 * width * width + width
    feed_forward = 2 * width * inner + (1 + ACTIVATION) * inner + 2 * inner * width + width
    after_each_part = 2 * (DROPOUT + 1 + LAYER_NORM) * width  # dropout, residual sum, LayerNorm
    per_token = queries_keys_values + scores + weights + mixing + output + feed_forward
    return tokens * (per_token + after_each_part)


def embeddings(config: ModelConfig, tokens: int) -> int:
    """Operations of the embeddings for one sequence, each look-up as a matrix product."""
    width = config.embedding_size or config.hidden_size
    tables = 2 * width * (config.vocab_size + config.type_vocab_size + tokens)
    widen = 2 * width * config.hidden_size + config.hidden_size
    per_token = tables + (2 + LAYER_NORM + DROPOUT) * width
    return tokens * (per_token + (widen if width != config.hidden_size else 0))


def forward(config: ModelConfig, tokens: int, with_embeddings: bool = True) -> int:
    """Operations of the encoder for one sequence of T tokens. Layers that share their weights cost
    as much as layers that do not: sharing saves parameters, not arithmetic."""
    body = config.num_layers * layer(config, tokens)
    return body + (embeddings(config, tokens) if with_embeddings else 0)


def masked_lm_head(config: ModelConfig, predictions: float) -> float:
    """Operations of the masked-word head at so many places."""
    width = config.embedding_size or config.hidden_size
    hidden = 2 * config.hidden_size * width + (1 + ACTIVATION + LAYER_NORM) * width
    return predictions * (hidden + 2 * width * config.vocab_size + config.vocab_size)


def replaced_token_head(config: ModelConfig, tokens: int) -> int:
    """Operations of ELECTRA's discriminator head: a hidden layer, and one number for each token."""
    return tokens * (2 * config.hidden_size**2 + (1 + ACTIVATION + 2) * config.hidden_size)


def masked_lm_step(config: ModelConfig, tokens: int, rate: float = 0.15) -> float:
    """Forward and backward pass of masked-word training on one sequence."""
    return 2 * (forward(config, tokens) + masked_lm_head(config, rate * tokens))


def electra_step(
    config: ModelConfig, generator: ModelConfig, tokens: int, rate: float = 0.15
) -> float:
    """Forward and backward pass of ELECTRA's generator and discriminator on one sequence."""
    found = forward(config, tokens) + replaced_token_head(config, tokens)
    return 2 * found + masked_lm_step(generator, tokens, rate)


def activation_bytes(config: ModelConfig, model_class, sequences: int, tokens: int) -> int:
    """Bytes that one forward pass of `model_class(config)` in training keeps for the backward pass:
    B sequences of T tokens, float32. A tensor that is kept twice counts once, parameters do not
    count. Nothing is stored: all of it happens on PyTorch's "meta" device, which has shapes only.
    """
    kept = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        kept[x.untyped_storage()._cdata] = x  # held, so that its place is not given away
        return x

    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        model = model_class(config)
        output = model(torch.zeros(sequences, tokens, dtype=torch.long))  # held
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage()._cdata, None)
    del output
    return sum(x.untyped_storage().nbytes() for x in kept.values())
