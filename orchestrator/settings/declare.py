"""How a setting is declared: its kinds, its bounds, its sentence, and whether it may change while the daemon runs.

Above: `model`, `doors` and `flags` declare sections with it.  Below: pydantic.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
WEEK: Final = 7 * 24 * 3600.0
"""The longest time anybody may set: beyond it a number was meant in another unit."""
BLINK: Final = 0.01
"""The shortest time: below it a loop turn on a busy machine takes longer than what it should bound."""

CONTRACT: Final = (
    "SWITCHOVER_ROLE",
    "SWITCHOVER_GENERATION",
    "SWITCHOVER_DRY_RUN",
    "SWITCHOVER_WORKER_STATE",
    "SWITCHOVER_FLAGS",
    "SWITCHOVER_ANALYTICS",
)
"""Variables the daemon itself sets for a worker; nobody else may."""


SHORTEST_TOKEN: Final = 16
"""Characters: 64 bits even in hexadecimal digits, which nobody guesses over a network."""

PathOrText = TypeVar("PathOrText", str, Path)


def _words(value: Any) -> Any:
    return shlex.split(value) if isinstance(value, str) else value


def _octal(value: Any) -> Any:
    try:
        return int(value, 8) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("no octal number") from None


def _without_nul(value: PathOrText) -> PathOrText:  # the kernel's strings end at the first NUL
    if "\0" in str(value):
        raise ValueError("it holds a NUL character")
    return value


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not command[0]:
        raise ValueError("no program is named")
    return command


def _variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError("a variable's name is not empty and has no '='")
    if name in CONTRACT:
        raise ValueError("the daemon sets this variable itself")
    return name


def _host_and_port(place: str) -> str:
    host, colon, port = place.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004  # the highest port
        raise ValueError("no HOST:PORT")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError("an IPv6 address stands in brackets")
    return place


def is_token(text: str) -> bool:
    """Tell whether a text can be a bearer token, with or without whose it is before it."""
    return text.isascii() and text.isprintable() and " " not in text and len(text.rpartition(":")[2]) >= SHORTEST_TOKEN


def _token(text: str) -> str:
    if not is_token(text):
        raise ValueError(f"a token has {SHORTEST_TOKEN} or more letters, digits or signs and no spaces")
    return text


def _reachable(mode: int) -> int:
    if mode & 0o600 != 0o600:  # noqa: PLR2004  # rw for the owner
        raise ValueError("the owner would have no access")
    return mode


Text = Annotated[str, AfterValidator(_without_nul)]
Directory = Annotated[Path, Field(strict=False), AfterValidator(_without_nul)]
Command = Annotated[tuple[Text, ...], Field(strict=False), BeforeValidator(_words), AfterValidator(_program)]
Variables = dict[Annotated[Text, AfterValidator(_variable)], Text]
Texts = Annotated[tuple[Text, ...], Field(strict=False), BeforeValidator(_words)]
Listen = Annotated[Text, AfterValidator(_host_and_port)]
Tokens = Annotated[tuple[Annotated[Text, AfterValidator(_token)], ...], Field(strict=False), BeforeValidator(_words)]
Mode = Annotated[int, BeforeValidator(_octal), AfterValidator(_reachable)]


def setting(default: Any, meaning: str, *, reloadable: bool = False, allowed: str = "", **bounds: Any) -> Any:
    """Declare one setting.

    Args:
        default: its value when nobody sets it.
        meaning: what it does, with its unit.
        reloadable: whether a running daemon takes a changed value over on SIGHUP.
        allowed: what may be written, where type and bounds do not say it well.
        bounds: constraints as `pydantic.Field` knows them.
    """
    extra: dict[str, JsonValue] = {"reloadable": reloadable, "allowed": allowed}
    return Field(default, description=meaning, json_schema_extra=extra, **bounds)


def seconds(default: float | None, meaning: str, *, reloadable: bool = True, least: float = BLINK) -> Any:
    """Declare a duration in seconds."""
    return setting(default, meaning, reloadable=reloadable, ge=least, le=WEEK, allow_inf_nan=False)


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no value of another type quietly converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
