"""Masking: the shares of the paper, what may never be chosen, and what repeats."""

import numpy as np
import pytest
import tiny_run
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.objectives import (
    IGNORED,
    MaskedLM,
    MaskedNgrams,
    ReplacedTokens,
    choose_ngrams,
    choose_positions,
    generator,
    inner_pieces,
    mask_tokens,
    model_inputs,
    no_context_loss,
    pad_rows,
)
from course_lib.tokenization import train_byte_bpe, train_unigram, train_wordpiece

V, MASK = 1000, 4


def draw(batch=400, length=128, **changes):
    """Random ids (no special tokens) and what mask_tokens makes of them."""
    rng = generator(1, 2)
    ids = torch.randint(5, V, (batch, length), generator=rng)
    candidates = torch.ones_like(ids, dtype=torch.bool)
    return ids, *mask_tokens(ids, candidates, MASK, V, generator=rng, **changes)


def test_fifteen_percent_of_every_row_is_chosen():
    _, _, labels = draw(length=100)
    assert ((labels != IGNORED).sum(dim=1) == 15).all()


def test_of_the_chosen_80_are_masked_10_random_10_kept():
    ids, corrupted, labels = draw()
    chosen = labels != IGNORED
    number = int(chosen.sum())  # 7,600: three standard errors of 0.8 are 0.014
    masked = float((corrupted[chosen] == MASK).sum() / number)
    kept = float((corrupted[chosen] == ids[chosen]).sum() / number)
    assert masked == pytest.approx(0.8, abs=0.014)
    assert kept == pytest.approx(0.1 + 0.1 / V, abs=0.011)
    assert 1 - masked - kept == pytest.approx(0.1, abs=0.011)


def test_random_tokens_come_from_the_whole_vocabulary():
    ids, corrupted, _ = draw(batch=2000, rate=1.0, mask_share=0.0, random_share=1.0)
    counts = torch.bincount(corrupted.flatten(), minlength=V).double()
    expected = ids.numel() / V  # 256 each; chi-squared with 999 degrees: 1e-6 above 1,220
    assert float(((counts - expected) ** 2 / expected).sum()) < 1220


def test_what_is_not_chosen_stays_and_labels_hold_the_original():
    ids, corrupted, labels = draw()
    chosen = labels != IGNORED
    assert torch.equal(corrupted[~chosen], ids[~chosen])
    assert torch.equal(labels[chosen], ids[chosen])


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 1.0), st.lists(st.integers(0, 40), min_size=1, max_size=8))
def test_only_candidates_are_chosen_and_at_least_one(rate, counts):
    candidates = torch.arange(40) < torch.tensor(counts)[:, None]
    chosen = choose_positions(candidates, rate, generator(0))
    assert not (chosen & ~candidates).any()
    wanted = (torch.tensor(counts) * rate).round().clamp(min=1).minimum(torch.tensor(counts))
    assert torch.equal(chosen.sum(dim=1), wanted.long())


def test_every_position_is_chosen_equally_often():
    candidates = torch.ones(20_000, 20, dtype=torch.bool)
    share = choose_positions(candidates, 0.15, generator(3)).float().mean(dim=0)
    assert torch.allclose(share, torch.full((20,), 0.15), atol=0.01)


def test_special_tokens_and_padding_are_never_chosen():
    rows = tiny_run.rows()
    batch = tiny_run.OBJECTIVE.batch(rows, range(100), [0] * 100, step=0)
    original = pad_rows(rows, range(100), 0)["input_ids"]
    chosen = batch["labels"] != IGNORED
    assert chosen.any() and not chosen[original < 5].any()


def same(first, second):
    return torch.equal(first["input_ids"], second["input_ids"])


def test_dynamic_masks_change_with_the_step_and_repeat_with_the_seed():
    rows, objective = tiny_run.rows(), tiny_run.OBJECTIVE
    at = [objective.batch(rows, range(20), [0] * 20, step) for step in (7, 7, 8)]
    assert same(at[0], at[1]) and not same(at[0], at[2])


def test_static_masks_repeat_after_their_copies_whatever_the_batch():
    rows = tiny_run.rows()
    objective = MaskedLM(mask_id=4, vocab_size=60, special_ids=frozenset(range(5)), copies=2)
    masks = [objective.batch(rows, [5], [epoch], step=epoch) for epoch in (0, 1, 2)]
    assert same(masks[0], masks[2]) and not same(masks[0], masks[1])
    beside_others = objective.batch(rows, [3, 5], [0, 0], step=9)["labels"][1]
    alone = masks[0]["labels"][0]
    assert torch.equal(beside_others[: len(alone)], alone)


