"""Lines with an id at either end: what the quick readers take is what a full reader sees, and nothing else.

The two spellings that peers use (id first: most; id last: the TypeScript SDK) have ways of their own in the codec.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.proxy import codec
from orchestrator.proxy.outbox import LONG

pytestmark = pytest.mark.requirement("PROXY-1")

Json = dict[str, Any]

FIRST = ("jsonrpc", "id", "method", "params", "result")
LAST = ("method", "params", "result", "jsonrpc", "id")
SPELLINGS = (FIRST, LAST)

some = settings(max_examples=60, deadline=None, derandomize=True, database=None)
TRAPS = [
    ',"jsonrpc":"2.0","id":7}',
    '"id":7',
    '\\"id\\":7}',
    '{"jsonrpc":"2.0","id":7,"method":"tools/call","params":',
    "\\",
    '"',
]
texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(TRAPS)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(["id", "jsonrpc"]), inner),
    max_leaves=6,
)
numbers = st.integers(0, 2**53)
arguments = st.dictionaries(texts, values, max_size=3)


def spelled(message: Json, order: tuple[str, ...]) -> bytes:
    """Write a message as peers do, its members in this order."""
    known = {name: message[name] for name in order if name in message}
    return json.dumps(known, separators=(",", ":"), ensure_ascii=False).encode()


def read(written: bytes, tail: bytes | memoryview) -> Json:
    """Return the request that a tail stands for."""
    message: Json = json.loads(codec.PREFIX + written + bytes(tail))
    return message


@pytest.mark.parametrize("order", SPELLINGS)
@given(number=numbers, given_arguments=arguments)
@some
def test_a_call_is_read_at_once_and_forwarded_as_it_was_written(
    order: tuple[str, ...], number: int, given_arguments: Json
) -> None:
    message = {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": "t", "arguments": given_arguments},
    }
    plain = codec.plain_call(spelled(message, order))
    assert plain is not None
    written, known, tail = plain
    assert (written, known.name) == (b"%d" % number, "t")
    assert read(written, tail) == message
    assert json.dumps(message["params"], separators=(",", ":"), ensure_ascii=False).encode() in bytes(tail)


@pytest.mark.parametrize("size", [LONG - 200, LONG + 200])
@pytest.mark.parametrize("order", SPELLINGS)
def test_a_long_call_and_a_long_answer_are_read_like_short_ones(order: tuple[str, ...], size: int) -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t", "arguments": {"x": "y" * size}}}
    plain = codec.plain_call(spelled(call, order))
    assert plain is not None
    assert read(plain[0], plain[2]) == call
    line = spelled({"jsonrpc": "2.0", "id": 123, "result": {"x": "y" * size}}, order)
    assert json.loads(b"".join(codec.answer_parts(line, b'"a"'))) == {**json.loads(line), "id": "a"}


LIVE = spelled({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "t"}}, LAST)


@given(
    at=st.integers(0, len(LIVE)),
    lost=st.integers(0, 9),
    put=st.sampled_from([b"", b'"', b"}", b"{", b"[", b',"id":8', b'"id":8,', b"-", b"1", b" ", b"\\", *(
        trap.encode() for trap in TRAPS
    )]),
)  # fmt: skip
@example(at=len(LIVE) - 1, lost=0, put=b',"id":8')
@example(at=len(LIVE) - 1, lost=0, put=b".5")
@example(at=LIVE.index(b',"jsonrpc"'), lost=0, put=b',"id":8')
@some
def test_a_spoiled_call_is_left_to_the_full_reader_or_read_as_it_reads_it(at: int, lost: int, put: bytes) -> None:
    line = LIVE[:at] + put + LIVE[at + lost :]
    plain = codec.plain_call(line)
    if plain is None:
        return
    written, _, tail = plain
    members = json.loads(line, object_pairs_hook=lambda pairs: pairs)
    assert sorted(name for name, _ in members) == ["id", "jsonrpc", "method", "params"]  # so there is no second id
    assert read(written, tail) == json.loads(line)


@pytest.mark.parametrize("order", SPELLINGS)
@given(number=numbers, result=values, client_id=numbers | texts)
@example(number=1, result={"x": ',"jsonrpc":"2.0","id":7}'}, client_id=2)
@example(number=1, result={"jsonrpc": "2.0", "id": 7}, client_id="a")
@some
def test_an_answer_keeps_everything_but_its_id(
    order: tuple[str, ...], number: int, result: Any, client_id: int | str
) -> None:
    line = spelled({"jsonrpc": "2.0", "id": number, "result": result}, order)
    head, rest = codec.answer_parts(line, json.dumps(client_id).encode())
    assert json.loads(head + bytes(rest)) == {"jsonrpc": "2.0", "id": client_id, "result": result}
    assert bytes(rest).startswith(b',"result":')


@given(names=st.permutations(["result", "jsonrpc", "id", "_more"]), result=values)
@some
def test_an_answer_in_any_other_order_is_read_in_full(names: list[str], result: Any) -> None:
    message = {"result": result, "jsonrpc": "2.0", "id": 5, "_more": ',"jsonrpc":"2.0","id":5}'}
    line = json.dumps({name: message[name] for name in names}).encode()
    told = json.loads(b"".join(codec.answer_parts(line, b'"mine"')))
    assert (told["id"], told["jsonrpc"], told["result"]) == ("mine", "2.0", result)
