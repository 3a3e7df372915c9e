"""Small models at the end of the course: what may see what, what is counted, what is judged."""

import math

import pytest
import torch

from course_lib import tinyworld
from course_lib.bert import BertForPreTraining
from course_lib.beyond import bias, fit, pictures, secrets, segments, small_shape, writing
from course_lib.beyond.orders import order_masks, two_streams
from course_lib.objectives import generator
from course_lib.tinyworld.sentences import has_form, is_sentence

TOKENIZER = tinyworld.tokenizer()


def tiny(**changes):
    shape = dict(hidden_size=16, num_heads=2, intermediate_size=32, num_layers=1)
    return small_shape(TOKENIZER.vocab_size, 32, **shape | changes)


# --- sentences ---


def test_what_tinyworld_writes_is_accepted():
    for document in tinyworld.documents(60, seed=3):
        for number in range(len(document.sentences)):
            words = [t.text.lower() for t in document.tokens if t.sentence == number]
            assert is_sentence(words) and has_form(words), words


@pytest.mark.parametrize("text, form", [
    ("on monday anna are oiling the red clock at the mill .", True),  # agreement
    ("on monday anna is oiling the red bread at the mill .", True),  # topic
    ("while he is at the mill , anna is oiling the clock .", True),  # pronoun
    ("while she was at the mill , anna is oiling the clock .", True),  # tense
    ("the clock is solid and broken .", True),  # mood
    ("on monday anna is oiling the red clock at the mill", False),
    ("on monday is anna oiling the red clock at the mill .", False),
    ("", False),
])  # fmt: skip
def test_what_tinyworld_would_not_write_is_refused(text, form):
    assert not is_sentence(text.split()) and has_form(text.split()) is form


# --- writing ---


def test_a_left_to_right_loss_sees_nothing_to_the_right():
    torch.manual_seed(0)
    model = BertForPreTraining(tiny()).eval()
    ids = torch.randint(5, 200, (2, 8))
    changed = ids.clone()
    changed[:, 5] = 9
    left = writing.see_left(ids)
    before, after = (model(x, attention_mask=left).mlm_logits for x in (ids, changed))
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:], atol=1e-3)


def test_both_ways_of_writing_give_rows_of_words():
    torch.manual_seed(0)
    model = BertForPreTraining(tiny()).eval()
    lengths = torch.tensor([3, 5])
    ids = writing.write_by_gibbs(model, TOKENIZER, lengths, 2, generator(1))
    assert [len(words) for words in writing.words_of(ids, TOKENIZER)] == [3, 5]
    assert TOKENIZER.mask_id not in ids and (ids[:, 0] == TOKENIZER.cls_id).all()
    assert torch.equal(ids, writing.write_by_gibbs(model, TOKENIZER, lengths, 2, generator(1)))
    rows = writing.write_left_to_right(model, TOKENIZER, 3, 6, generator(1))
    assert rows.shape == (3, 8) and TOKENIZER.mask_id not in rows


def test_a_loop_that_fits():
    model = torch.nn.Linear(1, 1)
    losses = fit(model, lambda step: (model(torch.ones(1, 1)) - 3).square().sum(), 200, rate=0.1)
    assert losses[-1] < 0.01 * losses[0] and not model.training


# --- segments ---


def test_the_past_is_seen_and_the_future_is_not():
    torch.manual_seed(0)
    model = segments.SegmentModel(tiny(num_layers=2)).eval()
    ids = torch.randint(5, 200, (1, 8))
    _, kept = model(ids[:, :4])
    whole, (first, _), later = model(ids)[0], model(ids[:, :4]), model(ids[:, 4:], kept)[0]
    assert torch.allclose(whole[:, :4], first, atol=1e-5)
    assert torch.allclose(whole[:, 4:], later, atol=1e-5)  # kept states are those of one long row
    assert not torch.allclose(later, model(ids[:, 4:])[0], atol=1e-3)
    assert all(not states.requires_grad for states in kept)


def test_a_window_for_each_word_agrees_with_the_segment_at_its_last_place():
    torch.manual_seed(0)
    model = segments.SegmentModel(tiny()).eval()
    text = segments.streams(20, 0, TOKENIZER, 4)
    anew = segments.loss_by_place(model, text, 8, False)
    windows = segments.loss_by_place(model, text, 8, False, sliding=True)
    assert anew[-1] == pytest.approx(windows[-1], abs=1e-3) and anew[0] != windows[0]


# --- orders ---


def test_masks_of_the_usual_order_are_those_of_a_left_to_right_model():
    content, query = order_masks(torch.arange(4))
    assert torch.equal(content, torch.ones(4, 4).tril().bool())
    assert torch.equal(query, torch.ones(4, 4).tril(-1).bool())


