"""Nothing private is written, and a detector with rules of its own sees what slips through."""

from __future__ import annotations

import base64
import json
import random
import string
from pathlib import Path
from typing import Any

import pytest

from orchestrator.rehearsal import detector
from orchestrator.rehearsal.artifacts import Artifacts, LeakError
from orchestrator.rehearsal.detector import look
from orchestrator.rehearsal.redact import KEY_LINES, Lines, Redactor, known_secrets

pytestmark = pytest.mark.requirement("REH-9")

REDACTOR = Redactor(b"k" * 32, ["correct horse battery"])
ISSUED = "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"
SECRETS = [
    "joe.bloggs+x@mail.example.org",
    "4111 1111 1111 1111",
    "5500000000000004",
    ISSUED,
    "AKIA" + "IOSFODNN7EXAMPLE",
    "sk-ant-api03-" + "abcdefgh1jklmn0p1234",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "postgres://user:p4ssw0rd@db.internal/app",
    "+49 170 1234567",
    "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "Zm9vYmFyQmF6MTIzNDU2Nzg5MFFXRVJUWXVpb3A",
    "correct horse battery",
]
HARMLESS: list[Any] = [
    "1.4.7+20261121.a1b2c3d",
    "2026-11-21T14:27:07.123Z", 1763734000123, 1763734000123456, 1763734000123456789, 0.4111111111111111, True, None,
    "0123456789abcdef" * 4, "123e4567-e89b-42d3-a456-426614174000", "/usr/lib/python3.11/site-packages", "plan_next",
    "npm:@scope/pkg@1.2.3", "tokens: 812", {"tokens": 812, "max_tokens": "many"}, "task 4111 of 5000", "10.0.0.1:8080",
    '"<secret:3a0ebd42>"',
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_replaced_wherever_it_stands_and_the_detector_sees_it_where_it_is_not(secret: str) -> None:
    said = {"note": f"it is {secret} and more", "list": [[secret]], secret: "as a name"}
    written = json.dumps(REDACTOR.value(said))
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert look(written, ["correct horse battery"]) == []
    assert look(json.dumps({"a": [f"it is {secret} and"]}), ["correct horse battery"])


@pytest.mark.parametrize("value", HARMLESS, ids=str)
def test_what_is_harmless_stays_and_is_not_reported(value: Any) -> None:
    assert REDACTOR.value({"a": value}) == {"a": value}
    assert look(json.dumps({"a": value})) == []


def test_texts_are_hidden_by_the_name_of_their_member_too() -> None:
    said = REDACTOR.value(
        {"api_key": "abc", "Password": "x", "nested": {"client-secret": "y", "count": 3}, "secrets": ["abc", 7]}
    )
    assert "abc" not in json.dumps(said)
    assert said["secrets"][1] == 7
    deep: Any = "abc"
    for _ in range(3000):
        deep = [deep]
    assert "abc" not in str(REDACTOR.value({"password": deep}))
    assert said["Password"].startswith("<redacted:named:")
    assert said["nested"]["count"] == 3


def test_equal_secrets_look_equal_and_another_installation_hides_them_otherwise() -> None:
    one, other = REDACTOR.text("joe@example.org"), REDACTOR.text("ann@example.org")
    assert REDACTOR.text("joe@example.org") == one != other
    assert Redactor(b"x" * 32).text("joe@example.org") != one


def test_redacting_twice_changes_nothing() -> None:
    once = REDACTOR.value({"a": SECRETS, "token": "abc"})
    assert REDACTOR.value(once) == once


def test_random_texts_that_the_detector_calls_random_are_all_redacted() -> None:
    rng = random.Random(7)
    letters = string.ascii_letters + string.digits + "-_"
    for _ in range(300):
        text = "".join(rng.choices(letters, k=rng.randint(20, 60)))
        assert look(json.dumps(REDACTOR.value({"a": f"key {text}", "b": text}))) == [], text


def test_the_detector_finds_a_known_secret_in_other_spellings() -> None:
    secret = "s3cret/with+signs and ä"  # noqa: S105 - the example
    for form in (base64.b64encode(secret.encode()).decode(), "s3cret%2Fwith%2Bsigns%20and%20%C3%A4", secret):
        assert (2, "known secret") in [(leak.line, leak.rule) for leak in look(f"x\n{form}", [secret])], form


def test_the_detector_uses_no_rule_of_the_redactor() -> None:
    source = Path(detector.__file__).read_text()
    assert "import re\n" not in source
    assert "rehearsal.redact" not in source


def test_secrets_of_the_environment_are_known_by_their_names() -> None:
    environ = {"API_KEY": "abcdefgh", "PWD": "/home/x", "HOME": "/root", "TLS_SECRET": "/run/secrets/tls"}
    assert known_secrets(environ) == ["abcdefgh"]


def test_a_file_in_which_something_was_left_is_withheld_and_named(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path, "one", REDACTOR)
    kept.write("report", {"mail": "joe@example.org"})
    kept.log("build").write_text(f"fine\nusing {ISSUED}\n")
    with pytest.raises(LeakError, match=r"build.log: issued token \(line 2\)") as found:
        kept.inspect()
    assert ISSUED not in str(found.value)
    assert ISSUED not in kept.log("build").read_text()
    assert "redacted" in (kept.path / "report.json").read_text()
    kept.inspect()


@pytest.mark.requirement("LOG-3")
def test_of_a_private_key_that_comes_a_line_at_a_time_every_line_is_hidden_and_what_follows_is_not() -> None:
    lines = Lines(REDACTOR)
    body = ["MIIEowIBAAKCAQEAx/3Yq+abc/def", "short"]
    said = [
        "key: -----BEGIN RSA " + "PRIVATE KEY-----",
        *body,
        "-----END RSA PRIVATE KEY----- is all",
        "short and plain",
    ]
    told = [lines.text(line) for line in said]
    assert [one.startswith("<redacted:key:") for one in told[1:3]] == [True, True]
    assert not any(part in line for part in body for line in told[:3])
    assert told[3].endswith("-----END RSA PRIVATE KEY----- is all")
    assert told[4] == "short and plain"


@pytest.mark.requirement("LOG-3")
def test_a_key_without_an_end_hides_no_more_lines_than_the_longest_key_has() -> None:
    lines = Lines(REDACTOR)
    lines.text("-----BEGIN " + "PRIVATE KEY-----")
    told = [lines.text("at work") for _ in range(KEY_LINES + 1)]
    assert [one == "at work" for one in told] == [False] * KEY_LINES + [True]


@pytest.mark.requirement("LOG-3")
@pytest.mark.parametrize("part", ["a", "1", "a1", "a-", "aA1.", "eyJaaaaaaaa-", "x@a-", "token-", "4111 ", "sk-", "'"])
def test_a_long_line_is_looked_through_in_a_time_that_grows_as_it_does(part: str) -> None:
    """A time with the square of this length would be minutes, far beyond what any test may take."""
    line = part * (300_000 // len(part))
    for hint in ("", " @ eyJ token= :// +", " sk- bearer "):
        REDACTOR.text(line + hint)


def test_what_there_is_no_time_to_look_through_is_withheld_and_what_was_seen_is_not_looked_at_again(
    tmp_path: Path,
) -> None:
    kept = Artifacts(tmp_path, "one", REDACTOR)
    kept.write("report", {"a": 1})
    kept.inspect()
    kept.log("build").write_text("a plain line\n" * 100_000)
    asked: list[bool] = []
    with pytest.raises(LeakError, match=r"build\.log: the run was ended before it was looked through"):
        kept.inspect(lambda: len(asked) > 1 or asked.append(True) is not None)
    assert kept.log("build").read_text().startswith("withheld: the run was ended")
    assert json.loads((kept.path / "report.json").read_text()) == {"a": 1}


def test_a_file_of_any_size_is_looked_through_to_its_end(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path, "one", REDACTOR)
    kept.log("build").write_text("a plain line\n" * 100_000 + ISSUED + "\n")
    with pytest.raises(LeakError, match=r"build\.log: issued token \(line 100001\)"):
        kept.inspect()
