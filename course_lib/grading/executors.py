"""Where batches are graded: in threads here, each with processes of its own, or on a cluster."""

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from course_lib.grading.text import one_line

DASK_SECONDS = 10  # for a scheduler to answer


@contextmanager
def open_executor(name: str, jobs: int) -> Iterator[tuple[Executor, int, bool]]:
    """An executor, how much it does at once, and whether it is on this machine."""
    if name == "":
        with ThreadPoolExecutor(jobs, thread_name_prefix="grade") as pool:
            yield pool, jobs, True
    elif name.startswith("dask://"):
        with dask_client(name.removeprefix("dask://")) as client:
            width = max(jobs, sum(client.nthreads().values()))
            yield client.get_executor(pure=False), width, False
    else:
        raise ValueError(f"--executor {name!r} is not known; leave it out, or dask://host:port.")


def dask_client(address: str):
    """A connection to a scheduler that answers. Raises ValueError if there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            "--executor dask:// needs the packages of the extra `cluster`: "
            "pip install -e '.[cluster]'"
        ) from None
    try:
        return Client(f"tcp://{address}", timeout=DASK_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {address} ({one_line(str(error))}); start one with "
            "`dask scheduler`, and `dask worker` on each machine."
        ) from None
