"""RoBERTa, ALBERT, ELECTRA and its ablations in the loop: resume, processes, figures, that they
learn. What is true of BERT's training in test_training.py is true of theirs."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_run
import torch
from datasets import Dataset

from course_lib import recipes
from course_lib.objectives import IGNORED, model_inputs
from course_lib.pretraining import HeldOut, pretrain, replaced_figures

SCRIPT = Path(tiny_run.__file__)
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
KINDS = [kind for kind in tiny_run.KINDS if kind != "bert"]


def train(kind, out=None, dropout=0.1, config=None, **options):
    model = tiny_run.model(dropout, kind)
    history = pretrain(
        model, tiny_run.rows(kind=kind), tiny_run.KINDS[kind][2], config or tiny_run.config(12),
        tiny_run.rows(40, seed=1, kind=kind), out=out, monitor=False, **options,
    )  # fmt: skip
    return model.state_dict(), history


def start(out, *arguments, launch=()):
    command = [sys.executable, *launch, str(SCRIPT), str(out), *map(str, arguments)]
    return subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()[-2000:]


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_and_resumed_it_ends_in_the_same_weights(kind, tmp_path):
    def power_cut(model):
        raise RuntimeError("power cut at step 10")

    straight, _ = train(kind)
    with pytest.raises(RuntimeError, match="power cut"):
        train(kind, tmp_path, also=power_cut)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000000005"]
    resumed, history = train(kind, tmp_path)
    assert same(resumed, straight) and history.steps == 12


def test_a_killed_electra_ends_in_the_same_weights(tmp_path):
    arguments = (30, 1, 0.1, "electra")
    killed = start(tmp_path, *arguments)
    folder, deadline = tmp_path / "checkpoints", time.monotonic() + 120
    while not list(folder.glob("step-000000005")) and time.monotonic() < deadline:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    finish(start(tmp_path, *arguments))
    straight, _ = train("electra", config=tiny_run.config(30))
    assert same(torch.load(tmp_path / "weights.pt", weights_only=True), straight)


def test_two_processes_reach_the_weights_of_one(tmp_path):
    launch = ["-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    finish(start(tmp_path, 10, 1, 0.0, ",".join(KINDS), launch=launch))
    for kind in KINDS:
        alone, _ = train(kind, dropout=0.0, config=tiny_run.config(10))
        for name, value in torch.load(tmp_path / kind / "weights.pt", weights_only=True).items():
            assert torch.allclose(value, alone[name], atol=2e-5), (kind, name)


@pytest.mark.parametrize("kind", KINDS)
def test_micro_batches_change_nothing_but_rounding(kind):
    whole, _ = train(kind, dropout=0.0, config=tiny_run.config(10))
    parts, _ = train(kind, dropout=0.0, config=tiny_run.config(10, micro_batches=4))
    assert all(torch.allclose(whole[n], parts[n], atol=2e-5) for n in whole)


@pytest.mark.parametrize("kind", KINDS)
def test_empty_slots_change_nothing(kind):
    """On a GPU the chosen places are filled up to a fixed number."""
    model, objective = tiny_run.model(kind=kind).eval(), tiny_run.KINDS[kind][2]
    whole = objective.batch(tiny_run.rows(kind=kind), range(8), [0] * 8, 0)
    plain, padded = model(**model_inputs(whole)), model(**model_inputs(whole, slots=64))
    assert torch.allclose(plain.loss, padded.loss, rtol=1e-5)
    if hasattr(plain, "corrupted_ids"):
        assert torch.equal(plain.corrupted_ids, padded.corrupted_ids)


@pytest.mark.parametrize("kind", ["albert", "electra", "all-tokens-mlm"])
def test_it_learns(kind):
    """Rows of one word each: what is hidden, or replaced, can be told from the rest of the row."""
    words = np.random.default_rng(0).integers(5, 11, 200)
    rows = Dataset.from_dict({"input_ids": [[2, *[word] * 12, 3] for word in words]})
    model = tiny_run.model(0.0, kind)
    for weight in model.parameters():
        weight.data *= 4 if weight.ndim > 1 else 1  # so narrow a model learns sooner from more
    history = pretrain(model, rows, tiny_run.KINDS[kind][2],
                       tiny_run.config(150, learning_rate=5e-3, eval_every=150), rows,
                       monitor=False)  # fmt: skip
    last = history.evaluations[-1]
    if kind == "electra":
        assert last["replaced_auc"] > 0.9 and last["replaced_accuracy"] > last["always_original"]
    assert last.get("restored_loss", last["mlm_loss"]) < history.no_context_loss - 0.5


def test_electras_recipe_learns_tinyworld():
    """The generator more than word frequencies, the discriminator more than how rare replaced
    words are. Short rows: mostly one sentence."""
    recipe = recipes.recipe_for("electra", "smoke")
    shape = recipe.shape | dict(dropout=0.0, attention_dropout=0.0)
    plan = replace(recipe.train, steps=150, batch_size=32, learning_rate=4e-3, warmup_steps=20,
                   eval_every=150, precision="fp32")  # fmt: skip
    ready = recipes.prepare("tinyworld", replace(recipe, shape=shape, seq_len=20, train=plan))
    history = pretrain(ready.model, ready.rows, ready.objective, plan, ready.held_out,
                       monitor=False)  # fmt: skip
    last = history.evaluations[-1]
    base = last["always_original"]
    silent = -base * math.log(base) - (1 - base) * math.log(1 - base)
    assert last["mlm_loss"] < history.no_context_loss - 0.4
    assert last["replaced_loss"] < silent - 0.03


def test_another_kind_of_electra_is_another_run(tmp_path):
    train("electra", tmp_path)
    model = tiny_run.model(kind="electra")
    model.masked_only = True
    with pytest.raises(ValueError, match="belongs to another run: model was"):
        pretrain(model, tiny_run.rows(kind="electra"), tiny_run.KINDS["electra"][2],
                 tiny_run.config(12), out=tmp_path, monitor=False)  # fmt: skip


# --- held-out figures ---


def figures(kind):
    objective = tiny_run.KINDS[kind][2]
    return HeldOut(tiny_run.rows(40, kind=kind), objective).evaluate(tiny_run.model(kind=kind))


def test_each_family_has_its_figures():
    assert set(figures("roberta")) == {"mlm_loss", "accuracy", "loss"}
    assert set(figures("albert")) == {"mlm_loss", "accuracy", "sop_loss", "sop_accuracy", "loss"}
    assert {"mlm_loss", "replaced_accuracy", "always_original", "replaced_precision",
            "replaced_recall", "replaced_auc"} < set(figures("electra"))  # fmt: skip
    for kind in ("replace-mlm", "all-tokens-mlm"):
        assert {"mlm_loss", "restored_loss", "restored_accuracy"} < set(figures(kind))


def test_electras_held_out_loss_is_the_sum_of_both():
    found = figures("electra")
    assert found["loss"] == pytest.approx(found["mlm_loss"] + 50 * found["replaced_loss"])


def test_figures_of_a_discriminator_by_hand():
    scores = torch.tensor([2.0, 1.0, -1.0, -2.0, -3.0, -1.0])
    replaced = torch.tensor([True, False, True, False, False, False])
    found = replaced_figures(scores, replaced)
    assert found["replaced_accuracy"] == pytest.approx(4 / 6)
    assert found["always_original"] == pytest.approx(4 / 6)
    assert found["replaced_precision"] == found["replaced_recall"] == 0.5
    pairs = [1.0 if s > o else 0.5 if s == o else 0.0
             for s in (2.0, -1.0) for o in (1.0, -2.0, -3.0, -1.0)]  # fmt: skip
    assert found["replaced_auc"] == pytest.approx(sum(pairs) / 8)
    loss = [math.log1p(math.exp(-s if r else s)) for s, r in zip(scores, replaced, strict=True)]
    assert found["replaced_loss"] == pytest.approx(sum(loss) / 6)


def test_a_discriminator_that_says_nothing_has_figures_too():
    found = replaced_figures(torch.full((4,), -1.0), torch.zeros(4, dtype=torch.bool))
    assert found["replaced_accuracy"] == 1 and found["replaced_auc"] == 0.5
    assert found["replaced_precision"] == found["replaced_recall"] == 0


def test_a_perfect_and_a_blind_discriminator():
    truth = torch.tensor([True, False] * 50)
    assert replaced_figures(truth * 2.0 - 1, truth)["replaced_auc"] == 1
    assert replaced_figures(torch.zeros(100), truth)["replaced_auc"] == 0.5


def test_every_label_is_a_place_that_was_hidden():
    """ELECTRA's batches: all chosen tokens are [MASK]; chances and count fit the batch."""
    objective = tiny_run.KINDS["electra"][2]
    batch = objective.batch(tiny_run.rows(kind="electra"), range(50), [0] * 50, 3)
    chosen = batch["labels"] != IGNORED
    assert (batch["input_ids"][chosen] == 4).all() and (batch["input_ids"][~chosen] != 4).all()
    assert batch["token_count"] == batch["attention_mask"].sum()
    again = replace(objective).batch(tiny_run.rows(kind="electra"), range(50), [0] * 50, 3)
    assert torch.equal(batch["chances"], again["chances"])
    inputs = model_inputs(batch, 1, parts=2, processes=2)
    second_half = batch["chances"][25:].flatten()
    assert torch.equal(inputs["chances"], second_half[inputs["masked_positions"]])
    assert inputs["token_count"] == batch["token_count"] / 2
