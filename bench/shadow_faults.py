"""One thing broken in an answer, where it is known what stands there: the regressions that must be found.

Above: `shadow_accuracy`.  Below: `shadow_world`.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.shadow_world import Key, Path, Spot, hex32, iso, uuid4


@dataclass(frozen=True)
class Planted:
    """What was broken: the answer with it, how, where, and whether that place is noise otherwise."""

    value: Any
    fault: str
    path: str
    noisy: bool


def plain(path: Path) -> str:
    """Return a path without indexes, as findings have it (ids as names of members become `{}`)."""
    words = ["[]" if isinstance(one, int) else "{}" if isinstance(one, Key) else f".{one}" for one in path]
    return "$" + "".join(words)


def _get(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _set(value: Any, path: Path, new: Any) -> None:
    _get(value, path[:-1])[path[-1]] = new


Change = Callable[[Any, random.Random], Any]
"""Returns a value's broken form, or the value itself where it has none."""


def _shift(text: str, hours: int) -> str:
    found = re.search(r"(\d\d):(\d\d):(\d\d)", text)
    if found is None:
        return text
    return text[: found.start(1)] + f"{(int(found[1]) + hours) % 24:02d}" + text[found.end(1) :]


def _other_form(text: str, _rng: random.Random) -> str:
    if text.endswith("Z"):
        return text[:-1] + "+00:00"
    return text.replace("T", " ") if "T" in text and not text.endswith("GMT") else text.replace(" ", "T", 1)


def _stale(text: str, rng: random.Random) -> str:
    """Return the time as it was long ago, in the same format."""
    then = 1.65e9 + rng.random() * 1e7
    for form in ("z", "ms", "us", "space", "mail", "east"):
        if (len(iso(then, form)) == len(text) and iso(then, form)[-3:-1:2] == text[-3:-1:2]) or _same_form(
            iso(then, form), text
        ):
            return iso(then, form)
    return text


def _same_form(one: str, two: str) -> bool:
    return re.sub(r"[0-9]", "0", re.sub(r"[A-Z][a-z]{2}", "Aaa", one)) == re.sub(
        r"[0-9]", "0", re.sub(r"[A-Z][a-z]{2}", "Aaa", two)
    )


