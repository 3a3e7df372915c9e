"""The shape of a model: one frozen dataclass, and the published sizes by name.

BERT's sizes: Devlin et al. 2019 (arXiv:1810.04805), section 3; the 24 miniatures: Turc et al. 2019
(arXiv:1908.08962). The other numbers are those of the published `bert_config.json` files.
"""

from dataclasses import dataclass, replace
from difflib import get_close_matches

ACTIVATION_NAMES = ("gelu", "gelu_tanh", "relu")


@dataclass(frozen=True)
class ModelConfig:
    """Everything that fixes the shape of a model. The defaults are BERT-Base, uncased."""

    vocab_size: int = 30_522  # entries of the vocabulary (V)
    hidden_size: int = 768  # width of a token's vector between the layers (D)
    num_layers: int = 12  # encoder layers (L)
    num_heads: int = 12  # attention heads in each layer (H)
    intermediate_size: int = 3072  # inner width of the feed-forward network (F), 4 D in BERT
    max_positions: int = 512  # rows of the position table: the longest input
    type_vocab_size: int = 2  # segments: A and B
    activation: str = "gelu"  # "gelu" (with erf, as published), "gelu_tanh" or "relu"
    dropout: float = 0.1  # on embeddings and on the output of each sub-layer
    attention_dropout: float = 0.1  # on attention weights
    layer_norm_eps: float = 1e-12  # added to the variance in LayerNorm
    initializer_range: float = 0.02  # standard deviation of the truncated normal at the start
    pad_token_id: int = 0  # the padding token

    def __post_init__(self):
        for name in ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size",
                     "max_positions", "type_vocab_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be divided among {self.num_heads} heads: "
                "choose num_heads so that hidden_size / num_heads is a whole number."
            )
        if self.activation not in ACTIVATION_NAMES:
            raise ValueError(
                f"activation is {self.activation!r}; choose one of {', '.join(ACTIVATION_NAMES)}."
            )
        for name in ("dropout", "attention_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be at least 0 and below 1."
                )

    @property
    def head_size(self) -> int:
        """Width of one head (K): hidden_size / num_heads, 64 in every published BERT."""
        return self.hidden_size // self.num_heads

    def replace(self, **changes) -> "ModelConfig":
        """The same configuration with some fields changed."""
        return replace(self, **changes)


def _bert(num_layers, hidden_size, vocab_size=30_522):
    """A published BERT shape: heads of 64, feed-forward width 4 D."""
    return ModelConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_layers=num_layers,
        num_heads=hidden_size // 64,
        intermediate_size=4 * hidden_size,
    )


PRESETS = {
    "bert-base-uncased": _bert(12, 768),
    "bert-base-cased": _bert(12, 768, vocab_size=28_996),
    "bert-base-chinese": _bert(12, 768, vocab_size=21_128),
    "bert-base-multilingual-cased": _bert(12, 768, vocab_size=119_547),
    "bert-base-multilingual-uncased": _bert(12, 768, vocab_size=105_879),
    "bert-large-uncased": _bert(24, 1024),
    "bert-large-cased": _bert(24, 1024, vocab_size=28_996),
    **{f"bert-L{n}-H{d}": _bert(n, d) for n in (2, 4, 6, 8, 10, 12) for d in (128, 256, 512, 768)},
    "bert-tiny": _bert(2, 128),
    "bert-mini": _bert(4, 256),
    "bert-small": _bert(4, 512),
    "bert-medium": _bert(8, 512),
}


def preset(name: str, **changes) -> ModelConfig:
    """A published size by name, for example ``preset("bert-base-uncased")``.

    Keyword arguments change single fields. Raises KeyError for an unknown name, with the nearest.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=3, cutoff=0.3) or sorted(PRESETS)[:3]
        raise KeyError(f"no preset is called {name!r}; did you mean {', '.join(near)}? "
                       "config.PRESETS lists them all.")
    return PRESETS[name].replace(**changes)
