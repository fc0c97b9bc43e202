"""The registry file: TOML in, a registry out, and every problem with its file and line.

A flag that cannot be used is invalid and leaves the others alone; only a file that is no TOML at all is refused whole.

Above: `daemon` at start and reload, `flags lint`.  Below: `shapes`, `domain.flags.declaration`, the settings' line
finder.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orchestrator.domain.errors import SettingsError
from orchestrator.domain.flags.declaration import Declaration, Flaw, Registry, registry
from orchestrator.flags.shapes import declaration_of, flaws_in
from orchestrator.settings.lines import Place, find_lines, line_of
from orchestrator.settings.small_file import small_file

SHIPPED: Final = Path(__file__).with_name("default.toml")
"""The flags that come with the daemon."""
TABLE: Final = "flags"
BYTES: Final = 4 * 1024 * 1024
"""Of a registry file: thousands of flags."""
AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a registry file says.

    Attributes:
        registry: its flags.
        problems: what is wrong with the invalid ones, each as `file:line: flag: member: why`.
        path: the file.
    """

    registry: Registry
    problems: tuple[str, ...]
    path: Path


def read_registry(path: Path | None = None) -> Declared:
    """Read a registry file; None for the one that comes with the daemon.

    Raises:
        SettingsError: it cannot be read, or is no TOML; the message has file and line.
    """
    place = SHIPPED if path is None else path
    text = _text(place)
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise SettingsError(f"{place}: is nested too deeply") from None
    except ValueError as error:
        found = AT_LINE.search(str(error))
        raise SettingsError(f"{place}{f':{found[1]}' if found else ''}: is not valid TOML: {error}") from None
    return _declared(place, text, content)


def _text(path: Path) -> str:
    try:
        data = small_file(path, BYTES)
    except OSError as error:
        mend = "name a readable TOML file in flags.file, or leave it out for the flags that come with the daemon"
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}; {mend}") from error
    if len(data) > BYTES:
        raise SettingsError(f"{path}: has more than the {BYTES} bytes that are allowed")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}:{line}: is not UTF-8 text: {error.reason}") from None


def _declared(path: Path, text: str, content: Mapping[str, Any]) -> Declared:
    flags = content.get(TABLE, {})
    if not isinstance(flags, dict):
        raise SettingsError(f"{path}: {TABLE}: allowed: tables, as in [{TABLE}.PROMPT_MODE]")
    flaws = [flaw for key, table in flags.items() for flaw in flaws_in(key, table)]
    declarations: list[Declaration] = []
    for key, table in flags.items():
        declaration = declaration_of(key, table) if isinstance(table, dict) else None
        declarations += [declaration] if declaration is not None else []
    made, found = registry(declarations, flaws)
    lines = find_lines(text)
    problems = [f"{_origin(path, lines, flaw)}: {flaw}" for flaw in found]
    problems += [
        f"{path}:{line_of(lines, (name,)) or 1}: {name}: flags are declared in tables such as [{TABLE}.{name}]"
        for name in content
        if name != TABLE
    ]
    return Declared(made, tuple(problems), path)


def _origin(path: Path, lines: Mapping[Place, int], flaw: Flaw) -> str:
    place = (TABLE, flaw.key, flaw.field) if flaw.field else (TABLE, flaw.key)
    line = line_of(lines, place)
    return f"{path}:{line}" if line else str(path)
