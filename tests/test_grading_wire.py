"""Values across the boundary: what goes over arrives as it was; what is hostile is a WireError."""

import base64
import collections
import json
import math
import socket
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_lib.grading import wire
from course_lib.grading.wire import WireError

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def there(value):
    """As it arrives, by way of text."""
    return wire.decode(json.loads(json.dumps(wire.encode(value))))


def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and same(bytes_of(a), bytes_of(b))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return a == b or a != a and b != b


def bytes_of(tensor):
    flat = tensor.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


SIMPLE = (
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats()
    | st.complex_numbers() | st.text(st.characters(exclude_categories=["Cs"])) | st.binary()
)  # fmt: skip
NESTED = st.recursive(
    SIMPLE,
    lambda part: (
        st.lists(part, max_size=4) | st.lists(part, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), part, max_size=4)
        | st.sets(st.integers() | st.binary(max_size=3), max_size=4)
        | st.frozensets(st.integers(), max_size=4)
    ),
    max_leaves=20,
)  # fmt: skip


@QUICK
@given(NESTED)
def test_plain_values_arrive_as_they_were(value):
    assert same(there(value), value)


@pytest.mark.parametrize("dtype", wire.DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)], ids=str)
def test_tensors_of_all_kinds(dtype, shape):
    tensor = (torch.rand(shape) * 100).to(dtype)
    assert same(there(tensor), tensor)


def test_tensors_that_do_not_lie_in_one_piece():
    base = torch.arange(24.0).reshape(4, 6)
    views = (base.T, base[::2, 1::2], base[0].expand(3, 6), base.flip(0), torch.tensor(1j).conj())
    for tensor in views:
        assert torch.equal(there(tensor), tensor)


def test_numbers_that_are_none():
    values = torch.tensor([math.nan, math.inf, -math.inf, -0.0])
    assert same(there(values), values)
    assert same(there([math.nan, math.inf, -math.inf]), [math.nan, math.inf, -math.inf])


@pytest.mark.parametrize("dtype", ["?", "u1", "<i2", ">i4", "i8", "f2", ">f4", "f8", "c8", "c16"])
def test_arrays_and_their_scalars(dtype):
    array = (np.random.default_rng(0).random((2, 3)) * 9).astype(dtype)
    assert same(there(array), array) and same(there(array[0, 0]), array[0, 0])


@pytest.mark.parametrize("value", [
    slice(1, None, -2), range(3, 30, 4), torch.Size([2, 2**35]), torch.float16,
    torch.device("cpu"), b"\0\xff", 2**200, -(2**53) - 1,
], ids=repr)  # fmt: skip
def test_other_kinds(value):
    assert same(there(value), value)


def test_subclasses_of_dictionaries_arrive_plain():
    counter = collections.Counter("aab")
    ordered = collections.OrderedDict(b=1, a=torch.ones(2))
    grouped = collections.defaultdict(list, x=[1])
    assert same(there(counter), {"a": 2, "b": 1}) and same(there(grouped), {"x": [1]})
    assert same(there(ordered), dict(ordered))


def test_parameters_arrive_without_their_graph():
    parameter = torch.nn.Parameter(torch.ones(2))
    assert same(there(parameter), torch.ones(2)) and not there(parameter * 2).requires_grad


def test_sources_of_chance_go_on_where_they_stopped():
    ours = torch.Generator().manual_seed(3)
    torch.rand(5, generator=ours)
    theirs = there(ours)
    assert torch.equal(torch.rand(700, generator=theirs), torch.rand(700, generator=ours))
    fresh = there(torch.Generator().manual_seed(4))
    assert fresh.initial_seed() == 4
    ours = np.random.default_rng(3)
    theirs = there(ours)
    assert (ours.random(5) == theirs.random(5)).all()


class Lying(torch.Tensor):
    pass