def test_the_parts_of_a_batch_hold_the_whole_and_share_its_counts():
    whole = tiny_run.OBJECTIVE.batch(tiny_run.rows(), range(8), [0] * 8, 0)
    parts = [model_inputs(whole, p, parts=4, processes=2) for p in range(4)]
    ids = torch.cat([p["input_ids"] for p in parts])
    labels = torch.cat([p["masked_labels"] for p in parts])
    assert torch.equal(ids, whole["input_ids"])
    assert torch.equal(labels, whole["labels"][whole["labels"] != IGNORED])
    assert parts[0]["masked_count"] == len(labels) / 2 and parts[0]["pair_count"] == 4


def test_spare_slots_do_not_change_the_loss():
    whole = tiny_run.OBJECTIVE.batch(tiny_run.rows(), range(8), [0] * 8, 0)
    model = tiny_run.model().eval()
    plain, padded = model_inputs(whole), model_inputs(whole, slots=64)
    assert len(padded["masked_labels"]) == 64
    assert torch.allclose(model(**plain).loss, model(**padded).loss, atol=1e-6)


def test_a_batch_with_nothing_to_hide_has_loss_zero():
    ids = torch.tensor([[2, 3], [2, 3]])
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids),
             "labels": torch.full_like(ids, IGNORED)}
    model = tiny_run.model()
    for slots in (0, 4):
        loss = model(**model_inputs(batch, slots=slots)).loss
        loss.backward()
        assert loss == 0 and all(p.grad is None or p.grad.isfinite().all()
                                 for p in model.parameters())


@pytest.mark.parametrize("shares", [(1.0, 0.0), (0.8, 0.1), (0.8, 0.0), (0.5, 0.5)])
def test_no_context_loss_is_that_of_the_best_table_of_guesses(shares):
    """Counted from masked words: for each id that stands at a chosen place, what is behind it."""
    draw = torch.Generator().manual_seed(0)
    words = torch.multinomial(torch.rand(20, generator=draw) ** 3, 300_000, True, generator=draw)
    masks = MaskedLM(20, 20, frozenset(), rate=1.0, mask_share=shares[0], random_share=shares[1])
    seen, _ = mask_tokens(words[None], torch.ones(1, len(words)).bool(), 20, 20, 1.0, *shares, draw)
    pairs = torch.zeros(21, 21).index_put_((seen[0], words), torch.ones(()), accumulate=True)
    pairs = pairs.double() / len(words)
    table = pairs / pairs.sum(1, keepdim=True).clamp_min(1e-12)
    counted = -torch.xlogy(pairs, table.clamp_min(1e-12)).sum()
    assert no_context_loss(words, masks) == pytest.approx(float(counted), abs=5e-3)


@pytest.mark.parametrize("wrong, words", [
    (dict(rate=0.0), "rate is 0.0"), (dict(rate=15), "rate is 15"),
    (dict(mask_share=0.8, random_share=0.3), "sum to at most 1"),
])
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        MaskedLM(mask_id=4, vocab_size=60, special_ids=frozenset(), **wrong)


def test_a_batch_that_cannot_be_split_is_refused():
    whole = tiny_run.OBJECTIVE.batch(tiny_run.rows(), range(9), [0] * 9, 0)
    with pytest.raises(ValueError, match="9 sequences cannot be split evenly into 2 parts"):
        model_inputs(whole, 0, parts=2)


# --- ALBERT's n-grams ---


def runs(chosen):
    """The lengths of the unbroken runs of True in each row, all rows together."""
    edges = torch.nn.functional.pad(chosen.long(), (1, 1)).diff(dim=1)
    return (edges == -1).nonzero()[:, 1] - (edges == 1).nonzero()[:, 1]


