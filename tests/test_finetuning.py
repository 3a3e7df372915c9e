"""Fine-tuning: it learns each task, buckets, exact resume, many processes, the best weights kept,
and errors that say what to do."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_tune
import torch
from datasets import Dataset, DatasetDict

from course_lib.bert import BertForPreTraining
from course_lib.finetuning import (
    Best,
    FinetuneConfig,
    accuracy,
    depth_of,
    finetune,
    layered_optimizer,
    predict,
)
from course_lib.predicting import best_span
from course_lib.roberta import RobertaForSequenceClassification
from course_lib.task_rows import batches_of_epoch, make_batch
from course_lib.training import History, TrainConfig

SCRIPT = Path(tiny_tune.__file__)
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
TASKS = tuple(tiny_tune.MODELS)


def tune(out=None, task="classification", config=None, dropout=0.1, **options):
    model = tiny_tune.model(task, dropout)
    options = {"held_out": tiny_tune.rows(task, 40, seed=1), "monitor": False} | options
    history = finetune(model, tiny_tune.rows(task), config or tiny_tune.config(), out=out,
                       **options)
    return model.state_dict(), history


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def start(out, *arguments, launch=()):
    command = [sys.executable, *launch, str(SCRIPT), str(out), *map(str, arguments)]
    return subprocess.Popen(command, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()[-2000:]


def weights(out):
    return torch.load(out / "weights.pt", weights_only=True)


# --- learning --------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_it_learns_each_task(task):
    model, test = tiny_tune.model(task), tiny_tune.rows(task, 60, seed=2)
    history = finetune(
        model, tiny_tune.rows(task, 400), tiny_tune.config(epochs=12, learning_rate=5e-3),
        held_out=tiny_tune.rows(task, 60, seed=1), monitor=False)
    last, says = history.evaluations[-1], predict(model, test).values
    if task == "regression":
        assert last["loss"] < 0.02 and "accuracy" not in last
        assert (says - torch.tensor(test["labels"])).abs().mean() < 0.15
    elif task == "tagging":
        asked = [tags[1:-1] for tags in says]
        assert accuracy(asked, [torch.tensor(y[1:-1]) for y in test["labels"]]) > 0.95
    elif task == "spans":
        assert (says[:, 1] == torch.tensor(test["end_positions"])).float().mean() > 0.9
        assert last["accuracy"] > 0.5  # both ends; by chance one in a hundred
    else:
        assert accuracy(says, torch.tensor(test["labels"])) > 0.95


@pytest.mark.parametrize("task", TASKS)
def test_predictions_do_not_depend_on_the_batch(task):
    model, rows = tiny_tune.model(task, 0.1), tiny_tune.rows(task, 21)
    together = predict(model, rows, precision="fp32")
    alone = predict(model, rows.remove_columns(
        [c for c in rows.column_names if c != "input_ids"]), batch_size=1, precision="fp32")
    assert len(together.values) == 21 and model.training
    for one, other, ids in zip(together.scores, alone.scores, rows["input_ids"], strict=True):
        assert torch.allclose(one, other, atol=1e-5)
        assert task in ("classification", "regression") or len(one) == len(ids)


def test_figures_are_those_of_one_row_at_a_time():
    model, rows = tiny_tune.model("tagging"), tiny_tune.rows("tagging", 30, seed=1)
    _, history = tune(task="tagging", dropout=0.0, held_out=rows, config=tiny_tune.config(
        epochs=1, learning_rate=1e-9))  # as good as not trained
    losses, right = [], []
    for ids, labels in zip(rows["input_ids"], rows["labels"], strict=True):
        scores = model.eval()(torch.tensor([ids])).logits[0, 1:-1]
        y = torch.tensor(labels[1:-1])
        losses.append(torch.nn.functional.cross_entropy(scores, y, reduction="none"))
        right.append(scores.argmax(-1) == y)
    last = history.evaluations[-1]
    assert last["loss"] == pytest.approx(torch.cat(losses).mean().item(), abs=1e-4)
    assert last["accuracy"] == pytest.approx(torch.cat(right).float().mean().item())


def test_a_callers_metric_gets_rows_in_order():
    held_out, seen = tiny_tune.rows("tagging", 40, seed=1), []

    def metric(predictions, labels):
        seen.append([len(p) for p in predictions])
        assert [y.tolist() for y in labels] == [row[1:-1] for row in held_out["labels"]]
        return np.float64(0.5)

    _, history = tune(task="tagging", held_out=held_out, metrics={"mine": metric})
    assert seen[0] == [len(ids) - 2 for ids in held_out["input_ids"]]
    assert [set(look) for look in history.evaluations] == [{"step", "loss", "mine"}] * 3


# --- buckets ---------------------------------------------------------------------------------

LENGTHS = np.random.default_rng(0).integers(5, 128, 1003)


def test_every_row_once_an_epoch_in_batches_of_the_right_size():
    batches = batches_of_epoch(LENGTHS, 16, seed=0, epoch=3)
    assert sorted(np.concatenate(batches)) == list(range(1003))
    assert Counter(map(len, batches)) == {16: 62, 11: 1}


def test_batches_depend_on_seed_and_epoch_alone():
    first, again, epoch, seed = (batches_of_epoch(LENGTHS, 16, s, e)
                                 for s, e in ((0, 0), (0, 0), (0, 1), (1, 0)))
    assert all(map(np.array_equal, first, again))
    members, other_epoch, other_seed = ({frozenset(batch) for batch in batches}
                                        for batches in (first, epoch, seed))
    assert not members & other_epoch and not members & other_seed


def padding(batches):
    filled = sum(LENGTHS[batch].max() * len(batch) for batch in batches)
    return 1 - LENGTHS.sum() / filled


def test_buckets_need_a_fraction_of_the_padding():
    bucketed, random = (padding(batches_of_epoch(LENGTHS, 16, 0, 0, bucketed=b))
                        for b in (True, False))
    assert bucketed < 0.08 < 0.35 < random


def test_long_and_short_batches_come_in_no_order():
    means = [LENGTHS[batch].mean() for batch in batches_of_epoch(LENGTHS, 16, 0, 0)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.4


@pytest.mark.parametrize("number", [1, 3, 8])
def test_few_rows_make_batches_too(number):
    batches = batches_of_epoch(LENGTHS[:number], 8, 0, 0)
    assert sorted(np.concatenate(batches)) == list(range(number))


def test_a_batch_is_padded_to_its_longest_row_in_eights():
    rows = tiny_tune.rows("tagging", 50)
    short = [i for i, ids in enumerate(rows["input_ids"]) if len(ids) in (9, 12)]
    batch = make_batch(rows, short, tiny_tune.SHAPE, ("labels",))
    assert {x.shape for x in batch.values()} == {(len(short), 16)}
    for b, i in enumerate(short):
        length = len(rows[i]["input_ids"])
        assert batch["input_ids"][b, :length].tolist() == rows[i]["input_ids"]
        assert batch["labels"][b, :length].tolist() == rows[i]["labels"]
        assert batch["attention_mask"][b].tolist() == [1] * length + [0] * (16 - length)
        assert set(batch["labels"][b, length:].tolist()) == {-100}


def test_padding_stays_within_the_models_positions():
    config = replace(tiny_tune.SHAPE, max_positions=29)
    rows = Dataset.from_dict({"input_ids": [[2] * 29, [2] * 3]})
    assert make_batch(rows, [0, 1], config)["input_ids"].shape == (2, 29)


# --- resume, processes -----------------------------------------------------------------------


@pytest.mark.parametrize("wait_for", ["step-000000005", ".writing-000000025"])
def test_killed_and_resumed_it_ends_in_the_same_weights(tmp_path, wait_for):
    killed = start(tmp_path)
    folder, deadline = tmp_path / "checkpoints", time.monotonic() + 120
    while not list(folder.glob(f"{wait_for}*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    finish(start(tmp_path))
    assert same(weights(tmp_path), tune()[0])


@pytest.mark.parametrize("task", ["classification", "tagging"])
def test_two_processes_reach_the_weights_of_one(tmp_path, task):
    launch = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu",
              "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    finish(start(tmp_path, task, 0.0, launch=launch))
    alone, _ = tune(task=task, dropout=0.0)
    for name, value in weights(tmp_path).items():
        assert torch.allclose(value, alone[name], atol=1e-4), name


@pytest.mark.parametrize("task", TASKS)
def test_micro_batches_change_nothing_but_rounding(task):
    one_epoch = tiny_tune.config(epochs=1)
    whole, _ = tune(task=task, dropout=0.0, config=one_epoch)
    parts, _ = tune(task=task, dropout=0.0, config=replace(one_epoch, micro_batches=3))
    assert all(torch.allclose(whole[n], parts[n], atol=1e-4) for n in whole)


def test_more_parts_than_rows_in_the_last_batch():
    config = tiny_tune.config(epochs=1, micro_batches=8)  # 101 rows: the last batch has 5
    _, history = tune(config=config, dropout=0.0)
    _, whole = tune(config=replace(config, micro_batches=1), dropout=0.0)
    assert history.loss == pytest.approx(whole.loss, abs=1e-4)


class InterruptAt:
    """A monitor that presses Ctrl-C when a step is done."""

    def __init__(self, step):
        self.step = step

    def update(self, history, total_steps, done=False):
        if history.steps == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_keeps_the_best_weights_and_the_run_goes_on(tmp_path):
    straight, whole = tune(tmp_path / "straight")
    stopped, history = tune(tmp_path / "cut", monitor=InterruptAt(18))
    assert history.stopped_early and history.steps == 19 and history.best_step == 13
    saved = torch.load(tmp_path / "cut/checkpoints/step-000000019/state.pt", weights_only=True)
    assert same(saved["best"]["weights"], stopped) and not same(saved["model"], stopped)
    resumed, history = tune(tmp_path / "cut")
    assert same(resumed, straight) and not history.stopped_early
    assert (history.loss, history.tokens, history.best_step) == (
        whole.loss, whole.tokens, whole.best_step)
    assert history.evaluations == whole.evaluations


# --- the best weights ------------------------------------------------------------------------


def planned(values):
    """A metric that gives these values one after the other."""
    values = iter(values)
    return {"planned": lambda predictions, labels: next(values)}


def test_it_ends_early_and_keeps_the_best(tmp_path):
    config = tiny_tune.config(epochs=6, patience=2)
    early, history = tune(tmp_path, config=config, metrics=planned([0.1, 0.7, 0.6, 0.7, 0.9, 1.0]))
    assert history.steps == 4 * 13 and history.best_step == 2 * 13 and not history.stopped_early
    longer, history = tune(config=replace(config, patience=0),
                           metrics=planned([0.1, 0.7, 0.6, 0.5, 0.4, 0.3]))
    assert history.steps == 6 * 13 and same(longer, early)
    again, history = tune(tmp_path, config=config, metrics=planned([]))  # nothing is looked at
    assert history.steps == 4 * 13 and same(again, early)


def test_the_lowest_loss_can_decide():
    model = tiny_tune.model()
    best = Best("loss", patience=0)
    for step, loss in enumerate([3.0, 1.0, 2.0, float("nan")]):
        best.look(model, history := History(evaluations=[{"step": step, "loss": loss}]))
        with torch.no_grad():
            model.classifier.dense.bias += 1
    best.restore(model)
    assert history.best_step == 1 and model.classifier.dense.bias.unique().tolist() == [1.0]


def test_without_held_out_rows_the_last_weights_stay():
    last, history = tune(held_out=None)
    assert history.evaluations == [] and history.best_step is None
    assert same(last, tune(metrics=planned([0.1, 0.2, 0.3]))[0])


def test_looking_more_often_changes_nothing(tmp_path):
    quiet, _ = tune(held_out=None)
    _, history = tune(config=tiny_tune.config(looks=4), metrics=planned(np.arange(20) / 20))
    assert [look["step"] for look in history.evaluations] == list(range(3, 40, 3))
    assert same(quiet, tune(tmp_path, metrics=planned([0, 1, 2]))[0])


# --- rates -----------------------------------------------------------------------------------


def test_each_layer_learns_at_a_share_of_the_rate_above():
    model = tiny_tune.model()
    optimizer = layered_optimizer(model, TrainConfig(), decay=0.5)
    scale = {p: group["scale"] for group in optimizer.param_groups for p in group["params"]}
    found = {name: scale[p] for name, p in model.named_parameters()}
    assert found["bert.embeddings.token.weight"] == 0.125
    assert found["bert.encoder.layers.0.attention.query.weight"] == 0.25
    assert found["bert.encoder.layers.1.attention.query.bias"] == 0.5
    assert found["bert.pooler.dense.weight"] == found["classifier.dense.bias"] == 1.0
    assert all((p.ndim > 1) == (group["weight_decay"] > 0)
               for group in optimizer.param_groups for p in group["params"])
    assert depth_of("bert.embeddings.norm.bias") == 0


def test_layer_decay_moves_the_lower_layers_less():
    def moved(decay):
        before = tiny_tune.model().state_dict()
        after, _ = tune(held_out=None, dropout=0.0,
                        config=tiny_tune.config(epochs=1, layer_decay=decay))
        name = "bert.encoder.layers.0.attention.query.weight"
        return (after[name] - before[name]).norm()

    assert moved(0.3) < 0.5 * moved(1.0)


def test_epochs_become_steps():
    plan = FinetuneConfig(epochs=4, batch_size=32, warmup_share=0.1, looks=2).plan(1000)
    assert (plan.steps, plan.warmup_steps, plan.eval_every) == (128, 13, 16)
    assert FinetuneConfig(looks=9).plan(10).eval_every == 1


def test_a_span_never_ends_before_it_starts():
    scores = torch.tensor([[0.0, 5.0], [4.0, 0.0], [0.0, 3.0]])
    assert best_span(scores).tolist() == [1, 2]


# --- wrong input -----------------------------------------------------------------------------


def wrong_rows(task="classification", **columns):
    rows = tiny_tune.rows(task, 4).to_dict()
    rows = {name: columns.get(name, values) for name, values in rows.items()}
    return Dataset.from_dict({k: v for k, v in rows.items() if v is not None} | {
        k: v for k, v in columns.items() if v is not None})


IDS = [[2, 20, 3]] * 4
WRONG = [
    ("classification", dict(labels=None, label=[0] * 4),
     r"no column 'labels', only input_ids, label\..*rename_column"),
    ("classification", dict(labels=[0, 1, 7, 2]), r"row 2 has the label 7.*3 classes, 0 to 2"),
    ("classification", dict(labels=[0, -1, 0, 2]), r"row 1 has the label -1"),
    ("classification", dict(labels=[0.5] * 4), r"type float64; classes are whole.*num_labels=1"),
    ("classification", dict(labels=["a"] * 4), r"type string.*one number a row"),
    ("classification", dict(labels=[[0]] * 4), r"of type .*list.*one number a row"),
    ("classification", dict(labels=[0, None, 1, 1]), r"row 1 has the label nan"),
    ("regression", dict(labels=[0.0, 1.0, float("nan"), 2.0]), r"row 2 has the label nan"),
    ("tagging", dict(input_ids=IDS, labels=[[0, 0, 0], [0, 0], [0, 0, 0], [0]]),
     r"row 1 has 3 tokens and 2 labels.*-100"),
    ("tagging", dict(input_ids=IDS, labels=[[-100, 1, -100]] * 3 + [[-100, 3, -100]]),
     r"row 3 has the label 3"),
    ("tagging", dict(labels=[1] * 4), r"takes a list, one label a token"),
    ("spans", dict(input_ids=IDS, start_positions=[1, 1, 2, 0], end_positions=[1, 2, 1, 0]),
     r"row 2 has 3 tokens and an answer from 2 to 1"),
    ("spans", dict(input_ids=IDS, start_positions=[1] * 4, end_positions=[1, 3, 1, 1]),
     r"row 1 .* from 1 to 3"),
    ("classification", dict(input_ids=[[2] * 33, *IDS[1:]]),
     r"row 0 has 33 tokens.*at most 32.*max_length=32"),
    ("classification", dict(input_ids=[[], *IDS[1:]]), r"row 0 has no tokens"),
    ("classification", dict(input_ids=[[2, 60, 3], *IDS[1:]]), r"token id 60.*0 to 59.*tokenizer"),
    ("classification", dict(input_ids=IDS, attention_mask=[[1, 1, 0]] * 4), r"padded already"),
]


@pytest.mark.parametrize("task, columns, words", WRONG, ids=[words[:30] for *_, words in WRONG])
def test_wrong_rows_are_named(task, columns, words):
    rows = wrong_rows(task, **columns)
    with pytest.raises(ValueError, match=words):
        finetune(tiny_tune.model(task), rows, tiny_tune.config(), monitor=False)
    with pytest.raises(ValueError, match="held-out.*" + words.split(r"\.")[0]):
        finetune(tiny_tune.model(task), tiny_tune.rows(task), held_out=rows, monitor=False)


def test_roberta_reads_fewer_tokens_than_its_table_has_positions():
    """Its positions count from pad_token_id + 1."""
    model = RobertaForSequenceClassification(tiny_tune.SHAPE.replace(pad_token_id=1), 3)
    rows = tiny_tune.rows(number=4)
    longest = rows.map(lambda row: {"input_ids": (row["input_ids"] * 30)[:30]})
    finetune(model, longest, tiny_tune.config(epochs=1), monitor=False)
    too_long = rows.map(lambda row: {"input_ids": (row["input_ids"] * 30)[:31]})
    with pytest.raises(ValueError, match="row 0 has 31 tokens; the model reads at most 30"):
        finetune(model, too_long, monitor=False)


def test_other_misuse_is_named():
    model, rows = tiny_tune.model(), tiny_tune.rows()
    with pytest.raises(ValueError, match="no training rows"):
        finetune(model, rows.select([]))
    with pytest.raises(TypeError, match=r"DatasetDict.*rows\['train'\]"):
        finetune(model, DatasetDict(train=rows))
    with pytest.raises(TypeError, match="BertForPreTraining has no head.*classifier"):
        finetune(BertForPreTraining(tiny_tune.SHAPE), rows)
    with pytest.raises(ValueError, match="patience is 2, but there are no held_out"):
        finetune(model, rows, tiny_tune.config(patience=2))
    with pytest.raises(ValueError, match="best_by is 'f1'; choose one of accuracy, loss"):
        finetune(model, rows, tiny_tune.config(best_by="f1"), held_out=rows)
    with pytest.raises(ValueError, match="the given rows have no column 'input_ids'"):
        predict(model, Dataset.from_dict({"text": ["a"]}))


@pytest.mark.parametrize("wrong, words", [
    (dict(epochs=0), "epochs is 0"), (dict(batch_size=0), "batch_size is 0"),
    (dict(warmup_share=1.0), "warmup_share is 1.0"), (dict(layer_decay=0.0), "layer_decay is 0.0"),
    (dict(patience=-1), "patience is -1"), (dict(looks=0), "looks is 0"),
    (dict(learning_rate=0.0), "learning_rate is 0.0"), (dict(precision="fp8"), "precision is"),
])
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        FinetuneConfig(**wrong)


def test_another_run_in_the_folder_is_refused(tmp_path):
    tune(tmp_path, config=tiny_tune.config(epochs=1))
    with pytest.raises(ValueError, match="layer_decay was 1.0 and is 0.5"):
        tune(tmp_path, config=tiny_tune.config(epochs=1, layer_decay=0.5))
    with pytest.raises(ValueError, match="rows was '101 rows"):
        finetune(tiny_tune.model(dropout=0.1), tiny_tune.rows(number=104),
                 tiny_tune.config(epochs=1), held_out=tiny_tune.rows(number=40, seed=1),
                 out=tmp_path, monitor=False)
