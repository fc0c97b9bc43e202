"""An unreadable line is answered under its own id where that stands at one of its ends, and under no other."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.proxy.lines import LineReader
from orchestrator.proxy.naming import HEAD, TAIL, id_at_ends

pytestmark = pytest.mark.requirement("PROXY-6")

LONG = "x" * 1000
MEMBERS = {
    "jsonrpc": "2.0",
    "method": "tools/call",
    "params": {"id": 8, "text": f'{LONG}","id":9', "list": [{"id": 7}]},
}


class Collected(LineReader):
    """Notes what it is handed."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.seen: list[object] = []

    def lines_received(self, lines: list[bytes]) -> None:
        self.seen += lines

    def overlong_received(self, head: bytes, tail: bytes) -> None:
        self.seen.append((head, tail))

    def undecodable_received(self, line: bytes) -> None:
        raise AssertionError(line)


def fed(reader: asyncio.BufferedProtocol, data: bytes) -> None:
    room = reader.get_buffer(len(data))
    room[: len(data)] = data
    reader.buffer_updated(len(data))


@pytest.mark.parametrize("written", ["1", "-5", '"a"', '"a\\"b"', '"ä"'])
def test_an_id_is_found_first_and_last_and_not_inside(written: str) -> None:
    text = json.dumps(MEMBERS)
    first = f'{{"id": {written}, {text[1:]}'.encode()
    assert id_at_ends(first, first) == written.encode()
    if "\\" not in written:  # looked for only as far as it can be told from text
        last = f'{text[:-1]}, "id": {written}}}'.encode()
        assert id_at_ends(last, last) == written.encode()
    assert id_at_ends(text.encode(), text.encode()) is None


@pytest.mark.parametrize(
    "line",
    [
        b'[{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'"id":1',
        b"",
        b'{"params":{"id":1',
        b'{"params":"\\"id\\":1,"id',
        b'{"id":{"a":1},"x":2}',
        b'{"id":null,"x":2}',
        b'{"id":tru',
        b'{"id":12',
        b'{"x":"id":1}',
        b'{"id":"\xff","x":1}',
        b'{"id":"\\x","x":1}',
    ],
)
def test_what_is_no_id_of_the_message_itself_is_not_taken_for_one(line: bytes) -> None:
    assert id_at_ends(line, line) is None


@given(
    limit=st.integers(600, 1500),
    sizes=st.lists(st.integers(0, 4000), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 900), min_size=1, max_size=5),
)
@settings(max_examples=80, deadline=None, derandomize=True, database=None)
def test_a_line_over_the_limit_comes_as_its_two_ends_however_it_is_cut(
    limit: int, sizes: list[int], cuts: list[int]
) -> None:
    lines = [f'{{"id":{n},"x":"{"y" * size}","last":{n}}}'.encode() for n, size in enumerate(sizes)]
    data = b"".join(line + b"\n" for line in lines)
    reader = Collected(limit)
    at, turn = 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        fed(reader, data[at : at + step])
        at, turn = at + step, turn + 1
    expected = [line if len(line) <= limit else (line[:HEAD], line[-TAIL:]) for line in lines]
    assert sorted(map(str, reader.seen)) == sorted(map(str, expected))