def test_a_run_of_n_words_is_as_likely_as_one_over_n():
    candidates = torch.ones(20_000, 128, dtype=torch.bool)
    chosen = choose_ngrams(candidates, 0.03, generator(1))  # four tokens: neighbors are rare
    assert (chosen.sum(dim=1) == 4).all()
    # the last run of a row is cut where the four are full; so the shares to be found are those of
    # lengths drawn with 6 : 3 : 2 and cut in the same way
    rng, counts = np.random.default_rng(0), np.zeros(4)
    for _ in range(40_000):
        room = 4
        while room:
            length = min(room, rng.choice([1, 2, 3], p=[6 / 11, 3 / 11, 2 / 11]))
            counts[length], room = counts[length] + 1, room - length
    share = runs(chosen).clamp(max=4).bincount(minlength=5)[1:4] / len(runs(chosen))
    # two runs may touch and look like one: 3 % of rows, hence the tolerance
    assert np.abs(share.numpy() - counts[1:] / counts.sum()).max() < 0.03


def test_every_position_is_in_a_run_equally_often():
    chosen = choose_ngrams(torch.ones(20_000, 40, dtype=torch.bool), 0.15, generator(3))
    share = chosen.float().mean(dim=0)
    assert torch.allclose(share[2:-2], torch.full((36,), 0.15), atol=0.012)
    assert share.min() > 0.13 and share.max() < 0.17


@settings(max_examples=50, deadline=None)
@given(st.floats(0.05, 0.6), st.integers(0, 10_000), st.integers(1, 4))
def test_runs_are_whole_words_of_candidates_and_not_too_many(rate, seed, longest):
    rng = generator(seed)
    candidates = torch.rand(6, 40, generator=rng) < 0.9
    starts = torch.rand(6, 40, generator=rng) < 0.6
    chosen = choose_ngrams(candidates, rate, rng, starts, longest)
    assert not (chosen & ~candidates).any()
    wanted = (rate * candidates.sum(dim=1)).round().clamp(min=1)
    assert (chosen.sum(dim=1) <= wanted).all()
    for row in range(6):
        for t in range(1, 40):  # a piece that goes on with a word shares its word's fate
            if candidates[row, t] and candidates[row, t - 1] and not starts[row, t]:
                assert chosen[row, t] == chosen[row, t - 1]


def test_without_words_the_share_is_exact():
    candidates = torch.ones(100, 100, dtype=torch.bool)
    candidates[:, [0, 50, 99]] = False
    assert (choose_ngrams(candidates, 0.15, generator(0)).sum(dim=1) == 15).all()


def test_a_word_of_many_pieces_hides_as_a_whole_with_80_10_10():
    rows = tiny_run.rows()
    objective = MaskedNgrams(**tiny_run.IDS, inner_ids=tuple(range(40, 60)))
    batch = objective.batch(rows, range(200), [0] * 200, step=0)
    original = pad_rows(rows, range(200), 0)["input_ids"]
    chosen = batch["labels"] != IGNORED
    inner = original >= 40
    together = inner[:, 1:] & (original[:, :-1] >= 5)
    assert torch.equal(chosen[:, 1:][together], chosen[:, :-1][together])
    masked = float((batch["input_ids"][chosen] == 4).float().mean())
    assert masked == pytest.approx(0.8, abs=4 * (0.16 / int(chosen.sum())) ** 0.5)


TEXTS = ["the river was near the riverbank, and they were unhappy; 2010 was near"] * 20


@pytest.mark.parametrize("learn, size", [(train_wordpiece, 120), (train_byte_bpe, 300),
                                         (train_unigram, 60)])
def test_inner_pieces_are_those_that_go_on_with_a_word(learn, size):
    tokenizer = learn(TEXTS, size)
    inner = set(inner_pieces(tokenizer))
    ids = tokenizer.encode(" the riverbank, unhappy")["input_ids"]
    words = []
    for index in ids[1:-1]:
        piece = tokenizer.ids_to_tokens([index])[0].removeprefix("##").strip("▁Ġ")
        if index in inner:
            words[-1] += piece
        else:
            words.append(piece)
    assert [w for w in words if w] == ["the", "riverbank", ",", "unhappy"]
    assert not inner & set(tokenizer.special_ids)


def test_electra_may_leave_15_percent_visible_as_its_published_code_does():
    objective = ReplacedTokens(**tiny_run.IDS, mask_share=0.85)
    rows = tiny_run.rows(kind="electra")
    batch = objective.batch(rows, range(200), [0] * 200, step=0)
    chosen = batch["labels"] != IGNORED
    masked = batch["input_ids"][chosen] == 4
    assert float(masked.float().mean()) == pytest.approx(0.85, abs=0.06)
    assert torch.equal(batch["input_ids"][chosen][~masked], batch["labels"][chosen][~masked])
