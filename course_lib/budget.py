"""How much work a lesson may do: one name, chosen once, used by every cell.

`smoke` is seconds (a check that the code runs), `cpu` about a minute a lesson on two cores,
`gpu` the run whose numbers are worth quoting. Without COURSE_BUDGET a CUDA device means `gpu`.
"""

import os
from dataclasses import dataclass
from typing import TypeVar

NAMES = ("smoke", "cpu", "gpu")
VARIABLE = "COURSE_BUDGET"

T = TypeVar("T")


@dataclass(frozen=True)
class Budget:
    """One of the three budgets, by name; anything else raises ValueError."""

    name: str

    def __post_init__(self):
        if self.name not in NAMES:
            raise ValueError(
                f"unknown budget {self.name!r}: choose one of {', '.join(NAMES)} "
                f"(environment variable {VARIABLE}), or leave it unset for an automatic choice"
            )

    def pick(self, *, smoke: T, cpu: T, gpu: T) -> T:
        """Return the value for this budget: `steps = budget.pick(smoke=5, cpu=300, gpu=20_000)`."""
        return {"smoke": smoke, "cpu": cpu, "gpu": gpu}[self.name]

    def __str__(self):
        number = cores()
        plural = "" if number == 1 else "s"
        return (
            f"budget: {self.name} ({number} core{plural}, {gpu_name() or 'no GPU'}; "
            f"set {VARIABLE} to change)"
        )


def choose() -> Budget:
    """The budget named by COURSE_BUDGET, else `gpu` where CUDA is usable, else `cpu`.

    Raises ValueError when COURSE_BUDGET holds another name.
    """
    name = os.environ.get(VARIABLE, "").strip()
    return Budget(name or ("gpu" if gpu_name() else "cpu"))


def cores() -> int:
    """Processor cores this process may use (fewer than the machine's in a container)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpu_name() -> str | None:
    """Name of the first CUDA device, or None. Imports torch only when asked."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
