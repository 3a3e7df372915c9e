"""The shape of a model: one frozen dataclass, and the published sizes by name.

BERT's sizes: Devlin et al. 2019 (arXiv:1810.04805), section 3; the 24 miniatures: Turc et al. 2019
(arXiv:1908.08962); RoBERTa: Liu et al. 2019 (arXiv:1907.11692), table 9; ALBERT: Lan et al. 2020
(arXiv:1909.11942), table 1; ELECTRA: Clark et al. 2020 (arXiv:2003.10555), table 6. The other
numbers are those of the published configuration files.
"""

from dataclasses import dataclass, replace
from difflib import get_close_matches

ACTIVATION_NAMES = ("gelu", "gelu_tanh", "relu")
SHARED = ("nothing", "all", "attention", "feed_forward")


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
    embedding_size: int | None = None  # width of the embeddings (E); None: hidden_size
    shared: str = "nothing"  # what all layers share (ALBERT): "nothing", "all", "attention", ...

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
        if self.shared not in SHARED:
            raise ValueError(f"shared is {self.shared!r}; choose one of {', '.join(SHARED)}.")
        if self.embedding_size is not None and self.embedding_size < 1:
            raise ValueError(f"embedding_size is {self.embedding_size}; it must be at least 1.")
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


def _roberta(num_layers, hidden_size):
    """The shape of BERT with another vocabulary; the two first positions are never used."""
    return replace(_bert(num_layers, hidden_size, vocab_size=50_265), max_positions=514,
                   type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)  # fmt: skip


def _albert(num_layers, hidden_size, num_heads, **changes):
    """Narrow embeddings, and one layer used at every depth."""
    base = _bert(num_layers, hidden_size, vocab_size=30_000)
    return replace(base, num_heads=num_heads, embedding_size=128, shared="all", **changes)


_ALBERT_SIZES = {"base": (12, 768, 12), "large": (24, 1024, 16), "xlarge": (24, 2048, 16),
                 "xxlarge": (12, 4096, 64)}  # fmt: skip
_V2 = dict(activation="gelu_tanh", dropout=0.0, attention_dropout=0.0)
_NO_DROPOUT = dict(dropout=0.0, attention_dropout=0.0)  # xxlarge, in version 1 too


def _electra(num_layers, hidden_size, num_heads=None, embedding_size=None):
    """A discriminator or generator; its feed-forward width is 4 D, its embeddings may be wider."""
    return replace(_bert(num_layers, hidden_size), embedding_size=embedding_size,
                   num_heads=num_heads or hidden_size // 64)  # fmt: skip


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
    "roberta-base": _roberta(12, 768),
    "roberta-large": _roberta(24, 1024),
    **{f"albert-{size}-v1": _albert(*shape, **(_NO_DROPOUT if size == "xxlarge" else {}))
       for size, shape in _ALBERT_SIZES.items()},
    **{f"albert-{size}-v2": _albert(*shape, **_V2) for size, shape in _ALBERT_SIZES.items()},
    "electra-small": _electra(12, 256, embedding_size=128),
    "electra-base": _electra(12, 768),
    "electra-large": _electra(24, 1024),
    # Generators of the paper: a quarter, a third and a quarter of the discriminator's width.
    "electra-small-generator": _electra(12, 64, embedding_size=128),
    "electra-base-generator": _electra(12, 256, embedding_size=768),
    "electra-large-generator": _electra(24, 256, embedding_size=1024),
}  # fmt: skip


def preset(name: str, **changes) -> ModelConfig:
    """A published size by name, for example ``preset("bert-base-uncased")``.

    Keyword arguments change single fields. Raises KeyError for an unknown name, with the nearest.
    """
    if name not in PRESETS:
        near = get_close_matches(name, PRESETS, n=3, cutoff=0.3) or sorted(PRESETS)[:3]
        raise KeyError(f"no preset is called {name!r}; did you mean {', '.join(near)}? "
                       "config.PRESETS lists them all.")
    return PRESETS[name].replace(**changes)
