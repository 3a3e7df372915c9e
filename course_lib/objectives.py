"""What a model is asked to do in pre-training: hidden words, and whether two texts belong together.

Sources: Devlin et al. 2019 (arXiv:1810.04805), section 3.1 and appendix A.1 (masked LM, next
sentence prediction); Liu et al. 2019 (arXiv:1907.11692), section 4 (dynamic masks,
FULL-SENTENCES); Lan et al. 2020 (arXiv:1909.11942), section 4.1 (n-gram masks, ALBERT); Clark et
al. 2020 (arXiv:2003.10555), section 2 (replaced tokens, ELECTRA).

Axes: B sequences, T tokens. Labels are -100 where nothing is to be predicted.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor

from course_lib.tokenization import WordPiece

IGNORED = -100  # PyTorch's "no loss here"


def generator(*numbers: int) -> torch.Generator:
    """A random generator that depends on these numbers alone, for example (seed, step)."""
    state = np.random.SeedSequence([int(n) for n in numbers]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def choose_positions(
    candidates: Tensor, rate: float, generator: torch.Generator | None = None
) -> Tensor:
    """Choose the share `rate` of each row's candidates (B, T), at least one -> boolean (B, T)."""
    lottery = torch.rand(candidates.shape, generator=generator).masked_fill(~candidates, 2.0)
    rank = lottery.argsort(dim=1).argsort(dim=1)  # 0 for the smallest number in the row
    wanted = (rate * candidates.sum(dim=1, keepdim=True)).round().clamp(min=1)
    return (rank < wanted) & candidates


