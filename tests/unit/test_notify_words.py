"""Options, names and texts of notices: what is refused, and what nobody gets to see."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.domain.errors import SettingsError
from orchestrator.notify.destinations import people_name, webhook_name
from orchestrator.notify.message import message
from orchestrator.notify.notifier import Notifier
from orchestrator.notify.options import NotifyOptions
from orchestrator.notify.webhook import signature
from orchestrator.telemetry.clock import SystemClock
from state.memory_flags import MemoryFlagStore

SECRET = "a secret of good length"  # noqa: S105 - an example
HOOK = "https://user:token@hooks.example.org/path-token?key=token"


@pytest.mark.requirement("FLAG-27")
@pytest.mark.parametrize(
    "address", ["", "hooks.example.org", "ftp://a", "https://", "http://[::1", "http://a:0", "http://a\n"]
)
def test_an_address_that_cannot_be_posted_to_is_refused_by_its_place(address: str) -> None:
    with pytest.raises(SettingsError, match=r"notify\.webhooks: entry 2 is no http\(s\) address"):
        NotifyOptions(webhooks=(HOOK, address), secret=SECRET).check()


@pytest.mark.requirement("FLAG-29")
def test_an_address_that_apprise_could_never_understand_is_refused_by_its_place_and_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"notify\.apprise: entry 2 has no scheme") as caught:
        NotifyOptions(apprise=("json://example.org", "nonsense-token")).check()
    assert "token" not in str(caught.value)


@pytest.mark.requirement("FLAG-27")
def test_webhooks_need_a_secret_that_cannot_be_guessed(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"they need notify\.secret_file \(or notify\.secret\)"):
        NotifyOptions(webhooks=(HOOK,)).check()
    with pytest.raises(SettingsError, match=r"notify\.secret: has 5 characters; allowed: at least 16"):
        NotifyOptions(webhooks=(HOOK,), secret=SECRET[:5]).check()
    with pytest.raises(SettingsError, match=r"gone: cannot be read \(No such file"):
        NotifyOptions(webhooks=(HOOK,), secret_file=tmp_path / "gone").check()
    assert NotifyOptions(apprise=("json://example.org",)).check() == b""


@pytest.mark.requirement("FLAG-27")
def test_a_secret_is_read_from_its_file_without_the_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert NotifyOptions(webhooks=(HOOK,), secret_file=file).check() == SECRET.encode()
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(SettingsError, match="is not UTF-8 text") as caught:
        NotifyOptions(webhooks=(HOOK,), secret_file=file).check()
    assert "xff" not in str(caught.value)


@pytest.mark.requirement("FLAG-28")
def test_options_and_names_show_no_address_and_no_secret() -> None:
    options = NotifyOptions(webhooks=(HOOK,), secret=SECRET, apprise=("slack://tokenA/tokenB",))
    names = Notifier(MemoryFlagStore(), options, SystemClock()).names
    assert [name.rpartition(":")[0] for name in names] == ["webhook:hooks.example.org", "slack"]
    assert "token" not in f"{options!r} {names}"
    assert SECRET not in repr(options)


def test_a_name_tells_two_addresses_of_one_host_apart_and_stays_the_same() -> None:
    assert webhook_name(HOOK) == webhook_name(HOOK)
    assert webhook_name(HOOK) != webhook_name(HOOK + "2")


@pytest.mark.requirement("FLAG-28")
@pytest.mark.parametrize("address", ["token", "tokenABC/def", "token:x", f"token{'x' * 30}://a", "://token", ""])
def test_an_address_without_a_scheme_shows_nothing_of_itself(address: str) -> None:
    assert people_name(address).startswith("apprise:")
    assert "token" not in people_name(address)


def test_a_reload_that_cannot_be_used_changes_nothing() -> None:
    notifier = Notifier(MemoryFlagStore(), NotifyOptions(webhooks=(HOOK,), secret=SECRET), SystemClock())
    before = notifier.names
    with pytest.raises(SettingsError):
        notifier.reload(NotifyOptions(webhooks=("no address",), secret=SECRET))
    assert notifier.names == before
    notifier.reload(NotifyOptions())
    assert notifier.names == ()


@pytest.mark.requirement("FLAG-27")
def test_the_signature_is_the_one_that_receivers_of_github_check() -> None:
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries gives this example.
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signature(b"It's a Secret to Everybody", b"Hello, World!") == expected
    assert expected.endswith(hmac.new(b"It's a Secret to Everybody", b"Hello, World!", hashlib.sha256).hexdigest())


def payload(**different: Any) -> str:
    told = {"flag": "MODE", "from": "compact", "to": "verbose", "version": 42, "at": "2027-01-15T08:00:00.000Z"}
    told |= {"actor": "ann", "reason": "for the demo", "cause": "person", "diff": {"value": {}}}
    return json.dumps(told | different)


@pytest.mark.requirement("FLAG-29")
def test_people_read_what_changed_from_what_to_what_by_whom_and_why() -> None:
    told = message(payload())
    assert told.title == "Flag MODE went from compact to verbose"
    assert told.text == (
        "Flag MODE went from compact to verbose.\n"
        "Flags version 42, 2027-01-15T08:00:00.000Z, by ann.\n"
        "Reason: for the demo"
    )
    assert not told.alarming


@pytest.mark.requirement("FLAG-29")
@pytest.mark.parametrize(
    ("different", "words"),
    [
        ({"cause": "timer", "actor": "switchover"}, "by switchover (by a timer)."),
        ({"cause": "import"}, "by ann (import)."),
        ({"from": False, "to": True}, "went from false to true."),
        ({"from": None}, "Flag MODE is new: verbose."),
        ({"to": None}, "Flag MODE was removed."),
        ({"to": "compact", "diff": {"targeting": {}}}, "Flag MODE has a new targeting."),
        ({"diff": {"value": {}, "targeting": {}}}, "to verbose and has a new targeting."),
        ({"to": "compact", "diff": {"set": {}}}, "Flag MODE was set to what it was, compact."),
        ({"to": "x" * 999}, f"to {'x' * 200}...."),
    ],
)
def test_every_kind_of_change_has_its_words(different: dict[str, Any], words: str) -> None:
    assert words in message(payload(**different)).text


def test_a_rollback_looks_like_a_warning() -> None:
    assert message(payload(cause="rollback")).alarming