COMMON: dict[str, Change] = {
    "type": lambda v, _r: (
        {"value": v} if v is None or isinstance(v, bool) else (str(v) if not isinstance(v, str) else [v])
    ),
    "null": lambda v, _r: None if v is not None else 0,
}
BY_KIND: dict[str, dict[str, Change]] = {
    "int": {
        "value": lambda v, r: v + r.choice((-1, 1, 10)),
        "as_float": lambda v, _r: float(v),
        "unit": lambda v, _r: v * 1000 + 7,
    },
    "float": {
        "value": lambda v, _r: v + 0.5,
        "precision": lambda v, _r: round(v, 0) + (0 if v % 1 else 1),
        "sign": lambda v, _r: -v - 1,
    },
    "bool": {"value": lambda v, _r: not v, "as_int": lambda v, _r: int(v)},
    "word": {"value": lambda v, _r: v + "s", "case": lambda v, _r: v.upper(), "empty": lambda _v, _r: ""},
    "sentence": {
        "value": lambda v, _r: v.replace(" ", " not ", 1),
        "cut": lambda v, _r: v[: len(v) // 2],
        "space": lambda v, _r: v + " ",
    },
    "old_time": {"zone": lambda v, r: _shift(v, r.choice((1, 2, 5))), "format": _other_form},
    "old_epoch": {"unit": lambda v, _r: v * 1000, "zone": lambda v, _r: v + 3600},
    "fixed_id": {"value": lambda _v, r: uuid4(r), "cut": lambda v, _r: v[:-1], "case": lambda v, _r: v.upper() + "X"},
    "number_text": {"value": lambda v, _r: v + "1", "as_number": lambda v, _r: float(v)},
    "null": {"value": lambda _v, _r: ""},
    "version": {"value": lambda v, _r: v + "-rc1"},
    "label": {"value": lambda v, _r: f"{v}x", "case": lambda v, _r: str(v).title()},
    "now": {"stale": _stale, "format": _other_form},
    "recent": {"stale": _stale, "format": _other_form},
    "expires": {"stale": _stale, "format": _other_form},
    "epoch": {
        "unit": lambda v, _r: v * 1000 if v < 1e11 else v // 1000,
        "stale": lambda v, _r: v - (86400 * 400) * (1000 if v > 1e11 else 1),
    },
    "duration": {"unit": lambda v, _r: v / 1000, "sign": lambda v, _r: -v},
    "elapsed": {"unit": lambda v, _r: v / 1000, "up": lambda v, _r: v * 1000, "sign": lambda v, _r: -v},
    "pid": {"sign": lambda v, _r: -v, "as_float": lambda v, _r: float(v)},
    "port": {"sign": lambda v, _r: -v, "as_float": lambda v, _r: float(v)},
    "counter": {"sign": lambda v, _r: -v - 5, "as_float": lambda v, _r: v + 0.5},
    "memory": {"unit": lambda v, _r: v // 1024, "up": lambda v, _r: v * 1024},
    "load": {"sign": lambda v, _r: -v, "precision": lambda v, _r: v + 0.000123},
    "uuid": {
        "cut": lambda v, _r: v[:-1],
        "format": lambda v, _r: v.replace("-", ""),
        "case": lambda v, _r: v.upper() + "0",
        "empty": lambda _v, _r: "",
    },
    "hash": {"cut": lambda v, _r: v[:40], "format": lambda v, _r: v[:-1] + "z", "empty": lambda _v, _r: ""},
    "ulid": {"cut": lambda v, _r: v[:-2], "format": lambda _v, r: uuid4(r)},
    "token": {"cut": lambda v, _r: v[:10], "format": lambda v, _r: v[:-1] + "!"},
    "tmp": {"value": lambda v, _r: v.replace("/tmp/", "/var/"), "cut": lambda v, _r: v.rpartition("/")[0]},
    "message": {
        "value": lambda v, _r: _other_word(v),
        "format": lambda v, _r: v + " (retried)",
        "empty": lambda _v, _r: "",
    },
    "took_text": {"unit": lambda v, _r: v.replace("ms", "s"), "format": lambda v, _r: v.replace("ms", " milliseconds")},
    "number_noise_text": {
        "as_number": lambda v, _r: float(v),
        "unit": lambda v, _r: f"{float(v) / 1000:.6f}",
        "precision": lambda v, _r: v[:2],
    },
    "epoch_text": {"unit": lambda v, _r: v[:-3], "as_number": lambda v, _r: int(v)},
    "choice": {"format": lambda v, _r: v.upper() + "!", "empty": lambda _v, _r: ""},
    "flip": {"as_int": lambda v, _r: int(v), "as_text": lambda v, _r: str(v).lower()},
    "id_linked": {"cut": lambda v, _r: v[:-1], "empty": lambda _v, _r: ""},
    "note": {"value": lambda v, _r: v.replace("created", "deleted")},
    "ref": {},
    "uid": {"cut": lambda v, _r: v[:-1], "empty": lambda _v, _r: "", "format": lambda v, _r: v[:-2] + "zz"},
    "reference": {"dangling": lambda v, r: v[:-10] + hex32(r)[:10]},
    "beat": {"stale": lambda v, _r: "2019" + v[4:], "format": _other_form, "day": lambda v, _r: v[:10]},
    "since": {"zone": lambda v, r: _shift(v, r.choice((1, 2, 5))), "format": _other_form},
    "status": {
        "value": lambda v, _r: v.replace("(healthy)", "(unhealthy)"),
        "unit": lambda v, _r: v.replace("seconds", "weeks"),
    },
    "address": {"value": lambda v, _r: v.replace("127.0.0.1", "10.0.0.1"), "cut": lambda v, _r: v.partition(":")[0]},
    "link": {
        "value": lambda v, _r: v.replace("limit=50", "limit=500"),
        "dangling": lambda v, r: v.replace(v[18:40], hex32(r)[:22]),
    },
    "took": {"unit": lambda v, _r: v.replace(" ms", " s"), "format": lambda v, _r: v.replace(" ", "")},
    "count": {"sign": lambda v, _r: -v, "as_float": lambda v, _r: v + 0.25},
    "file": {"value": lambda v, _r: v.replace(".tar.gz", ".zip"), "cut": lambda v, _r: v.rpartition("/")[0]},
    "log": {
        "value": lambda v, _r: v.replace("ok", "skipped", 1) if "ok" in v else v + "!",
        "cut": lambda v, _r: v.rpartition("\n")[0],
    },
    "digest": {"cut": lambda v, _r: v[:-4], "format": lambda v, _r: v.replace("sha256", "md5")},
    "shard": {"value": lambda v, _r: v.replace("node", "rack"), "cut": lambda v, _r: v[:5]},
    "optional": {},
}


def _other_word(text: str) -> str:
    for one, two in (("Finished", "Failed"), ("took", "needs"), ("wrote", "read"), ("http:", "ftp:")):
        if one in text:
            return text.replace(one, two)
    return text


def _swap_ids(value: Any, spots: list[Spot], rng: random.Random, spot: Spot) -> str | None:
    """Exchange two references to different records; or let one dangle."""
    refs = [one for one in spots if one.what == "ref" and one.path[:-3] == spot.path[:-3] and one.path != spot.path]
    others = [one for one in refs if _get(value, one.path) != _get(value, spot.path) and one.path[-1] == spot.path[-1]]
    if others and rng.random() < 0.5:
        other = rng.choice(others)
        mine, theirs = _get(value, spot.path), _get(value, other.path)
        _set(value, spot.path, theirs)
        _set(value, other.path, mine)
        return "swapped"
    old = _get(value, spot.path)
    fresh = hex32(rng)
    drawn = iter(fresh * 2)
    _set(value, spot.path, "".join(next(drawn) if one in "0123456789abcdef" else one for one in old))
    return "dangling"


def _break_list(value: Any, spot: Spot, rng: random.Random) -> str | None:
    items = _get(value, spot.path)
    choices = ["duplicate", "lost", "empty"] if len(items) > 1 else ["duplicate"]
    if not spot.noisy and len(items) > 1:
        choices.append("order")
    fault = rng.choice(choices)
    at = rng.randrange(len(items))
    if fault == "duplicate":
        items.insert(at, copy.deepcopy(items[at]))
    elif fault == "lost":
        del items[at]
    elif fault == "empty":
        items.clear()
    else:
        two = (at + 1) % len(items)
        items[at], items[two] = items[two], items[at]
    return fault


def plant(original: Any, spots: list[Spot], rng: random.Random, *, noisy: bool) -> Planted | None:
    """Break one thing, in a noisy place or in one that stands still; None where there is no such place."""
    value = copy.deepcopy(original)
    places = [spot for spot in spots if spot.noisy is noisy and spot.path]
    if not places:
        return None
    spot = rng.choice(places)
    fault = _break(value, spots, spot, rng)
    if fault is None or (value == original and repr(value) == repr(original)):
        return None
    path = spot.path
    if fault == "extra":
        path = (*spot.path, "added")
    elif spot.what in {"list", "shuffled"} and fault in {"duplicate", "lost"}:
        path = (*spot.path, 0)
    return Planted(value, f"{spot.what}.{fault}", plain(path), noisy)


def _break(value: Any, spots: list[Spot], spot: Spot, rng: random.Random) -> str | None:
    if spot.what == "ref":
        return _swap_ids(value, spots, rng, spot)
    if spot.what in {"list", "shuffled"}:
        return _break_list(value, spot, rng)
    if spot.what == "map":
        _get(value, spot.path)["added"] = rng.choice((1, "x", None, []))
        return "extra"
    owner = _get(value, spot.path[:-1])
    if rng.random() < 0.12 and isinstance(owner, dict) and spot.what != "optional":
        del owner[spot.path[-1]]
        return "missing"
    changes = {**COMMON, **BY_KIND[spot.what]}
    fault = rng.choice(list(changes))
    old = owner[spot.path[-1]]
    if isinstance(old, dict | list):
        fault = "null"
    owner[spot.path[-1]] = changes[fault](old, rng)
    return fault
