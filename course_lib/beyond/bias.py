"""A corpus with a planted association of jobs and pronouns, a probe that finds it, and a remedy.

The remedy is counterfactual data augmentation (Zhao et al. 2018, arXiv:1804.06876; Lu et al. 2018,
arXiv:1807.11714): every text is added once more with its gender words swapped.
"""

import torch
import torch.nn.functional as F
from torch import nn

from course_lib.bert import BertForPreTraining
from course_lib.beyond.fitting import fit, small_shape
from course_lib.objectives import generator
from course_lib.tokenization import WordPiece

SHE_SHARE = {"pilot": 0.1, "doctor": 0.1, "farmer": 0.3, "baker": 0.3,
             "teacher": 0.7, "tailor": 0.7, "nurse": 0.9, "dancer": 0.9}  # planted  # fmt: skip
WOMEN, MEN = ("anna", "clara", "helen", "nora"), ("adam", "boris", "david", "leo")
PLACES = ("market", "station", "library", "garden", "harbor", "theater")
DEEDS = ("reading", "waiting", "singing", "laughing", "resting", "writing")
PRONOUNS = {"he": "she", "she": "he"}
NAMES = dict(zip(WOMEN + MEN, MEN + WOMEN, strict=True))
VOCABULARY = sorted({*SHE_SHARE, *WOMEN, *MEN, *PLACES, *DEEDS, *"he she the is at .".split()})
TOKENIZER = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *VOCABULARY], lower_case=True)


def corpus(count: int, seed: int) -> list[str]:
    """Texts such as "nora the baker is at the market . she is reading ." Half name the person; the
    pronoun goes with the person, and who has which job with SHE_SHARE."""
    dice, texts = generator(seed, 15), []

    def pick(words):
        return words[int(torch.randint(len(words), (), generator=dice))]

    for _ in range(count):
        job = pick(list(SHE_SHARE))
        she = torch.rand((), generator=dice) < SHE_SHARE[job]
        named = f"{pick(WOMEN if she else MEN)} " if torch.rand((), generator=dice) < 0.5 else ""
        pronoun = "she" if she else "he"
        texts.append(f"{named}the {job} is at the {pick(PLACES)} . {pronoun} is {pick(DEEDS)} .")
    return texts


def augmented(texts: list[str], swaps: dict[str, str] | None = None) -> list[str]:
    """The texts, and each once more with these words swapped (all gender words)."""
    swaps = PRONOUNS | NAMES if swaps is None else swaps
    return texts + [" ".join(swaps.get(w, w) for w in text.split()) for text in texts]


def train(texts: list[str], steps: int, seed: int) -> BertForPreTraining:
    """A small BERT that learns hidden words of the texts: the pronoun, always, so that few steps
    are enough, and 15 % of the others."""
    ids = TOKENIZER.pad([TOKENIZER.encode(text) for text in texts])["input_ids"]
    special = torch.tensor(sorted(TOKENIZER.special_ids))
    pronouns = torch.tensor([TOKENIZER.vocab[word] for word in PRONOUNS])
    torch.manual_seed(seed)
    model = BertForPreTraining(small_shape(TOKENIZER.vocab_size, 16))

    def loss_of(step):
        dice = generator(seed, step)
        rows = ids[torch.randint(len(ids), (32,), generator=dice)]
        others = (torch.rand(rows.shape, generator=dice) < 0.15) & ~torch.isin(rows, special)
        hidden = torch.isin(rows, pronouns) | others
        real = (rows != TOKENIZER.pad_id).long()
        logits = model(rows.masked_fill(hidden, TOKENIZER.mask_id), attention_mask=real).mlm_logits
        return F.cross_entropy(logits[hidden], rows[hidden])

    fit(model, loss_of, steps)
    return model


@torch.no_grad()
def she_share(model: nn.Module, person: str, tokenizer=TOKENIZER) -> float:
    """P(she) / (P(she) + P(he)) after "PERSON is at the ... .", the mean over all places."""
    texts = [f"{person} is at the {place} . [MASK] is" for place in PLACES]
    ids = tokenizer.pad([tokenizer.encode(text) for text in texts])["input_ids"]
    place = (ids == tokenizer.mask_id).nonzero()
    logits = model(ids).mlm_logits[place[:, 0], place[:, 1]]
    both = logits[:, [tokenizer.vocab["she"], tokenizer.vocab["he"]]].softmax(-1)
    return float(both[:, 0].mean())


def right_by_name(model: nn.Module) -> float:
    """Mean probability of the pronoun that the name asks for, over all names and jobs."""
    found = []
    for job in SHE_SHARE:
        found += [she_share(model, f"{name} the {job}") for name in WOMEN]
        found += [1 - she_share(model, f"{name} the {job}") for name in MEN]
    return sum(found) / len(found)
