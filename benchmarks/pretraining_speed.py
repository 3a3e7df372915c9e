"""How fast the course pre-trains each of the family, beside `transformers` on the same machine.

    python -m benchmarks.pretraining_speed [--model albert] [--rounds 5] [--steps 4] [--threads N]

Four processes train the same model (4 layers, 256 hidden, 4 heads, vocabulary 30,522, 128 tokens,
batch 32, dropout 0.1, AdamW, clipping) on the same masked batches: ours and that of `transformers`,
each in float32 and with bf16 autocast. They take turns, a few steps each, so that a machine that
slows down slows all of them; the table gives medians over the rounds, and the ratios of the turns.
On a GPU ours is compiled, as in the course; `transformers` runs as its documentation shows it.

BERT and RoBERTa: masked words. ALBERT: embeddings of 128, shared layers, masked words and sentence
order. ELECTRA: embeddings of 128, a generator of a quarter; `transformers` has no joint step, so
`JointElectra` below puts its two models together: embeddings shared, the generator's words drawn
from its softmax at the masked places.
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
MODELS = ("bert", "roberta", "albert", "electra")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="bert")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4, help="steps in a turn")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    options = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    workers = {}
    for name in VARIANTS:
        here, there = context.Pipe()
        arguments = (options.model, name, options.threads, there)
        context.Process(target=work, args=arguments, daemon=True).start()
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
    print_table(options.model, turns, ends)


def work(model: str, name: str, threads: int, pipe) -> None:
    """One variant in a process of its own: train when asked, report seconds per step."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    library, precision = name.split()
    step = (our_step if library == "ours" else their_step)(model, device, precision == "bf16")
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


def batches(model: str, number: int):
    """The masked batch of a step: random words, chosen and hidden as in pre-training."""
    import torch

    from course_lib.objectives import generator, mask_tokens

    rng = generator(number)
    ids = torch.randint(1000, 30_000, (BATCH, LENGTH), generator=rng)
    candidates = torch.ones_like(ids, dtype=torch.bool)
    candidates[:, [0, -1]] = False
    shares = (1.0, 0.0) if model == "electra" else (0.8, 0.1)
    corrupted, labels = mask_tokens(ids, candidates, 103, 30_522, 0.15, *shares, generator=rng)
    batch = {"input_ids": corrupted, "attention_mask": torch.ones_like(ids), "labels": labels}
    if model == "albert":
        batch["next_sentence_label"] = torch.randint(2, (BATCH,), generator=rng)
    return batch


def our_model(model: str):
    """The course's own, with the shape that all four models have in common."""
    from course_lib.albert import AlbertForPreTraining
    from course_lib.bert import BertForPreTraining
    from course_lib.config import ModelConfig
    from course_lib.electra import ElectraForPreTraining
    from course_lib.roberta import RobertaForMaskedLM

    config = ModelConfig(num_layers=LAYERS, num_heads=HEADS, **SHAPE)
    if model == "roberta":
        return RobertaForMaskedLM(config.replace(max_positions=514, type_vocab_size=1,
                                                 pad_token_id=1))  # fmt: skip
    if model == "albert":
        return AlbertForPreTraining(config.replace(embedding_size=128, shared="all"))
    if model == "electra":
        return ElectraForPreTraining(config.replace(embedding_size=128))
    return BertForPreTraining(config)


def our_step(model: str, device, bf16: bool):
    """The library's own training step."""
    import torch

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
    trained = our_model(model).to(device).train()
    optimizer = make_optimizer(trained, TrainConfig())
    trained = LossOnly(trained)
    if device.type == "cuda":
        trained = torch.compile(trained)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=bf16)
    slots = 0 if device.type == "cpu" else BATCH * round(0.15 * LENGTH)

    def step(number: int) -> None:
        parts = [model_inputs(batches(model, number), slots=slots)]
        training_step(trained, optimizer, parts, 1e-4, accelerator, autocast, 1.0)

    return step


