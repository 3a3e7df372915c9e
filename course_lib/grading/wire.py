"""Values between the trusted kernel and the student's process, as strict JSON.

Nothing is ever unpickled. What is no plain value stays where it is and crosses as a handle, a
number that the other side resolves. Whatever comes from the student's side is checked piece by
piece: a value is one of the kinds below, or `WireError`.
"""

import base64
import collections
import copy
import json
import math
import socket
import time
from collections.abc import Callable

import numpy as np
import torch

MAX_BYTES = 32 << 20  # of one message
MAX_NODES = 1_000_000  # plain values in one message
MAX_DEPTH = 24
MAX_ALIKE = 100  # members of one set or dictionary that share a hash

DTYPES = {str(d).removeprefix("torch."): d for d in (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128)}  # fmt: skip


class WireError(Exception):
    """A value that cannot cross, or a message that is not what it should be."""


def encode(value, other: Callable | None = None, depth: int = 0):
    """A JSON form of `value`. Exact types only: a subclass is an object like any other.

    other(value): gives the JSON form of what is no plain value; without it that is a WireError.
    """
    if depth > MAX_DEPTH:
        raise WireError("the value is nested too deeply to be handed over")
    kind = type(value)
    if value is None or kind in (bool, str):
        return value
    if kind is int:
        return {"int": str(value)} if abs(value) > 2**53 else value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind in ENCODERS:
        name, parts = ENCODERS[kind](value, lambda part: encode(part, other, depth + 1))
        return {name: parts}
    if isinstance(value, np.generic) and kind.__module__ == "numpy":
        return {"scalar": _array_parts(np.asarray(value))}
    if other is None:
        raise WireError(f"a value of type {kind.__name__} cannot be handed over")
    return other(value)


def decode(parts, other: Callable | None = None):
    """The value of a JSON form. other(name, parts) resolves the forms that are not plain values.

    Raises WireError for anything else, and for more than MAX_NODES values.
    """
    nodes = 0

    def one(part, depth=0):
        nonlocal nodes
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise WireError("the value has too many parts, or is nested too deeply")
        if isinstance(part, str):
            return text_of(part)
        if part is None or isinstance(part, bool | int | float):
            return part
        if not isinstance(part, dict) or len(part) != 1:
            raise WireError("a malformed value")
        ((name, content),) = part.items()
        try:
            if name in DECODERS:
                return DECODERS[name](content, lambda inner: one(inner, depth + 1))
            if other is not None:
                return other(name, content)
        except WireError:
            raise
        except Exception as error:
            raise WireError(f"a malformed {name[:20]} ({type(error).__name__})") from None
        raise WireError(f"a value of the unknown kind {name[:20]!r}")

    return one(parts)


