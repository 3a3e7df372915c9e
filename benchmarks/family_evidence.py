"""Recorded runs for the lesson on the compute axis: the family at equal FLOPs on tinyworld.

    python -m benchmarks.family_evidence             # goes on where it stopped

Writes the record 11-family (`benchmarks.records`). Every model gets the same text and the same
number of operations, counted by `course_lib.flops` as the ELECTRA paper counts them, on one thread.
Models with a dearer step get fewer steps. Twice in a run the encoder is copied and fine-tuned
on few labeled sentences; at the end those of RoBERTa and ELECTRA also in two other ways.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache

import torch
from datasets import Dataset
from torch import nn

from benchmarks import records
from benchmarks.names_task import TOKENIZER, f1, tagged
from course_lib import data, flops, tinyworld
from course_lib.albert import AlbertForPreTraining, AlbertForTokenClassification
from course_lib.bert import BertForPreTraining, BertForTokenClassification
from course_lib.config import ModelConfig
from course_lib.electra import (
    ElectraForPreTraining,
    ElectraForTokenClassification,
    generator_of,
)
from course_lib.encoder import init_weights
from course_lib.finetuning import FinetuneConfig, finetune
from course_lib.objectives import MaskedLM, MaskedNgrams, ReplacedTokens
from course_lib.packing import doc_sentences, nsp_pairs, sop_pairs
from course_lib.pretraining import pretrain
from course_lib.recipes import start_at_frequencies
from course_lib.roberta import RobertaForMaskedLM, RobertaForTokenClassification
from course_lib.training import TrainConfig

ROW, BATCH = 32, 32  # tokens of a row at most, rows of a step
STEPS_OF_BERT = records.times(500)  # its FLOPs are what every model may spend
LOOKS = 2  # at equal shares of the way
SHAPE = ModelConfig(
    vocab_size=TOKENIZER.vocab_size, hidden_size=64, num_layers=2, num_heads=4,
    intermediate_size=256, max_positions=ROW, dropout=0.0, attention_dropout=0.0,
    initializer_range=0.125,  # 1 / sqrt(hidden_size)
)  # fmt: skip
RECIPE = TrainConfig(batch_size=BATCH, learning_rate=4e-3, warmup_steps=40, precision="fp32",
                     compile="off")  # fmt: skip
DOCUMENTS, HELD_OUT, EVAL_ROWS = 5000, 200, 128
LABELED, LABEL_SETS, TESTED = 40, (3, 4, 5), 400  # fine-tuning: sentences, draws of them, test
TUNING = FinetuneConfig(epochs=30, batch_size=10, learning_rate=2e-3, precision="fp32")


@dataclass(frozen=True)
class Arm:
    """One member of the family: how text becomes rows, what is hidden, the model, and its tagger
    for fine-tuning. `generator`: ELECTRA's second shape."""

    pack: Callable
    masks: type[MaskedLM]
    model: Callable[..., nn.Module]
    tagger: type[nn.Module]
    shape: ModelConfig
    generator: ModelConfig | None = None
    copies: int | None = None  # how many different masks a row gets; None: always new ones
    learning_rate: float = RECIPE.learning_rate

    def step_flops(self, tokens: int) -> float:
        """Of one row, forward and backward."""
        if self.generator is None:
            return flops.masked_lm_step(self.shape, tokens)
        return flops.electra_step(self.shape, self.generator, tokens)

    def build(self) -> nn.Module:
        return self.model(self.shape, *([self.generator] if self.generator else []))


def narrow(shape: ModelConfig, share: float) -> ModelConfig:
    """A generator's shape. It is narrow, and starts from larger weights for that."""
    made = generator_of(shape, share)
    return made.replace(initializer_range=made.hidden_size**-0.5)


SHARED = SHAPE.replace(embedding_size=32, shared="all")
WIDER = SHARED.replace(hidden_size=96, num_heads=6, intermediate_size=384,
                       initializer_range=96**-0.5)  # fmt: skip
ONE_SEGMENT = SHAPE.replace(type_vocab_size=1, max_positions=ROW + TOKENIZER.pad_id + 1)
ARMS = {
    "BERT": Arm(nsp_pairs, MaskedLM, BertForPreTraining, BertForTokenClassification, SHAPE,
                copies=10),
    "RoBERTa": Arm(doc_sentences, MaskedLM, RobertaForMaskedLM, RobertaForTokenClassification,
                   ONE_SEGMENT),
    "ALBERT": Arm(sop_pairs, MaskedNgrams, AlbertForPreTraining, AlbertForTokenClassification,
                  SHARED),
    "ALBERT, wider": Arm(sop_pairs, MaskedNgrams, AlbertForPreTraining,
                         AlbertForTokenClassification, WIDER),
    "ELECTRA": Arm(doc_sentences, ReplacedTokens, ElectraForPreTraining,
                   ElectraForTokenClassification, SHAPE, narrow(SHAPE, 1 / 4)),
}  # fmt: skip


@cache
def rows(pack: Callable, n_documents: int, seed: int) -> Dataset:
    documents = data.encode_corpus(tinyworld.dataset(n_documents, seed, truth=False), TOKENIZER)
    return pack(documents, ROW, TOKENIZER)


@cache
def mean_length(pack: Callable) -> int:
    """Real tokens of a row, rounded."""
    lengths = [len(row) for row in rows(pack, DOCUMENTS, 0)["input_ids"]]
    return round(sum(lengths) / len(lengths))


