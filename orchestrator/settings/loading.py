"""Lays the sources over each other: flags over environment over file over defaults.

Above: `daemon` and the CLI call `load`, on start and on reload.  Below: `layers`, `model`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.domain.errors import SettingsError
from orchestrator.settings.layers import Layer, environment_layer, file_layer, flag_layers
from orchestrator.settings.model import Settings
from orchestrator.settings.problems import Problem, report


def load(config: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Read all sources and return the settings they make.

    Every source is judged whole, also where another one overrides it: a mistake does not hide until the day its
    override goes away.  Relative paths in the file start from the file's directory, all others from the daemon's.

    Args:
        config: the TOML file, None for none.
        environ: the environment; `SWITCHOVER_<SECTION>__<KEY>` sets a key.
        flags: dotted key -> value from the command line, None where a flag was not given.

    Raises:
        SettingsError: anything is wrong; the message lists all of it, each with its origin and what is allowed.
    """
    layers = [*([file_layer(config)] if config else []), environment_layer(environ), *flag_layers(flags)]
    merged: dict[str, Any] = {}
    problems: list[Problem] = []
    for layer in layers:
        values, found = layer.read()
        problems += found
        _lay(merged, _anchored(values, layer.base, environ.get("HOME")))
    if problems:
        raise SettingsError(report(problems))
    settings = Settings.model_validate(merged)
    if contradictions := list(_contradictions(settings, layers)):
        raise SettingsError(report(contradictions))
    return settings


def _lay(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Lay one source's tables over those below, key by key."""
    for key, value in above.items():
        if isinstance(value, Mapping):
            _lay(below.setdefault(key, {}), value)
        else:
            below[key] = value


def _anchored(value: Any, base: Path, home: str | None) -> Any:
    """Make every path absolute; `~` is the home directory as in a shell."""
    if isinstance(value, Mapping):
        return {key: _anchored(inner, base, home) for key, inner in value.items()}
    if not isinstance(value, Path):
        return value
    if value.parts[:1] == ("~",) and home:
        return Path(home, *value.parts[1:])
    return base / value


def _contradictions(settings: Settings, layers: Sequence[Layer]) -> Iterator[Problem]:
    """Find settings that are each allowed and together are not."""
    limits, restart = settings.limits, settings.restart

    def problem(key: str, other: str, wrong: str) -> Problem:
        origins = [
            layer.origin(tuple(name.split("."))) for name in (key, other) for layer in layers if layer.sets(name)
        ]
        return Problem(" and ".join(dict.fromkeys(origins)), key, wrong)

    if settings.drain_timeout < limits.call_timeout:
        wrong = (
            f"is {settings.drain_timeout:g}; allowed: at least limits.call_timeout, which is {limits.call_timeout:g}"
        )
        yield problem("worker.drain_timeout", "limits.call_timeout", wrong)
    if limits.client_backlog_bytes < limits.line_bytes:
        wrong = f"is {limits.client_backlog_bytes}; allowed: at least limits.line_bytes, which is {limits.line_bytes}"
        yield problem("limits.client_backlog_bytes", "limits.line_bytes", wrong)
    yield from _strangers(settings, problem)
    if settings.notify.webhooks and not settings.notify.secret and settings.notify.secret_file is None:
        wrong = "is set; allowed only with notify.secret_file or notify.secret, which deliveries are signed with"
        yield problem("notify.webhooks", "notify.secret_file", wrong)
    if restart.cap < restart.initial:
        wrong = f"is {restart.cap:g}; allowed: at least restart.initial, which is {restart.initial:g}"
        yield problem("restart.cap", "restart.initial", wrong)
    elif (waits := _waits(settings)) >= restart.period:
        wrong = f"is {restart.period:g}; allowed: more than the {waits:g} s of waits before a crash loop could be seen"
        yield problem("restart.period", "restart.intensity", wrong)


def _strangers(settings: Settings, problem: Callable[[str, str, str], Problem]) -> Iterator[Problem]:
    """Find what would let strangers in."""
    http = settings.http
    if http.listen and not http.local and not http.tokens and http.token_file is None:
        wrong = f"is {http.listen}; allowed without http.token_file or http.tokens: 127.0.0.1, [::1] or localhost"
        yield problem("http.listen", "http.token_file", wrong)
    control = settings.control
    if control.listen and not control.tokens and control.token_file is None:
        wrong = (
            f"is {control.listen}; allowed only with control.token_file or control.tokens: every caller shows a token"
        )
        yield problem("control.listen", "control.token_file", wrong)


def _waits(settings: Settings) -> float:
    """Return the seconds of back-off between a worker's first death and the one that makes a crash loop."""
    restart = settings.restart
    wait, total = restart.initial, 0.0
    for _ in range(restart.intensity):
        total += min(wait, restart.cap) * (1 + restart.jitter)
        wait = min(wait * restart.factor, restart.cap)
    return total
