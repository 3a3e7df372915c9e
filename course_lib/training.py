"""One explicit training loop, for pre-training and for fine-tuning.

It runs on a CPU, a GPU, or many GPUs and machines (`accelerate launch`). All that is random
depends on (seed, step, process) alone: so a run that was killed and resumed ends in the same
weights as one that was not. More processes or micro-batches change nothing but the order of a few
sums, and which elements dropout drops.

Source of the recipe: Devlin et al. 2019 (arXiv:1810.04805), appendix A.2.
"""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch import Tensor, nn
from torch.utils._triton import has_triton

from course_lib import checkpoint
from course_lib.objectives import generator

LOOK_EVERY = 20  # steps between looks at the loss on a GPU: each look makes the GPU wait


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Batch sizes count sequences over all processes together."""

    steps: int = 1000
    batch_size: int = 32
    micro_batches: int = 1  # split each process's share to save memory: the same mean loss
    learning_rate: float = 5e-4  # the peak; BERT-Base: 1e-4, small models like more
    warmup_steps: int = 100
    weight_decay: float = 0.01  # not on biases and LayerNorm
    clip_norm: float = 1.0
    precision: str = "auto"  # "bf16", "fp32", or "auto": bf16 where the hardware has it
    compile: str = "auto"  # "on", "off", or "auto": on with CUDA, where Triton runs
    seed: int = 0
    eval_every: int = 100  # steps between looks at the held-out rows
    save_every: int = 0  # steps between checkpoints; 0: once a minute

    def __post_init__(self):
        for name in ("steps", "batch_size", "micro_batches", "eval_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("warmup_steps", "weight_decay", "seed", "save_every"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0.")
        for name in ("learning_rate", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be a number above 0.")
        choices = {"precision": ("auto", "bf16", "fp32"), "compile": ("auto", "on", "off")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; choose one of {allowed}.")


@dataclass
class History:
    """What happened in a run, step by step."""

    loss: list[float] = field(default_factory=list)  # training loss in nats, one per step
    evaluations: list[dict] = field(default_factory=list)  # held-out figures, with their step
    seconds: float = 0.0  # wall time, all parts of an interrupted run together
    tokens: int = 0  # positions the model has read
    no_context_loss: float | None = None  # nats, of the best guess on the held-out tokens
    best_step: int | None = None  # fine-tuning: the step whose weights the model ends with
    stopped_early: bool = False  # True after an interrupt: the model keeps what it has learned

    @property
    def steps(self) -> int:
        return len(self.loss)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up to the peak, then linear decay to 0. Steps count from 0."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    return config.learning_rate * (config.steps - step) / max(1, config.steps - config.warmup_steps)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with BERT's settings; no weight decay on vectors (biases, LayerNorm).

    eps is that of the published code, which leaves out Adam's bias correction; AdamW has it.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.999), eps=1e-6, fused=True)


def use_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether to multiply in bfloat16: if asked to, or if the hardware does it quickly."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()


def use_compile(config: TrainConfig, device: torch.device) -> bool:
    """Whether to compile: if asked to, or on a GPU with Triton (older GPUs and Windows lack it)."""
    return config.compile == "on" or (
        config.compile == "auto" and device.type == "cuda" and has_triton()
    )


def rows_of_step(step: int, rows: int, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Which rows a step reads, and in which epoch. Each epoch is a new shuffle of all rows.

    Returns two arrays (batch_size,): row indices and epochs.
    """
    places = np.arange(step * config.batch_size, (step + 1) * config.batch_size)
    epochs = places // rows
    indices = np.empty_like(places)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([config.seed, epoch]).permutation(rows)
        here = epochs == epoch
        indices[here] = order[places[here] % rows]
    return indices, epochs


