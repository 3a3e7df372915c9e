"""The training loop of the small trials, without checkpoints, data sets or a monitor."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.config import ModelConfig


def fit(
    model: nn.Module, loss_of: Callable[[int], Tensor], steps: int, rate: float = 3e-3
) -> list[float]:
    """Train `model` in place on `loss_of(step)`: AdamW, a tenth of the steps up, then down.

    Returns the loss of each step. The model ends in evaluation mode.
    """
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=rate), []
    rise = max(1, steps // 10)
    model.train()
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rate * min((step + 1) / rise, 1 - step / steps)
        loss = loss_of(step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    model.eval()
    return losses


def small_shape(vocab_size: int, max_positions: int, **changes) -> ModelConfig:
    """Two layers of 64: weights start at about 1 / sqrt(64), and nothing is dropped."""
    shape = ModelConfig(
        vocab_size=vocab_size, max_positions=max_positions, hidden_size=64, num_layers=2,
        num_heads=4, intermediate_size=256, dropout=0.0, attention_dropout=0.0,
        initializer_range=0.08,
    )  # fmt: skip
    return shape.replace(**changes)
