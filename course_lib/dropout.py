"""Dropout that is quick on a CPU.

PyTorch draws one random number per element, on one core; here one 64-bit number serves four
elements. On a GPU this is ordinary dropout. Source: Srivastava et al. 2014, JMLR 15, section 4.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 1 << 16  # a 16-bit random number: the chance of dropping is p to within 1 / 65,536


def keep_mask(x: Tensor, p: float) -> Tensor:
    """A boolean tensor like x, False with probability p."""
    words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64)
    words.random_(-(1 << 63), None)
    lanes = words.view(torch.int16)[: x.numel()]
    low = min(round(p * STEPS), STEPS - 1)  # at STEPS the limit would not fit into 16 bits
    return (lanes >= low - STEPS // 2).view(x.shape)


class Dropout(nn.Module):
    """Set each element to 0 with probability p in training, and scale the rest by 1 / (1 - p)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        return x * keep_mask(x, self.p).to(x.dtype).mul_(1 / (1 - self.p))

    def extra_repr(self) -> str:
        return f"p={self.p}"
