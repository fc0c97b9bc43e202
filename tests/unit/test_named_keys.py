"""While a flag is on trial workers are told the assignment key of each call, and nothing else of a call is touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plane_story import STATELESS, VERSION, Peer, Plane, tools

from orchestrator.proxy import codec
from orchestrator.proxy.outbox import LONG

pytestmark = pytest.mark.requirement("SAMPLE-16")

KEY = "io.switchover/key"
ABSENT: Any = object()

JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=5), lambda one: st.lists(one, max_size=2), max_leaves=4
)
META = st.dictionaries(st.text(max_size=5) | st.sampled_from([KEY, "progressToken"]), JSON, max_size=3)
PARAMS = st.fixed_dictionaries(
    {}, optional={"name": st.just("do"), "_meta": META | st.none(), "arguments": st.just({"_meta": {}})}
)


def told(tail: bytes | memoryview) -> Any:
    return json.loads(b'{"id":0' + bytes(tail))


def read(params: Any, **style: Any) -> tuple[codec.Params, bytes | memoryview]:
    """Return what is read of a call, and its tail."""
    line = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}' % json.dumps(params, **style).encode()
    plain = codec.plain_call(line)
    assert plain is not None
    return plain[1], plain[2]


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(params=PARAMS, key=st.text(min_size=1, max_size=9), spaced=st.booleans())
def test_the_key_is_added_and_the_rest_stays(params: dict[str, Any], key: str, *, spaced: bool) -> None:
    line = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b%b}' % (
        b" " * spaced,
        json.dumps(params).encode(),
    )
    tail = line[len(b'{"jsonrpc":"2.0","id":1') :]
    bare = "name" in params and "_meta" not in params
    expected = {**params, "_meta": {**(params.get("_meta") or {}), KEY: key}}
    assert told(codec.keyed_tail(tail, key, bare=bare))["params"] == expected


@pytest.mark.parametrize("params", [None, 7, "text", [1], {"_meta": 3}, {"_meta": [1]}])
def test_parameters_that_are_no_object_stay_as_they_are(params: Any) -> None:
    tail = b',"method":"tools/call","params":%b}' % json.dumps(params).encode()
    assert codec.keyed_tail(tail, "k", bare=False) == tail


def test_a_call_without_parameters_gets_some() -> None:
    assert told(codec.keyed_tail(b',"method":"tools/call"}', "k", bare=False))["params"] == {"_meta": {KEY: "k"}}


@pytest.mark.parametrize("meta", [ABSENT, {}, {"progressToken": 1}])
def test_a_long_call_is_spliced_and_handed_over_in_parts(meta: Any) -> None:
    arguments = {"text": "x" * LONG, "_meta": {}}
    params = {"name": "do", "arguments": arguments} | ({} if meta is ABSENT else {"_meta": meta})
    known, tail = read(params, separators=(",", ":"))
    assert isinstance(tail, memoryview)
    keyed = codec.keyed_tail(tail, "k", bare=known.meta is codec.UNSET)
    assert isinstance(keyed, memoryview)
    assert told(keyed)["params"] == {**params, "_meta": {**({} if meta is ABSENT else meta), KEY: "k"}}


def on_trial(plane: Plane, *, is_on: bool = True) -> None:
    plane.dispatcher.sampling.put_on_trial((lambda _key: True) if is_on else None, 0.5, plane.now)


def story(era: Any = None) -> tuple[Plane, Peer, Peer]:
    plane = Plane()
    plane.table(active=1)
    worker = plane.worker(1, tools=tools("do"), **({} if era is None else {"era": era}))
    return plane, worker, plane.client(greeted=era is None)


LINES = [
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"do","arguments":{"a": 1.0}}}',
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"do","_meta":{}}}',
    b'{"method":"tools/call","params":{"name":"do"},"jsonrpc":"2.0","id":%d}',
    b'{"id":%d, "method": "tools/call", "params": {"name": "do"}, "jsonrpc": "2.0"}',
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"do","_meta":null}}',
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"do","_meta":{"io.switchover/key":7}}}',
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"do","_meta":{"io.switchover/key":""}}}',
    b'{"jsonrpc":"2.0","id":%d,"method":"tools/call"}',
]


@pytest.mark.parametrize("line", LINES)
async def test_a_call_that_names_no_key_names_its_sessions_during_a_trial_alone(line: bytes) -> None:
    plane, worker, client = story()
    client.write(line % 11)
    before = worker.heard()[-1]
    on_trial(plane)
    client.write(line % 12)
    during = worker.heard()[-1]
    on_trial(plane, is_on=False)
    client.write(line % 13)
    after = worker.heard()[-1]
    assert during["params"]["_meta"][KEY] == client.end.key
    assert before.get("params") == after.get("params") == json.loads(line % 0).get("params")
    arguments = (json.loads(line % 0).get("params") or {}).get("arguments", ABSENT)
    assert during["params"].get("arguments", ABSENT) == arguments


async def test_a_call_that_names_its_key_goes_out_byte_for_byte() -> None:
    plane, worker, client = story()
    on_trial(plane)
    params = b'{"name":"do", "_meta":{ "io.switchover/key":"mission-1"}}'
    client.write(b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":%b}' % params)
    plane.dispatcher.turn.flush()
    assert params in worker.pipe.said


async def test_the_progress_token_is_still_remapped_and_other_methods_are_left_alone() -> None:
    plane, worker, client = story()
    on_trial(plane)
    client.ask("tools/call", name="do", _meta={"progressToken": "mine"})
    asked = worker.heard()[-1]
    assert asked["params"]["_meta"] == {"progressToken": asked["id"], KEY: client.end.key}
    client.ask("prompts/get", name="p")
    assert "_meta" not in worker.heard()[-1]["params"]


async def test_the_stateless_era_is_told_likewise() -> None:
    plane, worker, client = story(STATELESS)
    on_trial(plane)
    client.ask("tools/call", name="do", _meta=VERSION)
    assert worker.heard()[-1]["params"]["_meta"] == {**VERSION, KEY: client.end.key}


async def test_calls_that_are_assigned_one_by_one_are_told_apart_for_the_worker_too() -> None:
    plane, worker, client = story()
    plane.dispatcher.limits.by_call = frozenset({"do"})
    on_trial(plane)
    for _ in range(3):
        client.ask("tools/call", name="do")
    assert len({one["params"]["_meta"][KEY] for one in worker.heard() if "id" in one}) == 3
