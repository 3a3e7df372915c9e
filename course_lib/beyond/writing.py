"""Writing with a model: from left to right, or by Gibbs sampling from a masked model.

Sources: Wang and Cho 2019 (arXiv:1902.04094) for Gibbs sampling from BERT; Ghazvininejad et al.
2019 (arXiv:1904.09324) for training with all shares of hidden words (`any_share`).

Rows are [CLS] words [SEP] padding. Axes: B rows, T tokens, V vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.attention import causal_mask
from course_lib.objectives import IGNORED, mask_tokens


def see_left(ids: Tensor) -> Tensor:
    """(B, T, T), 1 where the column is not to the right of the row: a BERT becomes a GPT."""
    return causal_mask(ids.shape[1]).long().expand(len(ids), -1, -1)


def left_to_right_loss(model: nn.Module, ids: Tensor, pad_id: int = 0) -> Tensor:
    """Each token from those before it: ids (B, T) -> mean loss."""
    logits = model(ids, attention_mask=see_left(ids)).mlm_logits[:, :-1]  # (B, T - 1, V)
    return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=pad_id)


def masked_loss(
    model: nn.Module, ids: Tensor, tokenizer, generator: torch.Generator, any_share: bool = False
) -> Tensor:
    """15 % of each row hidden as BERT does; any_share: from one word to all, always by [MASK]."""
    words = ~torch.isin(ids, torch.tensor(sorted(tokenizer.special_ids)))  # (B, T)
    options = dict(generator=generator)
    if any_share:
        share = torch.rand((), generator=generator).clamp(min=0.05).item()
        options |= dict(rate=share, mask_share=1.0, random_share=0.0)
    hidden, labels = mask_tokens(ids, words, tokenizer.mask_id, tokenizer.vocab_size, **options)
    logits = model(hidden, attention_mask=(ids != tokenizer.pad_id).long()).mlm_logits
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)


def allowed(logits: Tensor, tokenizer, ends: bool = False) -> Tensor:
    """The scores with special tokens shut out; ends: [SEP] may come."""
    shut = [i for i in tokenizer.special_ids if not (ends and i == tokenizer.sep_id)]
    return logits.index_fill(-1, torch.tensor(shut), -torch.inf)


@torch.no_grad()
def write_left_to_right(model, tokenizer, rows: int, longest: int, generator) -> Tensor:
    """Draw word after word until [SEP]: (rows, longest + 2) ids. The model chooses the length."""
    ids = torch.full((rows, 1), tokenizer.cls_id)
    done = torch.zeros(rows, dtype=torch.bool)
    for _ in range(longest + 1):
        scores = model(ids, attention_mask=see_left(ids)).mlm_logits[:, -1]  # (B, V)
        drawn = torch.multinomial(allowed(scores, tokenizer, True).softmax(-1), 1,
                                  generator=generator).squeeze(1)  # fmt: skip
        ids = torch.cat([ids, drawn.masked_fill(done, tokenizer.pad_id)[:, None]], dim=1)
        done |= drawn == tokenizer.sep_id
    return ids


@torch.no_grad()
def write_by_gibbs(model, tokenizer, lengths: Tensor, sweeps: int, generator) -> Tensor:
    """Begin with [MASK] alone; then hide and redraw one place after another, in a new order each
    sweep. lengths (B,): words in each row; a masked model must be told. Returns ids (B, T)."""
    ids = torch.full((len(lengths), int(lengths.max()) + 2), tokenizer.pad_id)
    places = torch.arange(ids.shape[1])
    ids[(places > 0) & (places <= lengths[:, None])] = tokenizer.mask_id
    ids[:, 0] = tokenizer.cls_id
    ids[torch.arange(len(ids)), lengths + 1] = tokenizer.sep_id
    real = (ids != tokenizer.pad_id).long()
    for _ in range(sweeps):
        lottery = torch.rand(ids.shape, generator=generator)
        order = lottery.masked_fill((places == 0) | (places > lengths[:, None]), 2.0).argsort(1)
        for turn in range(int(lengths.max())):
            row = (turn < lengths).nonzero().squeeze(1)  # rows with a word left
            place = order[row, turn]
            ids[row, place] = tokenizer.mask_id
            scores = model(ids[row], attention_mask=real[row]).mlm_logits
            scores = allowed(scores[torch.arange(len(row)), place], tokenizer)
            drawn = torch.multinomial(scores.softmax(-1), 1, generator=generator)
            ids[row, place] = drawn.squeeze(1)
    return ids


def words_of(ids: Tensor, tokenizer) -> list[list[str]]:
    """Rows of ids as lists of words, without special tokens."""
    return [[tokenizer.ids_to_tokens([i])[0] for i in row if i not in tokenizer.special_ids]
            for row in ids.tolist()]
