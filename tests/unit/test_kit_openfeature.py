"""The provider for OpenFeature, read through the official SDK's client."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import switchover_kit
from flag_documents import NOON, asks, flag, rule, typed_flag
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason
from openfeature.provider import ProviderStatus
from switchover_kit import subject
from switchover_kit.decision import Decision
from switchover_kit.openfeature import SwitchoverProvider
from switchover_kit.targeting import Deciders

pytestmark = pytest.mark.requirement("FLAG-9")

WAIT = 60.0
"""Seconds within which the SDK's threads have to call a handler."""
FLAGS = {
    "GATE": typed_flag("bool", safe=False, value=True),
    "MODE": flag(
        "on", targeting={"forced": {"m": "other"}, "rules": [rule(asks("cohort", "eq", "beta"), value="off")]}
    ),
    "SPLIT": flag(targeting={"percentage": {"value": "on", "percent": 100}}),
    "COUNT": typed_flag("int", safe=0, value=3),
    "SHARE": typed_flag("float", safe=0, value=1),
    "SHAPE": typed_flag("object", safe={}, value={"a": [1]}),
    "BROKEN": flag("third"),
    "WRECKED": "no flag",
    "STRICT": flag("1", values=["0", "1"], default="0", safe="0", on="1"),
}


class Source:
    """Flags of a process, without a page: a document and whoever listens."""

    def __init__(self) -> None:
        self.version = 41
        self.callbacks: list[Callable[[Any], object]] = []
        self._deciders = Deciders(FLAGS)

    def decide(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None) -> Decision:
        return self._deciders[key](subject_key, attributes, NOON)

    def on_change(self, callback: Callable[[Any], object]) -> Callable[[], None]:
        self.callbacks.append(callback)
        return lambda: self.callbacks.remove(callback)

    def change(self, *keys: str, trouble: str | None = None) -> None:
        self.version += 1
        changes = tuple((key, "before", "after") for key in keys)
        for callback in self.callbacks:
            callback(SimpleNamespace(version=self.version, changes=changes, trouble=trouble))


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def client(source: Source) -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(SwitchoverProvider(source), "switchover")
    yield api.get_client("switchover")
    api.clear_providers()


def heard(client: OpenFeatureClient, event: ProviderEvent) -> Callable[[], EventDetails]:
    """Return a function that waits for the next event of a kind, told from here on."""
    told: list[EventDetails] = []
    there = threading.Semaphore(0)

    def handler(details: EventDetails) -> None:
        told.append(details)
        there.release()

    def following() -> EventDetails:
        assert there.acquire(timeout=WAIT), f"no {event}"
        return told.pop(0)

    client.add_handler(event, handler)
    return following


def test_every_type_is_resolved_by_its_own_call(client: OpenFeatureClient) -> None:
    assert client.get_boolean_value("GATE", default_value=False) is True
    assert client.get_string_value("MODE", "x") == "on"
    assert client.get_integer_value("COUNT", 7) == 3
    share = client.get_float_value("SHARE", 0.5)
    assert (share, type(share)) == (1.0, float)
    assert client.get_object_value("SHAPE", {}) == {"a": [1]}


async def test_asynchronous_calls_answer_the_same(client: OpenFeatureClient) -> None:
    assert await client.get_string_value_async("MODE", "x", EvaluationContext("m")) == "other"


def test_the_context_names_the_subject_and_the_details_say_which_step_decided(client: OpenFeatureClient) -> None:
    forced = client.get_string_details("MODE", "x", EvaluationContext("m", {"cohort": "beta"}))
    assert (forced.value, forced.variant, forced.reason) == ("other", "other", Reason.TARGETING_MATCH)
    told = {"step": "forced", "detail": 'The value "other" is forced for this key.', "flagsVersion": 41}
    assert forced.flag_metadata == told
    ruled = client.get_string_details("MODE", "x", EvaluationContext(None, {"cohort": "beta"}))
    assert (ruled.value, ruled.flag_metadata["step"]) == ("off", "rule")


