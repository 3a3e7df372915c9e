"""A BERT that reads a picture and its caption as one row of tokens.

As VisualBERT (Li et al. 2019, arXiv:1908.03557) it has one stream and asks for masked words; its
visual tokens are plain patches of the picture (as in ViT, Dosovitskiy et al. 2020,
arXiv:2010.11929) where VisualBERT has detected regions. Pictures are generated: two colored shapes
side by side.

Axes: B pictures, P patches of S x S pixels with 3 colors, T words, D hidden size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.beyond.fitting import fit, small_shape
from course_lib.config import ModelConfig
from course_lib.encoder import Encoder, init_weights
from course_lib.heads import MLMHead
from course_lib.objectives import generator

COLORS = {"red": (0.9, 0.1, 0.1), "green": (0.1, 0.7, 0.2), "blue": (0.1, 0.3, 0.9),
          "yellow": (0.95, 0.85, 0.1), "black": (0.05, 0.05, 0.05)}  # fmt: skip
SHAPES = ("square", "circle", "cross", "triangle")
SIDE, PATCH = 8, 4  # pixels of a shape's field and of a patch
WORDS = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "a", "left", "of", "right", *COLORS, *SHAPES]
ID = {word: number for number, word in enumerate(WORDS)}


def shape_pixels(name: str) -> Tensor:
    """(SIDE, SIDE), True inside the shape."""
    y, x = torch.meshgrid(*2 * [torch.arange(SIDE) - (SIDE - 1) / 2], indexing="ij")
    return {"square": (x.abs() < 3) & (y.abs() < 3), "circle": x**2 + y**2 < 10,
            "cross": (x.abs() < 1) | (y.abs() < 1),
            "triangle": (y > 2 * x.abs() - 4) & (y < 3)}[name]  # fmt: skip


def sample(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
    """Pictures (B, 3, SIDE, 2 SIDE) with noise, captions as ids (B, 8), and captions as text.

    "a red square left of a blue circle" or "... right of ...": half of the captions begin with the
    shape on the right.
    """
    fields, captions, white = [], [], torch.ones(3, 1, 1)
    colors, shapes = list(COLORS), [shape_pixels(name) for name in SHAPES]
    draws = torch.randint(1 << 30, (count, 5), generator=generator).tolist()
    for c1, s1, c2, s2, turned in draws:
        pair = [(colors[c1 % 5], s1 % 4), (colors[c2 % 5], s2 % 4)]
        halves = [torch.where(shapes[s], torch.tensor(COLORS[c])[:, None, None], white)
                  for c, s in pair]  # fmt: skip
        fields.append(torch.cat(halves, dim=2))  # (3, SIDE, 2 SIDE)
        side = ("left", "right")[turned % 2]
        first, second = pair[:: -1 if turned % 2 else 1]
        names = [f"a {color} {SHAPES[s]}" for color, s in (first, second)]
        captions.append(f" {side} of ".join(names))
    pictures = torch.stack(fields)
    pictures = pictures + 0.1 * torch.randn(pictures.shape, generator=generator)
    ids = torch.tensor([[ID[word] for word in caption.split()] for caption in captions])
    return pictures, ids, captions


def patches(pictures: Tensor) -> Tensor:
    """(B, 3, h, w) -> (B, P, 3 S S): squares of S x S pixels, row by row."""
    cut = pictures.unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)  # (B, 3, h/S, w/S, S, S)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


class PictureBert(nn.Module):
    """[CLS] words [SEP] patches: one row, one encoder, and two kinds of segment."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.word = nn.Embedding(config.vocab_size, config.hidden_size)
        self.patch = nn.Linear(3 * PATCH**2, config.hidden_size)  # a patch's "embedding"
        self.position = nn.Embedding(config.max_positions, config.hidden_size)
        self.segment = nn.Embedding(2, config.hidden_size)  # 0 = words, 1 = patches
        self.norm = nn.LayerNorm(config.hidden_size)
        self.encoder = Encoder(config)
        self.mlm = MLMHead(config, self.word)
        init_weights(self, config)

    def forward(self, ids: Tensor, pictures: Tensor | None = None) -> Tensor:
        """ids (B, T) with [MASK], pictures (B, 3, h, w) or none -> scores (B, T, V)."""
        tokens = self.word(ids) + self.segment.weight[0]
        if pictures is not None:
            seen = self.patch(patches(pictures)) + self.segment.weight[1]  # (B, P, D)
            tokens = torch.cat([tokens, seen], dim=1)  # (B, T + P, D)
        hidden = self.norm(tokens + self.position.weight[: tokens.shape[1]])
        return self.mlm(self.encoder(hidden).hidden_states[-1][:, : ids.shape[1]])


KINDS = {"color": (1, 6), "shape": (2, 7), "side": (3,)}  # where these words stand in a caption


def train(steps: int, seed: int, with_picture: bool = True) -> PictureBert:
    """Learn captions of which each word but "a" and "of" is hidden by the toss of a coin."""
    torch.manual_seed(seed)
    model = PictureBert(small_shape(len(WORDS), 16))
    places = torch.tensor(sorted(sum(KINDS.values(), ())))

    def loss_of(step):
        drawn, ids, _ = sample(64, generator(seed, step))
        hidden = torch.zeros_like(ids, dtype=torch.bool)
        coins = torch.rand(len(ids), len(places), generator=generator(seed, step, 1))
        hidden[:, places] = coins < 0.5
        logits = model(ids.masked_fill(hidden, ID["[MASK]"]), drawn if with_picture else None)
        return F.cross_entropy(logits[hidden], ids[hidden])

    fit(model, loss_of, steps)
    return model


@torch.no_grad()
def accuracy(model: PictureBert, test, with_picture: bool = True) -> dict[str, float]:
    """Share of words guessed right, each hidden alone, for each kind of word."""
    drawn, ids, _ = test
    found = {}
    for kind, places in KINDS.items():
        hits = []
        for place in places:
            hidden = ids.clone()
            hidden[:, place] = ID["[MASK]"]
            said = model(hidden, drawn if with_picture else None)[:, place].argmax(-1)
            hits.append((said == ids[:, place]).float().mean())
        found[kind] = round(float(sum(hits) / len(hits)), 4)
    return found
