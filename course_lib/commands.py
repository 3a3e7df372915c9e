"""What `course pretrain` does, apart from reading its options."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from accelerate import Accelerator
from torch import nn

from course_lib import budget as budgets
from course_lib import checkpoint, pretrained, recipes
from course_lib.pretraining import count_parts
from course_lib.pretraining import pretrain as run
from course_lib.tokenization import Tokenizer
from course_lib.training import History, make_accelerator


def pretrain(
    model: str, data: str, budget: str, out: Path | None, objective: str, seq_len: int | None,
    fresh: bool, options: dict,
) -> None:
    """Prepare, train, save, and say how it went. Ends the process with 130 after an interrupt."""
    check_choice("--model", model, recipes.OBJECTIVES)
    check_choice(f"--model {model} --objective", objective, ("", *recipes.OBJECTIVES[model]))
    chosen = budgets.Budget(budget) if budget else budgets.choose()
    recipe = recipes.recipe_for(model, chosen.name)
    recipe = replace(recipe, seq_len=seq_len or recipe.seq_len,
                     objective=objective or recipe.objective,
                     train=fit_warmup(replace(recipe.train, **options)))
    accelerator = make_accelerator()
    count_parts(recipe.train, accelerator)  # better now than after minutes of preparing
    out = make_folder(out or Path("runs") / model, fresh, accelerator)
    say = print if accelerator.is_main_process else (lambda *text: None)
    say(chosen)
    with accelerator.main_process_first():  # the first process fills the cache, the rest read it
        prepared = recipes.prepare(data, recipe)
    parameters = sum(p.numel() for p in prepared.model.parameters())
    say(f"{parameters:,} parameters, {len(prepared.rows):,} rows of {recipe.seq_len} tokens, "
        f"{recipe.train.steps} steps of {recipe.train.batch_size} rows")
    history = run(prepared.model, prepared.rows, prepared.objective, prepared.train,
                  prepared.held_out, out, accelerator=accelerator)
    if accelerator.is_main_process:
        save(prepared.model, out, prepared.tokenizer)
        say(report(history, out))
    if history.stopped_early:
        sys.exit(130)


def save(model: nn.Module, out: Path, tokenizer: Tokenizer) -> None:
    """What one keeps goes to out/model, and ELECTRA's generator, if there is one, beside it."""
    kept = getattr(model, "discriminator", None) or getattr(model, "reader", None) or model
    pretrained.save(kept, out / "model", tokenizer)
    if hasattr(model, "generator"):
        pretrained.save(model.generator, out / "generator", tokenizer)


def check_choice(option: str, value: str, allowed: Iterable[str]) -> None:
    """Refuse a value that is not among those allowed."""
    if value not in allowed:
        names = ", ".join(filter(None, allowed))
        raise ValueError(f"{option} {value!r} is not known; choose one of {names}.")


def fit_warmup(config):
    """A shorter run warms up for a tenth of its steps at most."""
    return replace(config, warmup_steps=min(config.warmup_steps, max(1, config.steps // 10)))


def make_folder(out: Path, fresh: bool, accelerator: Accelerator) -> Path:
    """The output folder, emptied of an earlier run's checkpoints if asked for."""
    if accelerator.is_main_process:
        if out.exists() and not out.is_dir():
            raise ValueError(f"--out {out} is a file; name a folder.")
        out.mkdir(parents=True, exist_ok=True)
        if fresh:
            checkpoint.remove_all(out / "checkpoints")
    accelerator.wait_for_everyone()
    return out


FURTHER = {  # what else a model may have been asked, by the name of a held-out figure
    "nsp_accuracy": "next sentence: accuracy {nsp_accuracy:.3f}",
    "sop_accuracy": "sentence order: accuracy {sop_accuracy:.3f}",
    "restored_loss": "restored words, in place of the masks: loss {restored_loss:.3f} nats, "
                     "accuracy {restored_accuracy:.3f}",
    "replaced_auc": "replaced or original: accuracy {replaced_accuracy:.3f} (always \"original\": "
                    "{always_original:.3f}), precision {replaced_precision:.3f}, recall "
                    "{replaced_recall:.3f}, AUC {replaced_auc:.3f}",
}  # fmt: skip


def report(history: History, out: Path) -> str:
    """A few lines for people."""
    lines = [f"{history.steps} steps, {history.tokens:,} tokens, {history.seconds:.0f} s"]
    if history.evaluations:
        last, floor = history.evaluations[-1], history.no_context_loss
        gap = floor - last["mlm_loss"]
        whose = "generator's " if {"replaced_auc", "restored_loss"} & last.keys() else ""
        lines.append(
            f"held out: {whose}masked-word loss {last['mlm_loss']:.3f} nats, accuracy "
            f"{last['accuracy']:.3f}; {abs(gap):.3f} nats {'below' if gap > 0 else 'ABOVE'} the "
            f"best guess without context ({floor:.3f})"
        )
        lines += [line.format(**last) for name, line in FURTHER.items() if name in last]
    if history.stopped_early:
        lines.append("stopped early; the same command goes on from here")
    lines.append(f"model, metrics.json and curve.png are in {out}")
    return "\n".join(lines)