@pytest.mark.parametrize("value", [
    object(), lambda: 0, torch.ones(2).as_subclass(Lying), torch.ones(2, device="meta"),
    torch.ones(2, 2).to_sparse(), np.array(["a"]), np.array([None]), type("F", (float,), {})(1),
    type("S", (str,), {})("a"), type("L", (list,), {})([1]),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_what_is_no_plain_value_does_not_cross(value):
    with pytest.raises(WireError):
        wire.encode(value)


def test_it_may_cross_as_something_else():
    assert wire.encode([object()], lambda value: {"handle": 1}) == {"list": [{"handle": 1}]}


def test_too_deep_too_large_and_without_end():
    deep, endless = [], []
    for _ in range(50):
        deep = [deep]
    endless.append(endless)
    for value in (deep, endless, torch.zeros(2**23), np.zeros(2**22)):
        with pytest.raises(WireError):
            wire.encode(value)


# --- what a hostile side may send ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda part: (
        st.lists(part, max_size=4) | st.dictionaries(st.text(max_size=5), part, max_size=3)
        | st.builds(lambda kind, part: {kind: part}, st.sampled_from(sorted(wire.DECODERS)), part)
    ),
    max_leaves=15,
)  # fmt: skip


@settings(QUICK, max_examples=600)
@given(JSON)
def test_whatever_comes_is_a_value_or_a_wire_error(parts):
    try:
        wire.decode(parts)
    except WireError:
        pass


@settings(QUICK, max_examples=400)
@given(st.sampled_from(sorted(wire.DTYPES)), st.lists(JSON | st.integers(-5, 5), max_size=4),
       st.binary(max_size=40).map(lambda raw: base64.b64encode(raw).decode()) | JSON)  # fmt: skip
def test_tensors_that_do_not_fit_together(dtype, shape, raw):
    for kind, name in (("tensor", dtype), ("array", "<f4"), ("scalar", "<i8")):
        try:
            value = wire.decode({kind: [name, shape, raw]})
        except WireError:
            continue
        assert list(value.shape) == shape


HUGE = 2**31


@pytest.mark.parametrize("parts", [
    {"tensor": ["float32", [-1], ""]}, {"tensor": ["float32", [True], "AAAAAA=="]},
    {"tensor": ["float32", [2**39] * 1_000_000, ""]}, {"tensor": ["float32", [HUGE, 0], ""]},
    {"tensor": ["float32", [2**16, 2**16, 0], ""]}, {"tensor": ["float32", [0.0], ""]},
    {"tensor": ["float32", "", ""]}, {"tensor": ["float32", {}, ""]}, {"tensor": []},
    {"tensor": ["float32", [1], "AAAA"]}, {"tensor": ["float32", [1], "not base64"]},
    {"tensor": ["qint8", [0], ""]}, {"tensor": [["float32"], [0], ""]}, {"tensor": "float32"},
    {"array": ["|O", [1], "AAAAAAAAAAA="]}, {"array": ["V8", [1], "AAAAAAAAAAA="]},
    {"array": ["f4", [0] * 70, ""]}, {"array": ["x, y", [0], ""]}, {"array": ["<U4", [0], ""]},
    {"int": "9" * 5000}, {"int": []}, {"int": "1e3"}, {"float": "1"}, {"float": 1},
    {"set": [{"list": []}]}, {"dict": [[{"dict": []}, 1]]}, {"dict": [[1]]}, {"dict": [1]},
    {"range": [0, HUGE, 1]}, {"range": [0, 10, 0]}, {"range": [0, "9" * 4000, 1]},
    {"slice": []}, {"size": [-1]}, {"size": 3}, {"dtype": "object"}, {"device": "nowhere"},
    {"generator": 1}, {"rng": {"dict": [["bit_generator", "MT19937"]]}}, {"rng": 1},
    {"handle": [1, "object", "x"]}, {"name": "config"}, {"reference": ["os", "system"]},
    {"list": None}, {"complex": [1]}, {"bytes": "a"}, {}, {"int": "1", "float": "nan"}, [], [1],
], ids=lambda parts: repr(parts)[:50])  # fmt: skip
def test_malformed_values(parts):
    with pytest.raises(WireError):
        wire.decode(parts)


def test_a_generator_that_would_be_read_beyond_its_end():
    state = torch.Generator().get_state()
    for left, drawn in ((624, 624), (600, 100), (1, 625)):
        bad = bytearray(bytes(state.tolist()))
        bad[8:12], bad[16:24] = left.to_bytes(4, "little"), drawn.to_bytes(8, "little")
        with pytest.raises(WireError):
            wire.decode({"generator": wire.encode(torch.tensor(list(bad), dtype=torch.uint8))})


