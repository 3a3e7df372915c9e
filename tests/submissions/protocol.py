"""Answers that do not keep to the protocol, sent by hand over the worker's own socket."""

import json

from submissions.case import CASES, Case, hostile, names

KIND = "protocol"
BY_HAND = """
import json, os, sys, time
def serving():  # the local variables of `Worker.serve`, further up
    frame = sys._getframe()
    while "question" not in frame.f_locals or "sock" not in vars(frame.f_locals["self"]):
        frame = frame.f_back
    return frame.f_locals
def number_of_the_question():
    return serving()["question"]["n"]
def socket_to_the_grader():
    return serving()["self"].sock
def say(raw):
    socket_to_the_grader().sendall(len(raw).to_bytes(4, "big") + raw)
"""
# What the function `weights` answers in place of a value, as JSON; N is the right number.
ANSWERS = {
    "no_json": "hello",
    "no_dictionary": "[1, 2]",
    "nothing": "null",
    "the_wrong_number": '{"n": 1, "ok": true, "value": null}',
    "the_number_as_text": '{"n": "N", "ok": true, "value": null}',
    "true_as_a_number": '{"n": N, "ok": 1, "value": 1}',
    "deep_nesting": "[" * 200_000,
    "a_huge_whole_number": '{"n": N, "ok": true, "value": 1' + "0" * 10_000 + "}",
    "a_huge_number_as_text": '{"n": N, "ok": true, "value": {"int": "1' + "0" * 10_000 + '"}}',
    "an_unknown_kind": '{"n": N, "ok": true, "value": {"code": "1 + 1"}}',
    "two_kinds": '{"n": N, "ok": true, "value": {"int": "1", "float": "nan"}}',
    "a_name_of_the_graders": '{"n": N, "ok": true, "value": {"name": "__referee__"}}',
    "a_function_to_import": '{"n": N, "ok": true, "value": {"reference": ["os", "system"]}}',
    "a_record": '{"n": N, "ok": true, "value": {"record": ["os", "system", {"command": "ls"}]}}',
    "a_handle_of_nothing": '{"n": N, "ok": true, "value": {"handle": [1, "object", "Tensor"]}}',
    "a_handle_of_no_number": '{"n": N, "ok": true, "value": {"handle": [true, [], {}]}}',
    "a_negative_shape": '{"n": N, "ok": true, "value": {"tensor": ["float32", [-3, -5], ""]}}',
    "too_few_bytes": '{"n": N, "ok": true, "value": {"tensor": ["float32", [3, 5], "AAAA"]}}',
    "an_unknown_dtype": '{"n": N, "ok": true, "value": {"tensor": ["object", [0], ""]}}',
    "an_array_of_objects": '{"n": N, "ok": true, "value": {"array": ["|O", [1], "AAAAAAAAAAA="]}}',
    "a_large_empty_tensor": json.dumps(
        {"ok": True, "value": {"tensor": ["float32", [2**31, 0], ""]}}
    ).replace("{", '{"n": N, ', 1),
    "half_characters": '{"n": N, "ok": false, "error": "\\ud800", "message": "\\udfff", '
    '"traceback": "\\ud800", "bases": ["ValueError"]}',
    "an_error_of_no_texts": '{"n": N, "ok": false, "error": [[]], "message": {"a": 1}, '
    '"traceback": 7, "bases": {"ValueError": 1}}',
    "an_error_of_the_graders": '{"n": N, "ok": false, "error": "SystemExit", "message": "x", '
    '"bases": ["SystemExit", "BaseException", "KeyboardInterrupt", "StudentCodeError"]}',
    "changes_that_are_none": '{"n": N, "ok": true, "value": 1, "changed": [[[], []], 7, null]}',
    "changes_of_other_things": '{"n": N, "ok": true, "value": 1, "changed": [[0, 7], ["x", 1]]}',
    "changes_of_another_type": '{"n": N, "ok": true, "value": 1, "changed": [[0, {"list": []}]]}',
}


def add(name: str, answer: str) -> None:
    def make(trap):
        # the text is written apart, so that no file of 200,000 brackets has to be parsed
        return {
            "weights": f"{BY_HAND}\ndef weights(q, k):\n"
            f"    text = {shortened(answer)}\n"
            "    say(text.replace('N', str(number_of_the_question())).encode())\n"
            "    time.sleep(0.3)\n    os._exit(0)\n"
        }

    CASES.append(Case(f"answers_{name}", KIND, make, names("weights"), names(""), "", "", False))


def shortened(answer: str) -> str:
    """A Python expression for the text."""
    for piece in ("[" * 200_000, "0" * 10_000):
        if piece in answer:
            before, after = answer.split(piece)
            return f"{before!r} + {piece[0]!r} * {len(piece)} + {after!r}"
    return repr(answer)


for one in ANSWERS.items():
    add(*one)


@hostile(KIND, loses="weights", may_lose="head batches number")
def answers_before_it_is_asked(trap):
    """A hundred answers wait in the socket, for the questions that are to come."""
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    for later in range(100):
        number = number_of_the_question() + later
        say(json.dumps({"n": number, "ok": True, "value": True, "passed": True}).encode())
    time.sleep(60)
"""
    }


@hostile(KIND, loses="weights")
def answers_one_byte_after_the_other(trap):
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    sock = socket_to_the_grader()
    for byte in (1 << 20).to_bytes(4, "big") + b"[" * 10**6:
        sock.sendall(bytes([byte]))
        time.sleep(0.05)
"""
    }


@hostile(KIND, loses="weights")
def announces_more_than_it_sends(trap):
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    socket_to_the_grader().sendall((30 << 20).to_bytes(4, "big") + b"{")
    os._exit(0)
"""
    }


@hostile(KIND, loses="weights")
def announces_four_gigabytes(trap):
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    socket_to_the_grader().sendall(b"\\xff\\xff\\xff\\xff" + bytes(100))
    time.sleep(60)
"""
    }


@hostile(KIND, loses="weights")
def answers_ten_million_brackets(trap):
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    say(b"[" + b"[]," * 5_000_000 + b"[]]")
    time.sleep(60)
"""
    }


@hostile(KIND, loses="weights")
def answers_a_shape_of_a_million_axes(trap):
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    sizes = [2**39] * 1_000_000
    value = {"tensor": ["float32", sizes, ""]}
    say(json.dumps({"n": number_of_the_question(), "ok": True, "value": value}).encode())
    time.sleep(60)
"""
    }


@hostile(KIND, loses="weights", says="too much alike")
def answers_values_that_hash_alike(trap):
    """Numbers of one hash: a set of them takes hours to build."""
    return {
        "weights": BY_HAND
        + """
def weights(q, k):
    values = [{"complex": [1000003 * number, -number]} for number in range(1, 20_000)]
    answer = {"n": number_of_the_question(), "ok": True, "value": {"set": values}}
    say(json.dumps(answer).encode())
    time.sleep(60)
"""
    }


@hostile(KIND, loses="weights")
def answers_to_a_closed_socket(trap):
    return {"weights": BY_HAND + "def weights(q, k):\n    socket_to_the_grader().close()"}


@hostile(KIND, loses="weights", may_lose="head")
def reads_the_questions_itself(trap):
    """A thread takes the questions off the socket before the worker sees them."""
    return {
        "weights": BY_HAND
        + """
import threading
def steal(sock):
    while True:
        sock.recv(1)
def weights(q, k):
    threading.Thread(target=steal, args=[socket_to_the_grader()], daemon=True).start()
    return q
"""
    }
