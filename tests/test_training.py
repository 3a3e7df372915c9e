"""The training loop: exact resume, many processes, schedule, errors, and that it learns."""

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

from course_lib.pretraining import pretrain
from course_lib.training import (
    TrainConfig,
    learning_rate,
    make_optimizer,
    rows_of_step,
    stop_on_interrupt,
)

SCRIPT = Path(tiny_run.__file__)
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def train(out=None, held_out=True, config=None, dropout=0.1, **options):
    model = tiny_run.model(dropout)
    history = pretrain(
        model, tiny_run.rows(), tiny_run.OBJECTIVE, config or tiny_run.config(),
        tiny_run.rows(40, seed=1) if held_out else None, out=out,
        **{"monitor": False, **options},
    )
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


@pytest.mark.parametrize("wait_for", ["step-000000005", ".writing-"])
def test_killed_and_resumed_it_ends_in_the_same_weights(tmp_path, wait_for):
    killed = start(tmp_path)
    folder, deadline = tmp_path / "checkpoints", time.monotonic() + 120
    while not list(folder.glob(f"{wait_for}*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    finish(start(tmp_path))
    straight, _ = train()
    assert same(weights(tmp_path), straight)


def test_two_processes_reach_the_weights_of_one(tmp_path):
    launch = ("-m", "accelerate.commands.launch", "--num_processes", "2", "--cpu",
              "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")
    finish(start(tmp_path, 10, 1, 0.0, launch=launch))
    alone, _ = train(config=tiny_run.config(10), dropout=0.0)
    for name, value in weights(tmp_path).items():
        assert torch.allclose(value, alone[name], atol=2e-5), name


def test_micro_batches_change_nothing_but_rounding():
    whole, _ = train(config=tiny_run.config(10), dropout=0.0)
    parts, _ = train(config=tiny_run.config(10, micro_batches=4), dropout=0.0)
    assert all(torch.allclose(whole[n], parts[n], atol=2e-5) for n in whole)


def test_it_learns_more_than_word_frequencies():
    words = np.random.default_rng(0).integers(5, 60, 200)
    rows = Dataset.from_dict({"input_ids": [[2, *[word] * 12, 3] for word in words]})
    history = pretrain(tiny_run.model(0.0), rows, tiny_run.OBJECTIVE, tiny_run.config(
        150, learning_rate=1e-2), rows, monitor=False)
    assert history.evaluations[-1]["mlm_loss"] < history.no_context_loss - 1


def test_looking_and_saving_change_nothing(tmp_path):
    quiet, _ = train(held_out=False)
    watched, _ = train(tmp_path, config=replace(tiny_run.config(), eval_every=3, save_every=2))
    assert same(quiet, watched)


def test_another_seed_is_another_run():
    first, _ = train(held_out=False)
    other, _ = train(held_out=False, config=tiny_run.config(seed=1))
    assert not same(first, other)


def test_the_callers_random_numbers_and_mode_are_left_alone():
    model = tiny_run.model().eval()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    pretrain(model, tiny_run.rows(), tiny_run.OBJECTIVE, tiny_run.config(2), monitor=False)
    assert torch.equal(torch.rand(3), expected) and not model.training


def test_a_finished_run_is_not_trained_again(tmp_path):
    train(tmp_path)
    started = (tmp_path / "checkpoints" / "step-000000030").stat().st_mtime_ns
    _, history = train(tmp_path)
    assert history.steps == 30
    assert (tmp_path / "checkpoints" / "step-000000030").stat().st_mtime_ns == started


class InterruptAt:
    """A monitor that presses Ctrl-C when a step is done."""

    def __init__(self, step):
        self.step = step

    def update(self, history, total_steps, done=False):
        if history.steps == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_keeps_the_model_and_the_run_goes_on(tmp_path):
    rare = tiny_run.config(save_every=1000)
    _, history = train(tmp_path, config=rare, monitor=InterruptAt(6))
    assert history.stopped_early and history.steps == 7  # the step that runs is ended
    assert (tmp_path / "checkpoints" / "step-000000007").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    resumed, history = train(tmp_path, config=rare)
    straight, whole = train()
    assert same(resumed, straight) and not history.stopped_early
    assert (history.loss, history.tokens) == (whole.loss, whole.tokens)


def test_a_run_that_diverges_ends_and_keeps_the_last_good_checkpoint(tmp_path):
    model = tiny_run.model()

    def spoil(model):
        model.nsp.dense.bias.data.fill_(float("nan"))
        return {}

    with pytest.raises(FloatingPointError, match="loss of step 11 is nan.*learning_rate below"):
        pretrain(model, tiny_run.rows(), tiny_run.OBJECTIVE, tiny_run.config(save_every=7),
                 tiny_run.rows(40, seed=1), tmp_path, monitor=False, also=spoil)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step-000000007"]


def test_tokens_are_counted_step_by_step():
    rows = tiny_run.rows()  # of different lengths
    config = tiny_run.config(5)
    expected = sum(
        8 * max(len(rows[int(i)]["input_ids"]) for i in rows_of_step(step, 200, config)[0])
        for step in range(5)
    )
    assert train(config=config)[1].tokens == expected


def test_the_second_interrupt_acts_at_once():
    with pytest.raises(KeyboardInterrupt), stop_on_interrupt() as flag:
        os.kill(os.getpid(), signal.SIGINT)
        assert flag.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_another_run_in_the_folder_is_refused_and_named(tmp_path):
    train(tmp_path)
    with pytest.raises(ValueError, match="seed was 0 and is 1.*--fresh"):
        train(tmp_path, config=tiny_run.config(seed=1))


def test_an_unwritable_folder_ends_with_a_message(tmp_path):
    (tmp_path / "checkpoints").write_text("in the way")
    with pytest.raises(OSError, match="could not be written.*Free some space or choose another"):
        train(tmp_path)


@pytest.mark.parametrize("wrong, words", [
    (dict(steps=0), "steps is 0"), (dict(precision="fp16"), "precision is 'fp16'"),
    (dict(compile="maybe"), "compile is 'maybe'"), (dict(batch_size=0), "batch_size is 0"),
    (dict(learning_rate=-1.0), "learning_rate is -1.0"), (dict(seed=-1), "seed is -1"),
    (dict(learning_rate=float("nan")), "learning_rate is nan"),
    (dict(warmup_steps=-1), "warmup_steps is -1"),
])
def test_wrong_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        TrainConfig(**wrong)


def test_no_rows_and_uneven_batches_are_refused():
    with pytest.raises(ValueError, match="no training rows"):
        pretrain(tiny_run.model(), tiny_run.rows().select([]), tiny_run.OBJECTIVE, TrainConfig())
    with pytest.raises(ValueError, match="no held-out rows"):
        pretrain(tiny_run.model(), tiny_run.rows(), tiny_run.OBJECTIVE, TrainConfig(),
                 tiny_run.rows().select([]))
    with pytest.raises(ValueError, match="8 cannot be split evenly into 3 parts"):
        train(config=tiny_run.config(micro_batches=3))


def test_learning_rate_warms_up_and_decays():
    config = TrainConfig(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1.0 == max(rates)
    assert rates[10:] == sorted(rates[10:], reverse=True) and 0 < rates[-1] <= 1 / 90


def test_no_weight_decay_on_vectors():
    groups = make_optimizer(tiny_run.model(), TrainConfig()).param_groups
    assert all(p.ndim > 1 for p in groups[0]["params"]) and groups[0]["weight_decay"] == 0.01
    assert all(p.ndim == 1 for p in groups[1]["params"]) and groups[1]["weight_decay"] == 0


def test_an_epoch_reads_every_row_once_in_a_new_order():
    config = TrainConfig(batch_size=7)
    steps = [rows_of_step(step, 50, config) for step in range(15)]
    indices, epochs = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    first, second = indices[epochs == 0], indices[epochs == 1]
    assert sorted(first) == sorted(second) == list(range(50)) and list(first) != list(second)