def test_an_order_is_followed():
    content, query = order_masks(torch.tensor([2, 0, 1]))
    assert query.tolist() == [[False, False, True], [True, False, True], [False, False, False]]
    assert torch.equal(content, query | torch.eye(3, dtype=torch.bool))
    both = two_streams(torch.tensor([2, 0, 1]))
    assert both.shape == (6, 6) and not both[:3, 3:].any()
    assert torch.equal(both[3:, 3:], torch.eye(3, dtype=torch.bool))


# --- bias ---


def test_the_corpus_has_what_was_planted():
    texts = bias.corpus(4000, 0)
    for job in ("pilot", "nurse"):
        about = [text for text in texts if f"the {job} " in text]
        she = sum(" she is" in text for text in about) / len(about)
        assert abs(she - bias.SHE_SHARE[job]) < 0.06
    named = [text.split() for text in texts if not text.startswith("the")]
    assert all(("she" in words) == (words[0] in bias.WOMEN) for words in named)


def test_copies_with_all_gender_words_swapped_are_even_and_keep_names_right():
    texts = bias.augmented(["nora the pilot is at the market . she is reading ."])
    assert texts[1] == f"{bias.NAMES['nora']} the pilot is at the market . he is reading ."
    assert bias.NAMES[bias.NAMES["nora"]] == "nora"


# --- secrets ---


def test_exposure_by_hand():
    scores = torch.tensor([0.1, 0.9, 0.3, 0.2])
    assert secrets.exposure(scores, 1) == 2 and secrets.exposure(scores, 2) == 1
    assert secrets.exposure(scores, 0) == 0


def test_scores_of_secrets_are_log_probabilities_of_all():
    torch.manual_seed(0)
    model = BertForPreTraining(small_shape(secrets.VOCABULARY.vocab_size, 32)).eval()
    ids = torch.tensor(secrets.VOCABULARY.encode("the number for anna berg is 1 2 .")["input_ids"])
    first = int((ids == secrets.DIGITS[1]).nonzero()[0])
    places = [first, first + 1]
    scores = secrets.secret_scores(model, ids, places, secrets.DIGITS, secrets.VOCABULARY.mask_id)
    assert scores.shape == (100,) and scores.exp().sum() == pytest.approx(1, abs=1e-4)
    ids[places] = secrets.VOCABULARY.mask_id
    one = model(ids[None]).mlm_logits[0, first, secrets.DIGITS].log_softmax(-1)[1]
    ids[first] = secrets.DIGITS[1]
    two = model(ids[None]).mlm_logits[0, first + 1, secrets.DIGITS].log_softmax(-1)[2]
    assert float(scores[12]) == pytest.approx(float(one + two), abs=1e-4)


def test_people_and_their_counts():
    found = secrets.people((0, 1, 4, 16, 64), 0)
    assert len(found) == 10 and sorted(count for count, _ in found.values()) == [
        0, 0, 1, 1, 4, 4, 16, 16, 64, 64]  # fmt: skip
    assert math.isclose(math.log2(10**4), 13.29, abs_tol=0.01)


# --- pictures ---


def test_a_caption_says_what_the_picture_shows():
    drawn, ids, captions = pictures.sample(40, generator(0))
    assert drawn.shape == (40, 3, 8, 16) and ids.shape == (40, 8)
    for picture, caption in zip(drawn, captions, strict=True):
        _, color, _, side, _, _, other, _ = caption.split()
        for half, name in enumerate((color, other) if side == "left" else (other, color)):
            pixels = picture[:, 3:5, 8 * half + 3 : 8 * half + 5].mean((1, 2))  # the middle
            wanted = torch.tensor(pictures.COLORS[name])
            assert (pixels - wanted).abs().max() < 0.35, (caption, pixels)


def test_patches_are_squares_row_by_row():
    picture = torch.arange(3 * 8 * 16).view(1, 3, 8, 16).float()
    cut = pictures.patches(picture)
    assert cut.shape == (1, 8, 48)
    assert torch.equal(cut[0, 1].view(3, 4, 4), picture[0, :, :4, 4:8])


def test_the_picture_changes_what_is_said_of_hidden_words():
    torch.manual_seed(0)
    model = pictures.PictureBert(small_shape(len(pictures.WORDS), 16)).eval()
    drawn, ids, _ = pictures.sample(2, generator(0))
    assert model(ids, drawn).shape == model(ids).shape == (2, 8, len(pictures.WORDS))
    assert not torch.allclose(model(ids, drawn), model(ids, drawn.flip(0)), atol=1e-4)