def test_values_of_one_hash_take_no_time():
    alike = [{"complex": [1000003 * number, -number]} for number in range(100_000)]
    started = time.monotonic()
    for parts in ({"set": alike}, {"frozenset": alike}, {"dict": [[one, 0] for one in alike]}):
        with pytest.raises(WireError, match="alike"):
            wire.decode(parts)
    assert time.monotonic() - started < 30
    words = {f"word {number}": number for number in range(50_000)}
    assert there(words) == words


def test_too_many_parts():
    with pytest.raises(WireError):
        wire.decode({"list": [0] * (wire.MAX_NODES + 1)})
    deep = 0
    for _ in range(100):
        deep = {"list": [deep]}
    with pytest.raises(WireError):
        wire.decode(deep)
    with pytest.raises(WireError):
        wire.parse(b"[" + b"[]," * (2 * wire.MAX_NODES) + b"[]]")


def test_half_characters_become_whole():
    assert wire.decode("a\ud800b") == "a?b" and wire.text_of("\udfff") == "?"
    assert wire.text_of(None) == wire.text_of([1]) == ""


@pytest.mark.parametrize("old, new", [
    (torch.zeros(2), torch.ones(3)), (torch.zeros(2), torch.ones(2).double()), ([1], (1,)),
    (torch.zeros(1).expand(2), torch.ones(2)), (np.zeros(2), np.zeros(3)), ({1}, [1]), (1, 2),
    (np.broadcast_to(np.zeros(1), 2), np.ones(2)), (torch.zeros(2), None),
    (np.random.Generator(np.random.MT19937()), np.random.default_rng()),
], ids=lambda value: type(value).__name__)  # fmt: skip
def test_changes_that_cannot_be(old, new):
    with pytest.raises(WireError):
        wire.copy_into(old, new)


def test_changes_and_undoing_them():
    values = [torch.zeros(2), np.zeros(2), [1], {1: 2}, {1}, torch.Generator().manual_seed(0),
              np.random.default_rng(0)]  # fmt: skip
    after = [torch.ones(2), np.ones(2), [2, 3], {3: 4}, {5}, torch.Generator().manual_seed(1),
             np.random.default_rng(1)]  # fmt: skip
    for old, new in zip(values, after, strict=True):
        before, first = wire.copy_of(old), wire.encode(old)
        wire.copy_into(old, new)
        assert wire.encode(old) == wire.encode(new) != first
        wire.copy_into(old, before)
        assert wire.encode(old) == first


# --- messages ---


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def soon(seconds=1.0):
    return time.monotonic() + seconds


def test_messages(pair):
    for message in ({"a": [1, "é\ud800"]}, {}, {"x": "y" * 100_000}):
        sender = threading.Thread(target=wire.send, args=(pair[0], message))
        sender.start()
        assert wire.parse(wire.receive(pair[1], soon(10))) == message
        sender.join()


def test_a_message_that_is_too_large_is_not_sent(pair):
    with pytest.raises(WireError):
        wire.send(pair[0], {"x": "y" * (wire.MAX_BYTES + 1)})


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", (wire.MAX_BYTES + 1).to_bytes(4, "big")])
def test_an_announced_size_that_is_too_large(pair, raw):
    pair[0].sendall(raw + b"{}")
    with pytest.raises(WireError):
        wire.receive(pair[1], soon())


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 10_000, b"{}{}",
                                 b'{"a": }', b"\0\0\0"])  # fmt: skip
def test_what_is_no_json(raw):
    with pytest.raises(WireError):
        wire.parse(raw)


def test_a_side_that_closes(pair):
    pair[0].sendall(b"\0\0\0\x09{}")
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1], soon())


def test_one_deadline_for_all_of_a_slow_message(pair):
    stop, waits = threading.Event(), []

    def drip():
        pair[0].sendall(b"\0\0\x10\0")
        while not stop.wait(0.02):
            pair[0].sendall(b"x")

    dripping = threading.Thread(target=drip)
    dripping.start()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        wire.receive(pair[1], soon(0.5), lambda: waits.append(1))
    stop.set()
    dripping.join()
    assert time.monotonic() - started < 5


def test_somebody_watches_while_nothing_comes(pair):
    def watch():
        raise EOFError("too much memory")

    with pytest.raises(EOFError, match="memory"):
        wire.receive(pair[1], soon(5), watch)
