"""Flags that the environment of this process forces: `SWITCHOVER_FLAG_<KEY>`, or the variable the flag itself names.

Above it stand the snapshots of flags, below it `values`.  For one process on somebody's desk, or to try one flag in one
worker; nobody else sees it, which is why decisions, the daemon's list and stderr say so.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from switchover_kit.values import TYPES, ValueRefusedError, shown, typed

PREFIX: Final = "SWITCHOVER_FLAG_"
SHOWN: Final = 60
"""Characters of a text that is not UTF-8 that its error repeats."""
_WORDS: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "on": True,
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


@lru_cache(maxsize=1024)
def variable(key: str) -> str:
    """Return the variable that forces a flag: what no shell can set in a name (`.` and `-`) is `_` in it."""
    return PREFIX + re.sub(r"[^A-Za-z0-9_]", "_", key)


class Forcing:
    """The variables of one environment, looked through once: most force nothing, and a change comes to every process.

    Attributes:
        by_key: whether any variable is called after a flag.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Look through an environment that does not change."""
        self._environ = environ
        self.by_key = any(name.startswith(PREFIX) for name in environ)
        self._unforced: Mapping[str, Any] = {}

    def values(self, flags: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return what the environment forces.

        Args:
            flags: the document's flags.

        Returns:
            The values by key, and a sentence for every variable that was ignored.
        """
        values: dict[str, Any] = {}
        ignored: list[str] = []
        for key, flag in flags.items():
            if self._unforced.get(key) is flag or not isinstance(flag, dict) or "invalid" in flag:
                continue
            if (name := self._variable(key, flag)) is None:
                continue
            try:
                values[key] = from_text(flag.get("type"), flag.get("values"), self._environ[name])
            except ValueRefusedError as error:
                ignored.append(f"{name} is ignored: for flag {key}, {error}")
        # What is the same object next time was not decoded anew, and is forced as little as it was.
        self._unforced = {} if values or ignored else flags
        return values, ignored

    def _variable(self, key: str, flag: Mapping[str, Any]) -> str | None:
        """Return the variable that is there and forces a flag, None for none."""
        if self.by_key and (own := variable(key)) in self._environ:
            return own
        named = flag.get("env")
        return named if isinstance(named, str) and named in self._environ else None


def from_text(kind: Any, values: Any, text: str) -> Any:
    """Return the value that a variable's text means for a flag of a type.

    Raises:
        ValueRefusedError: it means none; the message says what would.
    """
    if kind not in TYPES:
        raise ValueRefusedError(f"its type {shown(kind)} is not known to this kit")
    try:
        value = _READERS.get(kind, str)(text.strip() if kind in _READERS else text)
    except (KeyError, ValueError, RecursionError):
        wanted = {"bool": "one of " + ", ".join(_WORDS), "object": "JSON"}.get(kind, "a number")
        raise ValueRefusedError(f"{shown(text)} is not {wanted}") from None
    if not _is_utf8(value):
        raise ValueRefusedError(f"{ascii(text)[:SHOWN]} is not UTF-8; give it text that is")
    return typed(kind, values if isinstance(values, list) else None, value)


def like(default: object, text: str) -> Any:
    """Return what a variable's text means where no flag's type is known but a default is.

    Raises:
        ValueRefusedError: it means nothing of the default's type.
    """
    kinds = {bool: "bool", int: "int", float: "float", str: "string", dict: "object", list: "object"}
    if type(default) not in kinds:
        raise ValueRefusedError(f"{shown(text)} has no type without a daemon and without a default")
    return from_text(kinds[type(default)], None, text)


def _is_utf8(value: Any) -> bool:
    """Return whether a value can be written down: bytes that are no UTF-8 come as half characters, which cannot."""
    try:
        (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> int:
    """Return a whole number; `int` alone would take 1_000 and digits of other scripts."""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _float(text: str) -> float:
    """Return a finite number."""
    if "_" in text or not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


_READERS: Final[Mapping[str, Any]] = {
    "bool": lambda text: _WORDS[text.lower()],
    "int": _whole,
    "float": _float,
    "object": lambda text: json.loads(text, parse_constant=_whole),  # NaN is no JSON, and no whole number either
}
