"""How fast the course pre-trains a BERT, beside `transformers` on the same machine.

    python -m benchmarks.pretraining_speed [--rounds 5] [--steps 4] [--threads N]

Four processes train the same model (4 layers, 256 hidden, 4 heads, vocabulary 30,522, 128 tokens,
batch 32, dropout 0.1, AdamW, clipping) on the same masked batches: ours and `BertForMaskedLM`, each
in float32 and with bf16 autocast. They take turns, a few steps each, so that a machine that
slows down slows all of them; the table gives medians over the rounds, and the ratios of the turns.
On a GPU ours is compiled, as in the course; `transformers` runs as its documentation shows it.
"""

import argparse
import multiprocessing
import platform
import statistics
import sys
import time

SHAPE = dict(vocab_size=30_522, hidden_size=256, intermediate_size=1024)
LAYERS, HEADS, BATCH, LENGTH = 4, 4, 32, 128
TOKENS = BATCH * LENGTH
VARIANTS = ("ours bf16", "transformers bf16", "ours fp32", "transformers fp32")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    workers = {}
    for name in VARIANTS:
        here, there = context.Pipe()
        context.Process(target=work, args=(name, options.threads, there), daemon=True).start()
        there.close()  # so that a worker that fails is noticed
        here.recv()  # ready and warm
        workers[name] = here
    turns = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, worker in workers.items():
            worker.send(options.steps)
            turns[name].append(worker.recv())
    ends = {}
    for name, worker in workers.items():
        worker.send(0)
        ends[name] = worker.recv()
    print_table(turns, ends)


def work(name: str, threads: int, pipe) -> None:
    """One variant in a process of its own: train when asked, report seconds per step."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    family, precision = name.split()
    step = (our_step if family == "ours" else their_step)(device, precision == "bf16")
    for number in range(3 if device.type == "cpu" else 20):
        step(number)
    finish(device)
    pipe.send("ready")
    number = 100
    while turn := pipe.recv():
        started = time.perf_counter()
        for _ in range(turn):
            step(number)
            number += 1
        finish(device)
        pipe.send((time.perf_counter() - started) / turn)
    pipe.send({"memory": peak_memory(device), "device": device_name(device),
               "threads": torch.get_num_threads(), "flops": None if device.type == "cpu"
               else matrix_rate(device, precision == "bf16")})


def batches(number: int):
    """The masked batch of a step: random words, chosen and hidden as in pre-training."""
    import torch

    from course_lib.objectives import generator, mask_tokens

    rng = generator(number)
    ids = torch.randint(1000, 30_000, (BATCH, LENGTH), generator=rng)
    candidates = torch.ones_like(ids, dtype=torch.bool)
    candidates[:, [0, -1]] = False
    corrupted, labels = mask_tokens(ids, candidates, 103, 30_522, generator=rng)
    return {"input_ids": corrupted, "attention_mask": torch.ones_like(ids), "labels": labels}


def our_step(device, bf16: bool):
    """The library's own training step."""
    import torch

    from course_lib.bert import BertForPreTraining
    from course_lib.config import ModelConfig
    from course_lib.objectives import model_inputs
    from course_lib.training import (
        LossOnly,
        TrainConfig,
        make_accelerator,
        make_optimizer,
        training_step,
    )

    accelerator = make_accelerator()
    torch.manual_seed(0)
    model = BertForPreTraining(ModelConfig(num_layers=LAYERS, num_heads=HEADS, **SHAPE))
    model.to(device).train()
    optimizer = make_optimizer(model, TrainConfig())
    model = LossOnly(model)
    if device.type == "cuda":
        model = torch.compile(model)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
    slots = 0 if device.type == "cpu" else BATCH * round(0.15 * LENGTH)

    def step(number: int) -> None:
        parts = [model_inputs(batches(number), slots=slots)]
        training_step(model, optimizer, parts, 1e-4, accelerator, autocast, 1.0)

    return step


def their_step(device, bf16: bool):
    """`BertForMaskedLM` in the loop that its documentation shows."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig(
        num_hidden_layers=LAYERS, num_attention_heads=HEADS, **SHAPE)).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.01)

    def step(number: int) -> None:
        inputs = {name: value.to(device) for name, value in batches(number).items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def finish(device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        import torch

        torch.cuda.synchronize()


def peak_memory(device) -> float:
    """MiB: of the process on a CPU, of the GPU's allocator on a GPU."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    if sys.platform == "win32":
        return float("nan")
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def device_name(device) -> str:
    """For the heading."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"{platform.machine()} CPU"


def matrix_rate(device, bf16: bool, size: int = 8192) -> float:
    """Measured floating-point operations a second of a large matrix product."""
    import torch

    a = torch.randn(size, size, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        a @ a
    torch.cuda.synchronize()
    return 10 * 2 * size**3 / (time.perf_counter() - started)


def model_flops() -> float:
    """Matrix-product operations of one training step: forward, and twice that backward."""
    d, ff, v = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["vocab_size"]
    layer = 2 * (4 * d * d + 2 * d * ff) + 4 * LENGTH * d  # per token
    masked = round(0.15 * LENGTH) * BATCH * 2 * (d * d + d * v)
    return 3 * (TOKENS * LAYERS * layer + masked)


def print_table(turns: dict, ends: dict) -> None:
    """Medians, and the ratio to each `transformers` variant turn by turn."""
    first = next(iter(ends.values()))
    print(f"{first['device']}, {first['threads']} threads; {TOKENS} tokens a step; median of "
          f"{len(turns['ours bf16'])} turns (smallest - largest)\n")
    print(f"{'':20}{'tokens/s':>26}{'peak MiB':>11}{'x tr. bf16':>13}{'x tr. fp32':>13}", end="")
    print(f"{'utilisation':>13}" if first["flops"] else "")
    for name, seconds in turns.items():
        speed = sorted(TOKENS / s for s in seconds)
        shown = f"{statistics.median(speed):,.0f} ({speed[0]:,.0f} - {speed[-1]:,.0f})"
        ratios = [statistics.median(t / s for t, s in zip(turns[f"transformers {p}"], seconds,
                                                          strict=True)) for p in ("bf16", "fp32")]
        line = f"{name:20}{shown:>26}{ends[name]['memory']:>11,.0f}"
        line += f"{ratios[0]:>13.2f}{ratios[1]:>13.2f}"
        if first["flops"]:
            rate = model_flops() / statistics.median(seconds)
            line += f"{rate / ends[name]['flops']:>13.1%}"
        print(line)


if __name__ == "__main__":
    main()