@pytest.mark.parametrize(
    ("key", "reason"), [("GATE", Reason.STATIC), ("SPLIT", Reason.SPLIT), ("MODE", Reason.TARGETING_MATCH)]
)
def test_the_reason_is_the_decisions_own(client: OpenFeatureClient, key: str, reason: Reason) -> None:
    ask = client.get_boolean_details if key == "GATE" else client.get_string_details
    assert ask(key, "x", EvaluationContext("n")).reason == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ask", "key"),
    [
        ("boolean", "MODE"),
        ("boolean", "STRICT"),
        ("boolean", "COUNT"),
        ("string", "GATE"),
        ("integer", "GATE"),
        ("integer", "STRICT"),
        ("integer", "SHARE"),
        ("float", "COUNT"),
        ("object", "MODE"),
    ],
)
def test_a_flag_of_another_type_answers_the_callers_default(client: OpenFeatureClient, ask: str, key: str) -> None:
    default: Any = {"boolean": False, "string": "x", "integer": 7, "float": 0.5, "object": {}}[ask]
    details = getattr(client, f"get_{ask}_details")(key, default)
    assert (details.value, details.error_code, details.reason) == (default, ErrorCode.TYPE_MISMATCH, Reason.ERROR)
    assert details.error_message.startswith(f"flag {key} is ")


def test_a_flag_that_there_is_not_answers_the_callers_default(client: OpenFeatureClient) -> None:
    details = client.get_boolean_details("NONE", default_value=True)
    assert (details.value, details.error_code) == (True, ErrorCode.FLAG_NOT_FOUND)
    assert details.error_message == "There is no flag NONE."


def test_an_invalid_flag_answers_its_safe_value_or_the_callers_default_where_it_has_none(
    client: OpenFeatureClient,
) -> None:
    safe = client.get_string_details("BROKEN", "x")
    assert (safe.value, safe.reason, safe.error_code) == ("off", Reason.UNKNOWN, None)
    wrecked = client.get_string_details("WRECKED", "x")
    assert (wrecked.value, wrecked.error_code) == ("x", ErrorCode.PARSE_ERROR)
    assert "must be an object" in (wrecked.error_message or "")


def test_a_change_is_told_with_its_flags_and_one_of_targeting_alone_without(
    client: OpenFeatureClient, source: Source
) -> None:
    following = heard(client, ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    source.change("MODE", "COUNT")
    first = following()
    assert (first.flags_changed, first.provider_name) == (["MODE", "COUNT"], "switchover")
    assert (first.message, first.metadata) == ("Flags version 42 is applied.", {"flagsVersion": 42})
    source.change()
    assert following().flags_changed is None


def test_trouble_makes_the_provider_stale_until_it_ends(client: OpenFeatureClient, source: Source) -> None:
    stale = heard(client, ProviderEvent.PROVIDER_STALE)
    source.change(trouble="the daemon is gone")
    assert stale().message == "the daemon is gone"
    assert client.get_provider_status() is ProviderStatus.STALE
    assert client.get_string_value("MODE", "x") == "on"
    ready = heard(client, ProviderEvent.PROVIDER_READY)
    source.change()
    assert ready().message == "Flags are live again."
    assert client.get_provider_status() is ProviderStatus.READY


def test_a_provider_that_was_shut_down_listens_no_more(source: Source) -> None:
    provider = SwitchoverProvider(source)
    provider.initialize(EvaluationContext())
    provider.initialize(EvaluationContext())
    assert len(source.callbacks) == 1
    provider.shutdown()
    provider.shutdown()
    assert source.callbacks == []


def test_without_the_sdk_the_import_says_what_to_install() -> None:
    kit = str(Path(switchover_kit.__file__).parents[1])
    script = "import sys; sys.path.insert(0, sys.argv[1]); import switchover_kit.openfeature"
    command = [sys.executable, "-I", "-S", "-c", script, kit]
    told = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    wanted = (
        "ImportError: switchover_kit.openfeature needs the OpenFeature SDK; install it: pip install openfeature-sdk"
    )
    assert told.stderr.splitlines()[-1] == wanted


@pytest.mark.requirement("KIT-5")
def test_what_a_context_leaves_open_is_the_subject_of_the_call(client: OpenFeatureClient) -> None:
    assert client.get_string_value("MODE", "x") == "on"
    with subject("m"):
        assert client.get_string_value("MODE", "x") == "other"
        assert client.get_string_value("MODE", "x", EvaluationContext("n")) == "on"
    assert client.get_string_value("MODE", "x") == "on"