class LossOnly(nn.Module):
    """Passes on a model's loss and nothing else, so that no process carries logits about."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, **inputs) -> Tensor:
        return self.model(**inputs).loss


def make_accelerator() -> Accelerator:
    """One process, or as many as `accelerate launch` has started."""
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # no NSP: an idle pooler
    patient = InitProcessGroupKwargs(timeout=timedelta(hours=6))  # one process prepares the data
    # TrainConfig.precision decides, not what `accelerate config` once wrote down
    return Accelerator(mixed_precision="no", kwargs_handlers=[unused, patient])


def train(
    model: nn.Module,
    batch_of_step: Callable[[int], list[dict[str, Tensor]]],
    config: TrainConfig,
    *,
    accelerator: Accelerator | None = None,
    evaluate: Callable[[nn.Module], dict] | None = None,
    monitor=None,
    out: Path | str | None = None,
    identity: dict | None = None,
    on_save: Callable[[History], None] | None = None,
    with_loss: Callable[[nn.Module], nn.Module] = LossOnly,
    optimizer: torch.optim.Optimizer | None = None,
    best=None,
) -> History:
    """The loop. `batch_of_step(step)` gives this process's micro-batches, each the arguments of the
    model as a dict of tensors; what is random in it must depend on the step alone.

    With `out`, checkpoints go to out/checkpoints, and a run that finds one there goes on from it;
    `identity` (plain values) says what the run is, and a checkpoint of another run is refused
    with ValueError. Ctrl-C, or a stop button (Lab's, or that of the `monitor`), ends the run after
    the step and keeps the model. `with_loss` puts a module around the model whose forward gives the
    loss. `best` looks at the model after each evaluation (`look(model, history)`), may end the run
    (`enough`), and is saved and restored with it (`state_dict`, `load_state_dict`).

    Raises CheckpointError if a checkpoint cannot be written, FloatingPointError when the loss is
    no longer a number.
    """
    accelerator = accelerator or make_accelerator()
    device = accelerator.device
    model.to(device)
    run = Run(model, optimizer or make_optimizer(model, config), config, History(), identity or {},
              Path(out) / "checkpoints" if out else None, best)
    run.resume(accelerator)
    history, earlier, started = run.history, run.history.seconds, time.monotonic()
    compiled = with_loss(model)
    if use_compile(config, device):
        compiled = torch.compile(compiled)
    wrapped, optimizer = accelerator.prepare(compiled, run.optimizer)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(config, device))
    main, was_training, losses = accelerator.is_main_process, model.training, []

    gpus = [device] if device.type == "cuda" else []  # left out, it would occupy all of them
    with stop_on_interrupt() as interrupted, torch.random.fork_rng(gpus):
        end = history.steps if best and best.enough else config.steps
        for step, parts in batches(batch_of_step, history.steps, end, device):
            model.train()
            seed_step(config.seed, step, accelerator.process_index)
            rate = learning_rate(step, config)
            losses.append(training_step(wrapped, optimizer, parts, rate, accelerator, autocast,
                                        config.clip_norm))
            done = step + 1
            history.tokens += accelerator.num_processes * sum(
                part["input_ids"].numel() for part in parts)
            last, look = done == config.steps, done % config.eval_every == 0
            save_now = config.save_every and done % config.save_every == 0
            if not (last or look or save_now or device.type == "cpu" or done % LOOK_EVERY == 0):
                continue
            history.loss += accelerator.reduce(torch.stack(losses), "mean").tolist()
            check_finite(history.loss, len(losses), config)
            losses.clear()
            history.seconds = earlier + time.monotonic() - started
            if evaluate and (look or last):
                history.evaluations.append({"step": done, **evaluate(model)})
                if best:
                    best.look(model, history)
                    last = last or best.enough
            asked = interrupted.is_set() or getattr(monitor, "stop_asked", False)
            history.stopped_early = any_process(asked, accelerator) and not last
            if main and (last or save_now or run.minute_over() and not config.save_every
                         or history.stopped_early):
                run.save()
                if on_save:
                    on_save(history)
            if main and monitor:
                monitor.update(history, config.steps, done=last or history.stopped_early)
            if last or history.stopped_early:
                break
    model.train(was_training)
    accelerator.wait_for_everyone()
    return history


def training_step(
    model, optimizer, parts, rate: float, accelerator: Accelerator, autocast, clip_norm: float
) -> Tensor:
    """One update from one or more micro-batches. Returns this process's loss, without a gradient.

    Gradients add up over the micro-batches; processes exchange them once, after the last.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)  # scale: a layer's own share of the rate
    total = torch.zeros((), device=accelerator.device)
    for number, part in enumerate(parts, start=1):
        inputs = {name: x.to(accelerator.device, non_blocking=True) for name, x in part.items()}
        with nullcontext() if number == len(parts) else accelerator.no_sync(model):
            with autocast:
                loss = model(**inputs)
            accelerator.backward(loss)
        total += loss.detach()
    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return total