def budget(steps_of_bert: int = STEPS_OF_BERT) -> float:
    """Operations that every model may spend."""
    bert = ARMS["BERT"]
    return steps_of_bert * BATCH * bert.step_flops(mean_length(bert.pack))


def steps_for(arm: Arm, operations: float) -> int:
    """How many steps of the arm that many operations pay for."""
    return round(operations / (BATCH * arm.step_flops(mean_length(arm.pack))))


def encoder_of(model: nn.Module) -> nn.Module:
    """The part that one keeps and fine-tunes."""
    return getattr(model, "discriminator", model).bert


def trained(name: str, seed: int, operations: float, also=None) -> tuple[nn.Module, list[dict]]:
    """One model, pre-trained with that many operations, and what was seen at each look."""
    arm = ARMS[name]
    steps = steps_for(arm, operations)
    config = replace(RECIPE, steps=steps, seed=seed, learning_rate=arm.learning_rate,
                     eval_every=-(-steps // LOOKS), warmup_steps=min(40, steps // 4))  # fmt: skip
    torch.manual_seed(seed)
    model = arm.build()
    start_at_frequencies(getattr(model, "generator", model), rows(arm.pack, DOCUMENTS, 0))
    history = pretrain(
        model, rows(arm.pack, DOCUMENTS, 0),
        arm.masks.from_tokenizer(TOKENIZER, seed=seed, copies=arm.copies), config,
        rows(arm.pack, HELD_OUT, 1), monitor=False, eval_rows=EVAL_ROWS, also=also,
    )  # fmt: skip
    if history.stopped_early:
        raise SystemExit("stopped; what was complete is in the record")
    return model, history.evaluations


def run(name: str, seed: int, operations: float) -> dict:
    """Pre-train one model; at each look also fine-tune a copy."""
    arm, steps = ARMS[name], steps_for(ARMS[name], operations)
    _, looks = trained(name, seed, operations,
                       lambda model: {"names_f1": names_f1(arm, encoder_of(model))})  # fmt: skip
    each = operations / steps
    return {"steps": steps, "looks": [rounded(look) | {"flops": look["step"] * each}
                                      for look in looks]}  # fmt: skip


def tuned_otherwise(name: str, seed: int, operations: float) -> dict:
    """The same model as by `run`, fine-tuned in two other ways: at twice the rate, and with a last
    layer that starts anew."""
    arm = ARMS[name]
    encoder = encoder_of(trained(name, seed, operations)[0])
    found = {"twice the rate": names_f1(arm, encoder, 2 * TUNING.learning_rate)}
    for part in encoder.encoder.layers[-1].modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    init_weights(encoder.encoder.layers[-1], arm.shape)
    return found | {"last layer anew": names_f1(arm, encoder)}


def rounded(look: dict) -> dict:
    return {name: value if isinstance(value, list) else round(value, 4)
            for name, value in look.items()}  # fmt: skip


# --- fine-tuning: the same question for all -------------------------------------------------------


def names_f1(
    arm: Arm, encoder: nn.Module | None, rate: float = TUNING.learning_rate
) -> list[float]:
    """F1 of the words marked as names, after fine-tuning a copy on each draw of sentences."""
    found = []
    with torch.random.fork_rng(devices=[]):
        for seed in LABEL_SETS:
            torch.manual_seed(seed)
            tagger = arm.tagger(arm.shape.replace(dropout=0.1), len(tinyworld.NER_TAGS))
            if encoder is not None:
                tagger.bert.load_state_dict(encoder.state_dict(), strict=False)  # without a pooler
            config = replace(TUNING, seed=seed, learning_rate=rate)
            finetune(tagger, tagged(LABELED, seed), config, monitor=False)
            found.append(f1(tagger, tagged(TESTED, 2)))
    return found



# --- the record -----------------------------------------------------------------------------------


def described(arm: Arm) -> dict:
    """What the lesson says of an arm, counted, and its tagger without pre-training."""
    model, tokens = arm.build(), mean_length(arm.pack)
    return {
        "parameters": sum(p.numel() for p in encoder_of(model).parameters()),
        "trained": sum(p.numel() for p in model.parameters()),
        "step_flops": BATCH * arm.step_flops(tokens), "tokens": tokens,
        "rows": arm.pack.__name__, "masks": arm.masks.__name__, "copies": arm.copies,
        "learning_rate": arm.learning_rate, "shape": asdict(arm.shape),
        "generator": arm.generator and asdict(arm.generator),
        "random start": names_f1(arm, None),
    }  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    found = records.opened(
        "11-family", "lesson 11: the family at equal FLOPs on tinyworld", "family_evidence",
        operations=budget(), train=asdict(RECIPE), documents=DOCUMENTS, row=ROW,
        tuning={"labeled": LABELED, "label_sets": LABEL_SETS, "test": TESTED,
                "epochs": TUNING.epochs, "learning_rate": TUNING.learning_rate},
    )  # fmt: skip
    arms = found.setdefault("arms", {})
    for name, arm in ARMS.items():
        if name not in arms:
            arms[name] = described(arm)
            records.save("11-family", found)
    records.run_missing("11-family", found, lambda arm, seed: run(arm, seed, found["operations"]),
                        ARMS)  # fmt: skip
    others = found.setdefault("tuned otherwise", {})
    for seed in map(str, records.SEEDS):
        for name in ("RoBERTa", "ELECTRA"):
            if seed not in others.setdefault(name, {}):
                others[name][seed] = tuned_otherwise(name, int(seed), found["operations"])
                records.save("11-family", found)
                print(f"11-family: {name}, seed {seed}, tuned otherwise", flush=True)


if __name__ == "__main__":
    main()