def their_model(model: str):
    """The same from `transformers`."""
    import transformers

    shape = dict(num_hidden_layers=LAYERS, num_attention_heads=HEADS, **SHAPE)
    if model == "roberta":
        return transformers.RobertaForMaskedLM(transformers.RobertaConfig(
            max_position_embeddings=514, type_vocab_size=1, **shape))
    if model == "albert":
        return transformers.AlbertForPreTraining(transformers.AlbertConfig(
            embedding_size=128, hidden_act="gelu", hidden_dropout_prob=0.1,
            attention_probs_dropout_prob=0.1, **shape))
    if model == "electra":
        config = transformers.ElectraConfig(embedding_size=128, **shape)
        small = dict(hidden_size=64, num_attention_heads=1, intermediate_size=256)
        return joint_electra(config, transformers.ElectraConfig(
            embedding_size=128, **shape | small))
    return transformers.BertForMaskedLM(transformers.BertConfig(**shape))


def joint_electra(config, generator_config):
    """ELECTRA's step from the two models that `transformers` has, as people write it."""
    import torch
    from torch import nn
    from transformers import ElectraForMaskedLM, ElectraForPreTraining

    class JointElectra(nn.Module):
        def __init__(self):
            super().__init__()
            self.discriminator = ElectraForPreTraining(config)
            self.generator = ElectraForMaskedLM(generator_config)
            ours, theirs = (m.electra.embeddings for m in (self.discriminator, self.generator))
            for name in ("word_embeddings", "position_embeddings", "token_type_embeddings"):
                setattr(theirs, name, getattr(ours, name))
            self.generator.generator_lm_head.weight = ours.word_embeddings.weight

        def forward(self, input_ids, attention_mask, labels):
            written = self.generator(input_ids=input_ids, attention_mask=attention_mask,
                                     labels=labels)
            masked = labels != -100
            with torch.no_grad():
                words = written.logits[masked].float().softmax(-1).multinomial(1).squeeze(-1)
                corrupted = input_ids.clone()
                corrupted[masked] = words
                replaced = torch.zeros_like(labels)
                replaced[masked] = (words != labels[masked]).long()
            found = self.discriminator(input_ids=corrupted, attention_mask=attention_mask,
                                       labels=replaced)
            return type(found)(loss=written.loss + 50 * found.loss)

    return JointElectra()


def their_step(model: str, device, bf16: bool):
    """The model of `transformers` in the loop that its documentation shows."""
    import torch

    torch.manual_seed(0)
    trained = their_model(model).to(device).train()
    optimizer = torch.optim.AdamW(trained.parameters(), lr=1e-4, weight_decay=0.01)

    def step(number: int) -> None:
        inputs = {name: value.to(device) for name, value in batches(model, number).items()}
        if model == "albert":
            inputs["sentence_order_label"] = inputs.pop("next_sentence_label")
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            loss = trained(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
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


def model_flops(model: str) -> float:
    """Matrix-product operations of one training step: forward, and twice that backward."""
    d, ff, v = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["vocab_size"]
    masked, narrow = round(0.15 * LENGTH) * BATCH, 128 if model in ("albert", "electra") else d

    def encoder(width: int, inner: int) -> float:
        layers = LAYERS * (2 * (4 * width * width + 2 * width * inner) + 4 * LENGTH * width)
        return TOKENS * (layers + (2 * narrow * width if narrow != width else 0))

    def words(width: int) -> float:
        return masked * 2 * (width * narrow + narrow * v)

    if model == "electra":
        return 3 * (encoder(d, ff) + TOKENS * 2 * d * d + encoder(d // 4, ff // 4) + words(d // 4))
    return 3 * (encoder(d, ff) + words(d))


def print_table(model: str, turns: dict, ends: dict) -> None:
    """Medians, and the ratio to each `transformers` variant turn by turn."""
    first = next(iter(ends.values()))
    print(f"{model}; {first['device']}, {first['threads']} threads; {TOKENS} tokens a step; "
          f"median of {len(turns['ours bf16'])} turns (smallest - largest)\n")
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
            rate = model_flops(model) / statistics.median(seconds)
            line += f"{rate / ends[name]['flops']:>13.1%}"
        print(line)


if __name__ == "__main__":
    main()