def check_finite(losses: list[float], new: int, config: TrainConfig) -> None:
    """End a run that has diverged, before it writes a useless checkpoint over a good one."""
    for step, loss in enumerate(losses[-new:], start=len(losses) - new + 1):
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss of step {step} is {loss}: the run has diverged. Start again with a "
                f"learning_rate below {config.learning_rate:g}, or with a longer warm-up."
            )


@dataclass
class Run:
    """A model on its way, and how it gets to disk and back."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    config: TrainConfig
    history: History
    identity: dict
    folder: Path | None
    best: object = None  # see `train`
    saved_at: float = field(default_factory=time.monotonic)

    FREE = ("eval_every", "save_every", "compile", "micro_batches")  # may change on resuming

    def settings(self) -> dict:
        """What must be equal for a checkpoint to be continued."""
        fixed = {k: v for k, v in asdict(self.config).items() if k not in self.FREE}
        return {**fixed, **self.identity}

    def minute_over(self) -> bool:
        return time.monotonic() - self.saved_at > 60

    def save(self) -> None:
        """Write a checkpoint, if the run has a folder."""
        if self.folder is not None:
            checkpoint.save(self.folder, self.history.steps, {
                "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                "history": asdict(self.history), "settings": self.settings(),
                "best": self.best and self.best.state_dict(),
            })
        self.saved_at = time.monotonic()

    def resume(self, accelerator: Accelerator) -> None:
        """Go on from the newest whole checkpoint, if there is one."""
        found = checkpoint.newest(self.folder) if self.folder else None
        if found is not None:
            state = checkpoint.load(found, accelerator.device)
            self.check_settings(state["settings"], found)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = History(**{**state["history"], "stopped_early": False})
            if self.best and state.get("best"):
                self.best.load_state_dict(state["best"])
        steps = accelerator.gather(torch.tensor([self.history.steps], device=accelerator.device))
        if steps.unique().numel() > 1:
            raise ValueError(
                f"the processes found checkpoints of different steps ({steps.tolist()}): "
                "the output folder must be one that all machines share."
            )

    def check_settings(self, saved: dict, found: Path) -> None:
        """Refuse to continue another run."""
        mine = self.settings()
        differ = [f"{name} was {saved.get(name)!r} and is {mine.get(name)!r}"
                  for name in sorted(saved.keys() | mine.keys())
                  if saved.get(name) != mine.get(name)]
        if differ:
            raise ValueError(
                f"{found} belongs to another run: {'; '.join(differ)}. Use the same settings, "
                "another output folder, or delete the old one (`--fresh`)."
            )


def batches(
    batch_of_step: Callable[[int], list], first: int, end: int, device: torch.device
) -> Iterator[tuple[int, list]]:
    """Steps and their batches. For a GPU the next batch is made in a thread while it works, in
    memory from which it can be copied without a wait; on a CPU a second thread would only take
    cores from the first."""
    if device.type == "cpu" or first >= end:
        yield from ((step, batch_of_step(step)) for step in range(first, end))
        return

    def make(step: int) -> list:
        parts = batch_of_step(step)
        if device.type != "cuda":
            return parts
        return [{name: x.pin_memory() for name, x in part.items()} for part in parts]

    with ThreadPoolExecutor(max_workers=1) as pool:
        coming = pool.submit(make, first)
        for step in range(first, end):
            batch = coming.result()
            if step + 1 < end:
                coming = pool.submit(make, step + 1)
            yield step, batch


def seed_step(seed: int, step: int, rank: int) -> None:
    """Let what is random in this step (dropout) depend on these three numbers alone."""
    torch.manual_seed(generator(seed, step, rank + 1).initial_seed())  # (seed, step): the masks


@contextmanager
def stop_on_interrupt():
    """Turn the first Ctrl-C (or SIGTERM) into a flag, so that a step is never cut in half.

    A second one acts at once. Outside the main thread signals cannot be caught and nothing changes.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def note(number, frame):
        flag.set()
        signal.signal(number, before[number])

    # None: a handler that Python did not set and cannot set again
    before = {s: signal.getsignal(s) or signal.SIG_DFL for s in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def any_process(flag: bool, accelerator: Accelerator) -> bool:
    """True in all processes if the flag is set in one of them."""
    if accelerator.num_processes == 1:
        return flag
    return bool(accelerator.reduce(torch.tensor(float(flag), device=accelerator.device), "sum"))
