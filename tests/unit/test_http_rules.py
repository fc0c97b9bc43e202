"""The HTTP door's settings: what is refused, what is concealed, what the door makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.domain.access import Caller
from orchestrator.domain.errors import SettingsError
from orchestrator.proxy.http.rules import access_of, bounds_of, tokens_in
from orchestrator.settings import Settings, load

TOKEN = "a-token-of-many-letters"  # noqa: S105 - a test's
WIDE = "0.0.0.0:8080"


def settings(**http: str) -> Settings:
    """Read settings as from the environment."""
    return load(None, {f"SWITCHOVER_HTTP__{name.upper()}": value for name, value in http.items()}, {})


@pytest.mark.parametrize(
    ("listen", "place"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("localhost:65535", ("localhost", 65535))],
)
def test_a_place_on_this_machine_needs_no_token(listen: str, place: tuple[str, int]) -> None:
    assert settings(listen=listen).http.place == place


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize("listen", [WIDE, "[::]:80", "10.0.0.1:80", "tools.example:80", "localhost.example:80"])
def test_a_place_beyond_it_does(listen: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.token_file"):
        settings(listen=listen)
    assert settings(listen=listen, tokens=TOKEN).http.listen == listen


@pytest.mark.parametrize("listen", ["8080", ":8080", "localhost", "localhost:", "localhost:x", "::1:80", "a:70000"])
def test_what_is_no_place_is_refused(listen: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.listen.*HOST:PORT"):
        settings(listen=listen)


@pytest.mark.requirement("HTTP-4")
@pytest.mark.parametrize(
    "tokens", ["short", f"{TOKEN} short", "ann:short", "'has spaces in it all over'", "ümlaut" * 5]
)
def test_a_token_anybody_could_guess_is_refused_and_none_is_ever_shown(tokens: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(tokens=tokens)
    assert "http.tokens" in str(caught.value)
    assert not any(word in str(caught.value) for word in ("short", "spaces in", "mlaut", TOKEN))


def test_the_door_takes_over_every_bound() -> None:
    bounds = bounds_of(settings(connections="7", body_bytes="2048", session_timeout="9", event_bytes="0"))
    assert (bounds.connections, bounds.body_bytes, bounds.session_timeout, bounds.event_bytes) == (7, 2048, 9.0, 0)
    assert bounds.backlog_bytes == Settings().limits.client_backlog_bytes


@pytest.mark.requirement("HTTP-4")
def test_tokens_come_from_the_file_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"# who\n\nann:{TOKEN}\n")
    access = access_of(settings(token_file=str(file), tokens="bob:b-token-of-many-letters"), "10.0.0.1")
    assert access.caller(f"Bearer {TOKEN}".encode()) == Caller("ann", trusted=True)
    assert access.caller(b"Bearer b-token-of-many-letters") == Caller("bob", trusted=True)


@pytest.mark.requirement("HTTP-4")
def test_a_socket_somebody_else_opened_to_strangers_needs_a_token_too() -> None:
    with pytest.raises(SettingsError, match=r"10\.0\.0\.1.*http\.token_file"):
        access_of(Settings(), "10.0.0.1")
    assert access_of(Settings(), "127.0.0.1").tokens == {}


def test_a_door_on_a_name_is_called_by_it() -> None:
    assert access_of(settings(listen="tools.example:80", tokens=TOKEN), "10.0.0.1").allows_host(b"tools.example:80")


@pytest.mark.parametrize(
    "text", [None, "", "# only a comment\n", "ümlaut\n", f"{TOKEN}\nshort\n", "has spaces in it all over\n"]
)
def test_a_file_without_a_token_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "tokens"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="tokens"):
        tokens_in(file)