def mask_tokens(
    input_ids: Tensor,
    candidates: Tensor,
    mask_id: int,
    vocab_size: int,
    rate: float = 0.15,
    mask_share: float = 0.8,
    random_share: float = 0.1,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hide words as BERT does (section 3.1): of the chosen 15 %, 80 % become [MASK], 10 % a random
    token, 10 % stay.

    input_ids (B, T); candidates (B, T), False at special tokens and padding.
    Returns the corrupted ids (B, T) and the labels (B, T): the original id where chosen, else -100.
    """
    chosen = choose_positions(candidates, rate, generator)
    labels = input_ids.masked_fill(~chosen, IGNORED)
    fate = torch.rand(input_ids.shape, generator=generator)
    random_ids = torch.randint(vocab_size, input_ids.shape, generator=generator)
    corrupted = input_ids.masked_fill(chosen & (fate < mask_share), mask_id)
    swapped = chosen & (fate >= mask_share) & (fate < mask_share + random_share)
    return torch.where(swapped, random_ids, corrupted), labels


def choose_ngrams(
    candidates: Tensor,
    rate: float,
    generator: torch.Generator | None = None,
    starts: Tensor | None = None,
    longest: int = 3,
) -> Tensor:
    """Choose runs of 1 to `longest` whole words, of n words with probability proportional to 1/n,
    until the share `rate` of each row's candidates is full (ALBERT, section 4.1).

    candidates (B, T); starts (B, T), True where a word begins (default: each token is a word).
    The words of a row are cut into runs, and the runs drawn by lot; a word that no longer fits in
    whole is left out. No run crosses a special token. Returns boolean (B, T).
    """
    begins = torch.ones_like(candidates) if starts is None else starts
    begins = begins | ~candidates | ~candidates.roll(1, dims=1)  # also at and after special tokens
    begins[:, 0] = True
    word = begins.long().cumsum(dim=1) - 1  # (B, T): the number of each token's word
    share = 1 / torch.arange(1, longest + 1)
    lengths = torch.multinomial(share, candidates.numel(), True, generator=generator) + 1
    ends = lengths.view_as(word).cumsum(dim=1)  # (B, T): run r ends before word ends[r]
    run = torch.searchsorted(ends, word, right=True) + (~candidates).long().cumsum(dim=1)
    lots = torch.rand(len(word), 2 * word.shape[1], generator=generator).gather(1, run)
    rank = lots.masked_fill(~candidates, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
    last = torch.zeros_like(word).scatter_reduce(1, word, rank, "amax").gather(1, word)
    wanted = (rate * candidates.sum(dim=1, keepdim=True)).round().clamp(min=1)
    return (last < wanted) & candidates  # a word is in if its last token is


@dataclass(frozen=True)
class MaskedLM:
    """Turns rows of a data set into batches for the masked language model.

    `copies` is the number of different masks a row ever gets: None draws a new one each time
    (dynamic, RoBERTa section 4.1), 1 always the same, 10 is BERT's data prepared ten times over.
    """

    mask_id: int
    vocab_size: int
    special_ids: frozenset[int]  # never chosen: [CLS], [SEP], [PAD] and the like
    pad_id: int = 0
    rate: float = 0.15
    mask_share: float = 0.8
    random_share: float = 0.1
    copies: int | None = None
    seed: int = 0
    pair: str = field(default="nsp", repr=False)  # the question that pairs of texts are asked

    def __post_init__(self):
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate is {self.rate}; it must be above 0 and at most 1 (paper: 0.15)")
        if min(self.mask_share, self.random_share) < 0 or self.mask_share + self.random_share > 1:
            raise ValueError(
                f"mask_share {self.mask_share} and random_share {self.random_share} must be shares "
                "that sum to at most 1 (paper: 0.8 and 0.1); the rest stays unchanged."
            )

    @classmethod
    def from_tokenizer(cls, tokenizer, **settings) -> "MaskedLM":
        """Take the ids from a tokenizer of `course_lib.tokenization`."""
        return cls(
            mask_id=tokenizer.mask_id, vocab_size=tokenizer.vocab_size,
            special_ids=frozenset(tokenizer.special_ids), pad_id=tokenizer.pad_id, **settings,
        )

    def batch(self, rows: Dataset, indices, epochs, step: int) -> dict[str, Tensor]:
        """The rows at these indices as tensors (B, T), corrupted, with `labels`.

        Dynamic masks depend on (seed, step); static ones on (seed, index, epoch mod copies).
        """
        batch = pad_rows(rows, indices, self.pad_id)
        ids = batch["input_ids"]
        special = torch.tensor(sorted(self.special_ids | {self.pad_id}))
        candidates = ~torch.isin(ids, special)
        if self.copies is None:
            parts = [self._mask(ids, candidates, generator(self.seed, step))]
        else:
            parts = [
                self._mask(ids[b : b + 1], candidates[b : b + 1],
                           generator(self.seed, int(index), int(epoch) % self.copies))
                for b, (index, epoch) in enumerate(zip(indices, epochs, strict=True))
            ]
        batch["input_ids"], batch["labels"] = (torch.cat(p) for p in zip(*parts, strict=True))
        return batch

    def _mask(self, ids, candidates, generator):
        return mask_tokens(
            ids, candidates, self.mask_id, self.vocab_size, self.rate, self.mask_share,
            self.random_share, generator,
        )


@dataclass(frozen=True)
class MaskedNgrams(MaskedLM):
    """ALBERT's masks: runs of up to three whole words, else as BERT's."""

    longest: int = 3
    inner_ids: tuple[int, ...] = field(default=(), repr=False)  # pieces that go on with a word
    pair: str = field(default="sop", repr=False)

    @classmethod
    def from_tokenizer(cls, tokenizer, **settings) -> "MaskedNgrams":
        return super().from_tokenizer(tokenizer, inner_ids=inner_pieces(tokenizer), **settings)

    def _mask(self, ids, candidates, generator):
        starts = ~torch.isin(ids, torch.tensor(self.inner_ids, dtype=torch.long))
        chosen = choose_ngrams(candidates, self.rate, generator, starts, self.longest)
        return mask_tokens(  # of these, all
            ids, chosen, self.mask_id, self.vocab_size, 1.0, self.mask_share, self.random_share,
            generator,
        )


def inner_pieces(tokenizer) -> tuple[int, ...]:
    """The ids of pieces that go on with a word: ##ing in WordPiece; in the other vocabularies a
    piece that starts with a letter or digit, and not with the mark of a blank (▁ or Ġ)."""
    if isinstance(tokenizer, WordPiece):
        inner = {index for piece, index in tokenizer.vocab.items() if piece.startswith("##")}
    else:
        inner = {index for piece, index in tokenizer.vocab.items()
                 if piece[:1].isalnum() and piece[0] != "Ġ"}
    return tuple(sorted(inner - set(tokenizer.special_ids)))


@dataclass(frozen=True)
class ReplacedTokens(MaskedLM):
    """ELECTRA's masks: all chosen tokens become [MASK], as in the paper's equations; the generator
    fills them. (The published code leaves 15 % of them as they are, mask_share=0.85: words that the
    generator sees and mostly repeats, so that fewer are replaced.)

    Batches carry a number between 0 and 1 for each token, by which the generator's words are drawn:
    so they do not depend on how a batch is split; and the number of real tokens in the whole batch,
    over which the discriminator's loss is a mean.
    """

    mask_share: float = 1.0
    random_share: float = 0.0

    def batch(self, rows: Dataset, indices, epochs, step: int) -> dict[str, Tensor]:
        batch = super().batch(rows, indices, epochs, step)
        shape = batch["input_ids"].shape
        batch["chances"] = torch.rand(shape, generator=generator(self.seed, step, 0, 1))
        batch["token_count"] = batch["attention_mask"].sum()
        return batch


def pad_rows(rows: Dataset, indices, pad_id: int) -> dict[str, Tensor]:
    """Rows with a column `input_ids` (and maybe `token_type_ids`, `next_sentence_label`) as
    tensors, filled up to the longest; `attention_mask` (B, T) is 1 at real tokens."""
    table = rows.with_format("arrow")[np.asarray(indices)]
    lists = table["input_ids"].combine_chunks()
    lengths = torch.from_numpy(np.diff(lists.offsets.to_numpy()).astype(np.int64))
    real = torch.arange(int(lengths.max())) < lengths[:, None]  # (B, T)
    batch = {"attention_mask": real.long()}
    for name, filler in (("input_ids", pad_id), ("token_type_ids", 0)):
        if name in table.column_names:
            flat = table[name].combine_chunks().flatten().to_numpy().astype(np.int64)
            batch[name] = torch.full(real.shape, filler).masked_scatter(
                real, torch.from_numpy(flat)
            )
    if "next_sentence_label" in table.column_names:
        labels = table["next_sentence_label"].to_numpy().astype(np.int64)
        batch["next_sentence_label"] = torch.from_numpy(labels)
    return batch


def model_inputs(
    batch: dict[str, Tensor], part: int = 0, parts: int = 1, processes: int = 1, slots: int = 0
) -> dict[str, Tensor]:
    """Part `part` of `parts` of a batch, as arguments of `BertForPreTraining` or a relative.

    The (B, T) labels become the N chosen positions and their ids. Counts are those of the whole
    batch divided by the number of processes, so that losses add up over parts and average over
    processes to the mean of the whole batch. `slots` > 0 fills N up to that many with
    ignored ones: a fixed shape, which a compiled model needs.
    """
    size = len(batch["input_ids"])
    if size % parts:
        raise ValueError(
            f"a batch of {size} sequences cannot be split evenly into {parts} parts "
            "(processes x micro-batches): choose a batch size that is a multiple of it."
        )
    rows = slice(part * size // parts, (part + 1) * size // parts)
    inputs = {name: values[rows] for name, values in batch.items() if values.ndim}
    labels = inputs.pop("labels").flatten()
    positions = (labels != IGNORED).nonzero().squeeze(1)  # (N,)
    missing = max(0, slots - len(positions))
    inputs["masked_positions"] = F.pad(positions, (0, missing))
    inputs["masked_labels"] = F.pad(labels[positions], (0, missing), value=IGNORED)
    if "chances" in inputs:
        inputs["chances"] = F.pad(inputs["chances"].flatten()[positions], (0, missing))
    if bool(inputs["attention_mask"].all()):
        del inputs["attention_mask"]  # nothing to hide: the quicker path
    # at least 1: a batch of special tokens alone has loss 0, not 0 / 0
    inputs["masked_count"] = (batch["labels"] != IGNORED).sum().clamp(min=1) / processes
    if "next_sentence_label" in inputs:
        inputs["pair_count"] = torch.tensor(size / processes)
    if "token_count" in batch:
        inputs["token_count"] = batch["token_count"] / processes
    return inputs


def flat_ids(rows: Dataset, limit: int) -> Tensor:
    """The ids of the first `limit` rows, laid end to end."""
    table = rows.with_format("arrow")[: min(limit, len(rows))]
    return torch.tensor(table["input_ids"].combine_chunks().flatten().to_numpy()).long()


def no_context_loss(words: Tensor, objective: MaskedLM) -> float:
    """Loss in nats of the best guess that sees what stands at a chosen place, but no neighbor.

    words: the ids of a text without its special tokens. Give many: a sample of a few thousand
    repeats too few words, and its loss is too small.

    Where [MASK] stands, that is the entropy of the words' frequencies. Where a word x stands, it
    is the right one (a share of `keep` of all chosen places, drawn with its frequency p) or a
    random one of V, so the best guess gives x the probability keep p(x) / (keep p(x) + random / V)
    and shares out the rest by frequency. With 80/10/10 this alone saves more than half a nat.
    """
    random = objective.random_share / objective.vocab_size
    keep = 1 - objective.mask_share - objective.random_share
    p = torch.bincount(words, minlength=objective.vocab_size).double()
    p /= p.sum()
    entropy = -torch.xlogy(p, p).sum()
    stands = keep * p + random  # how often each word stands at a chosen place, right or wrong
    right, wrong = (keep + random) * p, random * (1 - p)
    loss = objective.mask_share * entropy
    if keep or random:
        loss -= torch.xlogy(right, right / stands.clamp_min(1e-300)).sum()
    if random:
        loss += random * entropy * (len(p) - 1) + (wrong * (stands / random).log()).sum()
    return float(loss)
