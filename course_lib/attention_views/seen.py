"""What a model looks at while it reads one text: tokens, attention weights, queries and keys.

Axes: L layers, H heads, T tokens, K head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_lib.bert import BertModel
from course_lib.tokenization import ByteLevelBPE
from course_lib.tokenization.bytelevel_bpe import CHAR_TO_BYTE

MAX_TOKENS = 40  # more can be neither read nor kept small


@dataclass(frozen=True)
class Seen:
    """What the views draw. Layers and heads count from 0 here, from 1 in every picture.

    Raises ValueError where shapes, tokens or weights do not fit together.
    """

    tokens: list[str]  # T, as they are shown
    attentions: Tensor  # (L, H, T, T): row = who looks, column = at whom
    queries: Tensor | None = None  # (L, H, T, K)
    keys: Tensor | None = None  # (L, H, T, K)
    second: int = 0  # where the second text begins, 0 if there is none

    def __post_init__(self):
        weights, length = self.attentions, len(self.tokens)
        if weights.ndim != 4 or weights.shape[2:] != (length, length) or not weights.numel():
            raise ValueError(
                f"attentions have shape {tuple(weights.shape)}, but {length} tokens need "
                f"(layers, heads, {length}, {length}): stack the layers of one text with "
                "torch.cat, and give one label for each token."
            )
        if not bool(((weights >= 0) & (weights <= 1.0001)).all()):
            raise ValueError(
                f"attentions reach from {weights.min():.3g} to {weights.max():.3g}, but weights "
                "lie between 0 and 1: give them after the softmax, and look for NaN."
            )
        for name, vectors in (("queries", self.queries), ("keys", self.keys)):
            if vectors is not None and vectors.shape[:3] != weights.shape[:3]:
                raise ValueError(
                    f"{name} have shape {tuple(vectors.shape)}, but attentions of shape "
                    f"{tuple(weights.shape)} need {tuple(weights.shape[:3])} and the head size."
                )
        if not 0 <= self.second < length:
            raise ValueError(f"second={self.second} is not the place of one of {length} tokens.")


def trace(model, tokenizer, text, pair=None, max_tokens: int = MAX_TOKENS) -> Seen:
    """Let a model of the BERT family read `text` (and `pair`), and keep what it looks at.

    The model may be a body (BertModel, AlbertModel, ...) or have one inside: with a head for
    pretraining or for a task. Of ELECTRA's two, the discriminator is looked at. Dropout is off.
    Raises ValueError for a text that is empty or longer than `max_tokens` or than the model reads.
    """
    body = body_of(model)
    encoding = tokenizer.encode(text, pair)
    ids = encoding["input_ids"]
    if not text.strip():
        raise ValueError(f"the text {text!r} holds no word: give at least one.")
    check_length(ids, body, max_tokens)
    device = next(body.parameters()).device
    inputs = {n: torch.tensor([encoding[n]], device=device) for n in encoding}
    attentions, queries, keys = watch(body, inputs["input_ids"], inputs["token_type_ids"])
    second = 0 if pair is None else len(tokenizer.encode(text)["input_ids"])
    return Seen(token_labels(tokenizer, ids), attentions, queries, keys, second)


def body_of(model) -> BertModel:
    """The encoder inside a model. Raises TypeError if there is none of the course's."""
    for candidate in (model, getattr(model, "bert", None),
                      getattr(getattr(model, "discriminator", None), "bert", None)):  # fmt: skip
        if isinstance(candidate, BertModel):
            return candidate
    raise TypeError(
        f"{type(model).__name__} has no encoder of this course inside (BertModel, RobertaModel, "
        "AlbertModel, ElectraModel). For other models give the tensors: see `Seen`."
    )


def check_length(ids, body: BertModel, max_tokens: int) -> None:
    """Refuse what cannot be read or shown."""
    longest = min(max_tokens, body.embeddings.longest)
    if len(ids) > longest:
        way = "shorten the text"
        if longest < body.embeddings.longest:
            way += f" or give max_tokens={len(ids)} (views grow with its square)"
        raise ValueError(
            f"the text has {len(ids)} tokens with the special ones; {longest} are allowed: {way}."
        )


@torch.no_grad()
def watch(body: BertModel, input_ids: Tensor, token_type_ids: Tensor):
    """Run the encoder once: attentions (L, H, T, T), queries and keys (L, H, T, K), on the CPU.

    Hooks on the projections hear their outputs in the order of the layers, also where ALBERT
    passes through one and the same layer several times.
    """
    found = {"query": [], "key": []}
    modules = {layer.attention for layer in body.encoder.layers}  # each once: ALBERT shares

    def listen(attention: nn.Module, name: str):
        def keep(module, inputs, output):
            found[name].append(attention.split_heads(output)[0])  # (H, T, K)

        return getattr(attention, name).register_forward_hook(keep)

    hooks = [listen(module, name) for module in modules for name in found]
    training = {part: part.training for part in body.modules()}
    try:
        output = body.eval()(input_ids, token_type_ids, need_weights=True)
    finally:
        for hook in hooks:
            hook.remove()
        for part, mode in training.items():
            part.training = mode
    queries, keys = (torch.stack(found[name]).float().cpu() for name in ("query", "key"))
    return torch.cat(output.attentions).float().cpu(), queries, keys


def token_labels(tokenizer, ids) -> list[str]:
    """Tokens as they can be read. Byte-level pieces become the text that they stand for; a piece
    that is a part of a character only, its bytes. Ġ stays: it marks a blank before the word."""
    pieces = tokenizer.ids_to_tokens(ids)
    if not isinstance(tokenizer, ByteLevelBPE):
        return pieces
    special = set(tokenizer.special.values())
    return [piece if piece in special else readable(piece) for piece in pieces]


def readable(piece: str) -> str:
    """A byte-level piece as text: "ä½ł" -> "你", "ðŁĺ" -> "\\xf0\\x9f\\x98"."""
    blank = "Ġ" if piece.startswith("Ġ") else ""
    data = bytes(CHAR_TO_BYTE[char] for char in piece[len(blank) :])
    text = data.decode("utf-8", errors="backslashreplace")
    return blank + "".join(c if c.isprintable() and c != " " else f"\\x{ord(c):02x}" for c in text)