def text_of(value) -> str:
    """Text from the other side without lone surrogates, which nothing here could print; of
    anything else nothing."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


# --- tensors and arrays: type, shape, bytes ---


def _tensor_parts(tensor: torch.Tensor) -> list:
    tensor = tensor.detach()
    name = str(tensor.dtype).removeprefix("torch.")
    if name not in DTYPES or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        raise WireError(
            f"a tensor of {tensor.dtype} on {tensor.device} cannot be handed over: "
            "needed is an ordinary one on the CPU"
        )
    _check_size(tensor.numel() * tensor.element_size(), tuple(tensor.shape))
    flat = tensor.resolve_conj().resolve_neg().contiguous().reshape(-1)
    raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return [name, list(tensor.shape), base64.b64encode(raw).decode()]


def _check_size(size: int, shape: tuple) -> None:
    if size > MAX_BYTES // 2:
        raise WireError(
            f"a tensor of shape {shape} is too large to be handed over "
            f"({size >> 20} MiB, the limit is {MAX_BYTES >> 21})"
        )


def _tensor(parts: list) -> torch.Tensor:
    dtype, shape = DTYPES[parts[0]], _shape(parts[1])
    raw = bytearray(base64.b64decode(parts[2], validate=True))
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise WireError(f"a tensor of shape {shape} with {len(raw)} bytes")
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(raw, dtype=dtype).reshape(shape)


def _sizes(sizes: list) -> list[int]:
    if type(sizes) is not list or len(sizes) > 16:
        raise WireError("a shape that is none")
    if any(type(size) is not int or not 0 <= size < 2**40 for size in sizes):
        raise WireError("a shape with something that is no size")
    return sizes


def _shape(sizes: list) -> list[int]:
    """Sizes of axes. An empty tensor may not have a huge axis either: a sum over the empty one
    would fill the memory of whoever takes it."""
    if math.prod(size for size in _sizes(sizes) if size) > MAX_BYTES:
        raise WireError("a shape that is too large")
    return sizes


def _array_parts(array: np.ndarray) -> list:
    if array.dtype.kind not in "biufc":
        raise WireError(f"an array of dtype {array.dtype} cannot be handed over")
    _check_size(array.nbytes, array.shape)
    raw = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return [array.dtype.str, list(array.shape), raw]


def _array(parts: list) -> np.ndarray:
    dtype = np.dtype(str(parts[0]))
    if dtype.kind not in "biufc":
        raise WireError(f"an array of dtype {dtype}")
    shape = _shape(parts[1])
    flat = np.frombuffer(bytearray(base64.b64decode(parts[2], validate=True)), dtype=dtype)
    return flat.reshape(shape)


# --- sources of chance: their state crosses, so that a call goes on where the last one stopped ---


def _numpy_generator(state: dict) -> np.random.Generator:
    generator = np.random.default_rng()
    generator.bit_generator.state = state
    return generator


def _torch_generator(state: torch.Tensor) -> torch.Generator:
    """Of 624 words, `next` have been drawn and `left` are not; a false sum would have torch read
    behind them."""
    raw = bytes(state.tolist())
    left, drawn = int.from_bytes(raw[8:12], "little"), int.from_bytes(raw[16:24], "little")
    if left + drawn > 625:
        raise WireError("a generator in no possible state")
    generator = torch.Generator()
    generator.set_state(state)
    return generator


# --- collections ---


def _range(start: int, stop: int, step: int) -> range:
    """A range that can be made a list of without filling the memory."""
    made = range(start, stop, step)
    if made[MAX_NODES:]:
        raise WireError("a range that is too long")
    return made


def _hashed(keys: list) -> list:
    """Members of a set or dictionary. Many of one hash would take hours to put together."""
    alike = collections.Counter(map(hash, keys)).most_common(1)
    if alike and alike[0][1] > MAX_ALIKE:
        raise WireError("a set or dictionary whose members are too much alike")
    return keys


def _dict(pairs: list, dec: Callable) -> dict:
    keys = _hashed([dec(key) for key, _ in pairs])
    return dict(zip(keys, [dec(value) for _, value in pairs], strict=True))


def _dict_parts(value: dict, enc: Callable) -> tuple[str, list]:
    return "dict", [[enc(key), enc(part)] for key, part in value.items()]


# kind -> function(value, encode a part) -> (name, parts)
ENCODERS = {
    complex: lambda v, enc: ("complex", [enc(v.real), enc(v.imag)]),
    bytes: lambda v, enc: ("bytes", base64.b64encode(v).decode()),
    list: lambda v, enc: ("list", [enc(x) for x in v]),
    tuple: lambda v, enc: ("tuple", [enc(x) for x in v]),
    set: lambda v, enc: ("set", [enc(x) for x in v]),
    frozenset: lambda v, enc: ("frozenset", [enc(x) for x in v]),
    dict: _dict_parts,
    collections.OrderedDict: _dict_parts,  # arrives as a plain one, as the next two
    collections.Counter: _dict_parts,
    collections.defaultdict: _dict_parts,
    slice: lambda v, enc: ("slice", [enc(v.start), enc(v.stop), enc(v.step)]),
    range: lambda v, enc: ("range", [v.start, v.stop, v.step]),
    torch.Tensor: lambda v, enc: ("tensor", _tensor_parts(v)),
    torch.nn.Parameter: lambda v, enc: ("tensor", _tensor_parts(v)),
    torch.Size: lambda v, enc: ("size", list(v)),
    torch.dtype: lambda v, enc: ("dtype", str(v).removeprefix("torch.")),
    torch.device: lambda v, enc: ("device", str(v)),
    torch.Generator: lambda v, enc: ("generator", enc(v.get_state())),
    np.ndarray: lambda v, enc: ("array", _array_parts(v)),
    np.random.Generator: lambda v, enc: ("rng", enc(v.bit_generator.state)),
}

DECODERS = {
    "int": lambda v, dec: int(v),
    "float": lambda v, dec: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[v],
    "complex": lambda v, dec: complex(dec(v[0]), dec(v[1])),
    "bytes": lambda v, dec: base64.b64decode(v, validate=True),
    "list": lambda v, dec: [dec(x) for x in v],
    "tuple": lambda v, dec: tuple(dec(x) for x in v),
    "set": lambda v, dec: set(_hashed([dec(x) for x in v])),
    "frozenset": lambda v, dec: frozenset(_hashed([dec(x) for x in v])),
    "dict": lambda v, dec: _dict(v, dec),
    "slice": lambda v, dec: slice(*[dec(x) for x in v]),
    "range": lambda v, dec: _range(*[int(x) for x in v]),
    "tensor": lambda v, dec: _tensor(v),
    "size": lambda v, dec: torch.Size(_sizes(v)),
    "dtype": lambda v, dec: DTYPES[v],
    "device": lambda v, dec: torch.device(v),
    "generator": lambda v, dec: _torch_generator(dec(v)),
    "array": lambda v, dec: _array(v),
    "scalar": lambda v, dec: _array(v)[()],
    "rng": lambda v, dec: _numpy_generator(dec(v)),
}


def copy_into(old, new) -> None:
    """Make a mutable argument what the student's code has made of it, as in a notebook.

    Raises WireError where that cannot be (another type, shape or dtype).
    """
    try:
        _copy_into(old, new)
    except (RuntimeError, ValueError) as error:  # one that cannot be written to
        raise WireError(f"an argument cannot be changed: {error}") from None


def _copy_into(old, new) -> None:
    if type(old) is not type(new) and not (isinstance(old, dict) and type(new) is dict):
        raise WireError("an argument came back as something else")
    if isinstance(old, torch.Tensor) and old.shape == new.shape and old.dtype == new.dtype:
        with torch.no_grad():
            old.copy_(new)
    elif isinstance(old, np.ndarray) and old.shape == new.shape and old.dtype == new.dtype:
        old[...] = new
    elif isinstance(old, list):
        old[:] = new
    elif isinstance(old, tuple) and len(old) == len(new):
        for part, after in zip(old, new, strict=True):
            if isinstance(part, MUTABLE):
                _copy_into(part, after)
    elif isinstance(old, dict | set):
        old.clear()
        old.update(new)
    elif isinstance(old, torch.Generator):
        old.set_state(new.get_state())
    elif isinstance(old, np.random.Generator):
        old.bit_generator.state = new.bit_generator.state
    else:
        raise WireError("an argument was changed into another shape or type")


def copy_of(value):
    """A copy of one of the MUTABLE that `copy_into` can undo changes with."""
    if isinstance(value, tuple):
        return tuple(copy_of(part) if isinstance(part, MUTABLE) else part for part in value)
    plain = isinstance(value, list | dict | set)
    return copy.copy(value) if plain else decode(encode(value))


# A tuple cannot change, but what it holds can: a model's state is often a tuple of tensors.
MUTABLE = (
    torch.Tensor, np.ndarray, list, dict, set, tuple, torch.Generator, np.random.Generator,
)  # fmt: skip


# --- messages: four bytes of length, then JSON ---


def send(sock: socket.socket, message: dict) -> None:
    """Send one message. Raises WireError if it is too large."""
    raw = json.dumps(message).encode()
    if len(raw) > MAX_BYTES:
        raise WireError(
            f"{len(raw) >> 20} MiB are too much to hand over (the limit is {MAX_BYTES >> 20})"
        )
    sock.sendall(len(raw).to_bytes(4, "big") + raw)


def receive(
    sock: socket.socket, deadline: float | None = None, on_wait: Callable | None = None
) -> bytes:
    """Receive one message, for `parse`. The deadline (time.monotonic()) is for all of it, so that
    single bytes sent one after the other do not stretch it. on_wait() is called while nothing
    comes.

    Raises TimeoutError after the deadline, EOFError when the other side has closed, WireError
    for a message that is too large.
    """
    size = int.from_bytes(_exactly(sock, 4, deadline, on_wait), "big")
    if size > MAX_BYTES:
        raise WireError("a message that is too large")
    return _exactly(sock, size, deadline, on_wait)


def parse(raw: bytes):
    """What a message says. Raises WireError for what is no JSON, or would fill the memory."""
    if raw.count(b"[") + raw.count(b"{") > 2 * MAX_NODES:
        raise WireError("a message of too many parts")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise WireError("a message that is no JSON") from None


def _exactly(sock: socket.socket, size: int, deadline: float | None, on_wait) -> bytes:
    out = bytearray()
    while len(out) < size:
        left = 3600.0 if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(min(left, 0.2) if on_wait else left)
        try:
            piece = sock.recv(min(1 << 20, size - len(out)))
        except TimeoutError:
            if on_wait:
                on_wait()
            continue
        if not piece:
            raise EOFError("the other side has closed")
        out += piece
    return bytes(out)
