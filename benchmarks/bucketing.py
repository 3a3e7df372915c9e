"""What length buckets save in fine-tuning: batches of like length against random ones.

    python -m benchmarks.bucketing

Fine-tunes the same small BERT on docstrings (`pydocs`, which package is a text from?), step by
step in turn with buckets and without, in one process, and prints the share of padding and the
real tokens (padding not counted) in a second of processor time.
"""

import time

import numpy as np
import torch
import typer
from datasets import Dataset

from course_lib import pretrained
from course_lib.bert import BertForSequenceClassification
from course_lib.data import pydocs
from course_lib.task_rows import batches_of_epoch, lengths_of, make_batch
from course_lib.training import TrainConfig, make_optimizer


def encoded_rows(limit: int, max_length: int) -> Dataset:
    """Docstrings as ids, with the number of their package."""
    rows, tokenizer = pydocs.classification()["train"], pretrained.load_tokenizer(
        pretrained.shipped())
    rows = rows.select(range(min(limit, len(rows))))
    ids = [tokenizer.encode(text, max_length=max_length)["input_ids"] for text in rows["text"]]
    return Dataset.from_dict({"input_ids": ids, "labels": rows["label"]})


def step(model, optimizer, batch) -> None:
    model(**batch).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def main(steps: int = 20, batch_size: int = 32, limit: int = 2000, max_length: int = 128):
    """Both kinds of batches in turn, `steps` of each."""
    torch.manual_seed(0)
    model = pretrained.load(pretrained.shipped(), BertForSequenceClassification,
                            strict_heads=False, num_labels=8)
    rows = encoded_rows(limit, max_length)
    lengths, optimizer = lengths_of(rows), make_optimizer(model, TrainConfig())
    kinds = {"random": False, "bucketed": True}
    batches = {kind: batches_of_epoch(lengths, batch_size, 0, 0, bucketed)
               for kind, bucketed in kinds.items()}
    tokens, seconds = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0.0)
    for number in range(min(steps, len(batches["random"]))):
        for kind in kinds:
            batch = make_batch(rows, batches[kind][number], model.config, ("labels",))
            started = time.process_time()
            step(model, optimizer, batch)
            if number:  # the first step is slower
                seconds[kind] += time.process_time() - started
                tokens[kind] += int(batch["attention_mask"].sum())
    print(f"{len(rows)} rows of {lengths.min()} to {lengths.max()} tokens, "
          f"mean {lengths.mean():.0f}")
    for kind in kinds:
        places = sum(make_batch(rows, b, model.config)["input_ids"].numel() for b in batches[kind])
        print(f"{kind:>9}: {1 - np.sum(lengths) / places:5.1%} padding in an epoch, "
              f"{tokens[kind] / seconds[kind]:,.0f} real tokens a second")


if __name__ == "__main__":
    typer.run(main)
