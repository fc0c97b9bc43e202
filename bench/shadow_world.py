"""Random tools whose answers vary as real ones do: a schema drawn from a seed, rendered anew for every call.

What is drawn with the schema stands still (the snapshot); what is drawn with the call is noise.  Every rendered value
remembers where it is and what it is, so that something can be broken there (`shadow_faults`).

Above: `shadow_accuracy`.  Below: nothing.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WORDS = (
    *("alpha", "bravo", "copper", "delta", "ember", "falcon", "garnet", "harbor", "indigo", "juniper", "kestrel"),
    *("lumen", "maple", "nectar", "onyx", "pepper", "quartz", "raven", "sable", "timber", "umber", "velvet"),
    *("willow", "yarrow", "zephyr", "anchor", "beacon", "cinder", "drift", "echo"),
)
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Path = tuple[str | int, ...]


class Key(str):
    """A member's name that is an id."""

    __slots__ = ()


@dataclass(frozen=True)
class Spot:
    """A rendered value: where it is, what it is, whether it is noise."""

    path: Path
    what: str
    noisy: bool


@dataclass
class Call:
    """One call: its time, its process, its noise."""

    at: float
    rng: random.Random
    process: dict[str, Any]
    spots: list[Spot] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)


Leaf = Callable[[Call], Any]


class Schema:
    """One tool's answer to one class of arguments."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.names = 0
        self.root = self.members(self.rng.randint(4, 9), 2)

    def name(self) -> str:
        """Return a member's name that is not taken."""
        self.names += 1
        style = self.rng.randrange(3)
        one, two = self.rng.choice(WORDS), self.rng.choice(WORDS)
        return (f"{one}_{two}", f"{one}{two.title()}", one)[style] + ("" if self.names < 12 else str(self.names))

    def render(self, at: float, rng: random.Random, process: dict[str, Any]) -> tuple[Any, list[Spot]]:
        """Return an answer and its spots."""
        call = Call(at, rng, process)
        value = self.root(call, ())
        return value, call.spots

    # -- structures

    def members(self, count: int, levels: int) -> Callable[[Call, Path], Any]:
        """Return a map of random members."""
        parts = {self.name(): self.part(levels) for _ in range(count)}
        rare = [name for name in parts if self.rng.random() < 0.005]
        optional = {name: self.rng.uniform(0.35, 0.65) for name in rare}

        def render(call: Call, path: Path) -> Any:
            found = {}
            for name, part in parts.items():
                if name in optional and call.rng.random() < optional[name]:
                    mark = len(call.spots)
                    part(call, (*path, name))
                    del call.spots[mark:]
                    continue
                mark = len(call.spots)
                found[name] = part(call, (*path, name))
                if name in optional:
                    call.spots[mark:] = [Spot(s.path, "optional", noisy=True) for s in call.spots[mark : mark + 1]]
            call.spots.append(Spot(path, "map", noisy=False))
            return found

        return render

    def part(self, levels: int) -> Callable[[Call, Path], Any]:
        """Return one random member."""
        roll = self.rng.random()
        if not levels or roll >= 0.53:
            return self.leaf()
        shares = (
            (0.18, lambda: self.members(self.rng.randint(2, 5), levels - 1)),
            (0.40, lambda: self.list_of(levels - 1)),
            (0.46, self.graph),
            (0.50, self.by_id),
            (0.53, self.in_text),
        )
        return next(make for share, make in shares if roll < share)()

    def list_of(self, levels: int) -> Callable[[Call, Path], Any]:
        """Return a list: of records, of single values, shuffled or not, of one length or not."""
        count = self.rng.randint(2, 12)
        shuffled = count > 3 and self.rng.random() < 0.25
        if self.rng.random() < 0.25:
            values = self.rng.sample(WORDS, min(count, len(WORDS)))
            return self._in_order([lambda _call, _path, v=v: v for v in values], shuffled=shuffled)
        fields = {self.name(): self.maker() for _ in range(self.rng.randint(1, 5))}
        if levels and self.rng.random() < 0.3:
            fields[self.name()] = lambda: self.members(self.rng.randint(1, 3), 0)
        labels = self.rng.sample(WORDS, count)
        label = self.name()
        shapes = [{name: make() for name, make in fields.items()} for _ in range(count)]

        def record(index: int) -> Callable[[Call, Path], Any]:
            def render(call: Call, path: Path) -> Any:
                call.spots.append(Spot((*path, label), "label", noisy=False))
                return {label: labels[index], **{n: part(call, (*path, n)) for n, part in shapes[index].items()}}

            return render

        return self._in_order([record(index) for index in range(count)], shuffled=shuffled)

    def _in_order(self, parts: list[Callable[[Call, Path], Any]], *, shuffled: bool) -> Callable[[Call, Path], Any]:
        def render(call: Call, path: Path) -> Any:
            order = list(range(len(parts)))
            if shuffled:
                call.rng.shuffle(order)
            found = [parts[one](call, (*path, at)) for at, one in enumerate(order)]
            call.spots.append(Spot(path, "shuffled" if shuffled else "list", noisy=shuffled))
            return found

        return render

    def graph(self) -> Callable[[Call, Path], Any]:
        """Return records with ids of their own and references to each other."""
        count = self.rng.randint(3, 8)
        labels = self.rng.sample(WORDS, count)
        links = [(self.rng.randrange(count), self.rng.randrange(count)) for _ in range(count)]
        make = self.rng.choice((uuid4, hex32, ulid, prefixed, small_id))
        embedded = self.rng.random() < 0.5

        def render(call: Call, path: Path) -> Any:
            ids = [make(call.rng) for _ in labels]
            nodes = []
            for at, label in enumerate(labels):
                call.spots.append(Spot((*path, "nodes", at, "id"), "id_linked", noisy=True))
                node = {"id": ids[at], "label": label}
                if embedded:
                    node["note"] = f"created {label} as {ids[at]}"
                    call.spots.append(Spot((*path, "nodes", at, "note"), "note", noisy=True))
                nodes.append(node)
            edges = []
            for at, (one, two) in enumerate(links):
                edges.append({"from": ids[one], "to": ids[two]})
                call.spots += [Spot((*path, "edges", at, side), "ref", noisy=True) for side in ("from", "to")]
            return {"nodes": nodes, "edges": edges}

        return render

    def by_id(self) -> Callable[[Call, Path], Any]:
        """Return a map whose members are named by ids."""
        make = self.rng.choice((uuid4, hex32, prefixed))
        labels = self.rng.sample(WORDS, self.rng.randint(2, 6))
        make_part = self.maker()
        parts = [make_part() for _ in labels]

        def render(call: Call, path: Path) -> Any:
            found = {}
            for label, part in zip(labels, parts, strict=True):
                key = Key(make(call.rng))
                call.spots.append(Spot((*path, key, "label"), "label", noisy=False))
                found[key] = {"label": label, "value": part(call, (*path, key, "value"))}
            return found

        return render

    def in_text(self) -> Callable[[Call, Path], Any]:
        """Return a text that holds JSON, as tools return it."""
        part = self.members(self.rng.randint(2, 4), 0)

        def render(call: Call, path: Path) -> Any:
            mark = len(call.spots)
            value = part(call, path)
            del call.spots[mark:]
            return json.dumps(value)

        return render

    # -- single values

    def leaf(self) -> Callable[[Call, Path], Any]:
        """Return one single value."""
        return self.maker()()

    def maker(self) -> Callable[[], Callable[[Call, Path], Any]]:
        """Return what makes single values of one kind: for each record of a list the same."""
        if self.rng.random() < 0.5:
            what = self.rng.choice(list(STABLE))
            return lambda: _fixed(what, STABLE[what](self.rng))
        what = self.rng.choices(list(NOISE), [0.2 if one in RARE else 1.0 for one in NOISE])[0]
        draw = NOISE[what](self.rng)
        return lambda: _noise(what, draw)


def _fixed(what: str, value: Any) -> Callable[[Call, Path], Any]:
    def render(call: Call, path: Path) -> Any:
        call.spots.append(Spot(path, what, noisy=False))
        return value

    return render


def _noise(what: str, draw: Leaf) -> Callable[[Call, Path], Any]:
    def render(call: Call, path: Path) -> Any:
        call.spots.append(Spot(path, what, noisy=True))
        return draw(call)

    return render


def uuid4(rng: random.Random) -> str:
    """Draw a random UUID."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{rng.choice('89ab')}{text[17:20]}-{text[20:]}"


def hex32(rng: random.Random) -> str:
    """Draw 32 hexadecimal digits."""
    return f"{rng.getrandbits(128):032x}"


def ulid(rng: random.Random) -> str:
    """Draw a ULID of this decade."""
    return "01" + "".join(rng.choice(CROCKFORD) for _ in range(24))


def prefixed(rng: random.Random) -> str:
    """Draw an id with a prefix."""
    return "job_" + "".join(rng.choice(string.ascii_lowercase + string.digits) for _ in range(14))


def small_id(rng: random.Random) -> str:
    """Draw eight hexadecimal digits."""
    return f"{rng.getrandbits(32):08x}"


def iso(at: float, form: str) -> str:
    """Write a time."""
    moment = dt.datetime.fromtimestamp(at, tz=dt.UTC)
    forms = {
        "z": lambda: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ms": lambda: moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        "us": lambda: moment.isoformat(timespec="microseconds"),
        "space": lambda: moment.strftime("%Y-%m-%d %H:%M:%S"),
        "mail": lambda: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "east": lambda: moment.astimezone(dt.timezone(dt.timedelta(hours=2))).isoformat(timespec="seconds"),
    }
    return forms[form]()


FORMS = ("z", "ms", "us", "space", "mail", "east")


def _old(rng: random.Random) -> str:
    return iso(1.6e9 + rng.random() * 1.5e8, rng.choice(FORMS))


STABLE: dict[str, Callable[[random.Random], Any]] = {
    "int": lambda rng: rng.randint(0, 5000),
    "float": lambda rng: round(rng.uniform(-50, 900), rng.randint(1, 6)),
    "bool": lambda rng: rng.random() < 0.5,
    "word": lambda rng: rng.choice(WORDS),
    "sentence": lambda rng: " ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 9))),
    "old_time": _old,
    "old_epoch": lambda rng: int(1.6e9 + rng.random() * 1.5e8),
    "fixed_id": uuid4,
    "number_text": lambda rng: str(round(rng.uniform(1, 900), 2)),
    "null": lambda _rng: None,
    "version": lambda rng: f"{rng.randint(0, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 30)}",
}


RARE = ("flip",)
"""What takes two values only, as members that are there or not: six samples miss one of them 3 times in 100."""


def _now(rng: random.Random) -> Leaf:
    form = rng.choice(FORMS)
    return lambda call: iso(call.at + call.rng.uniform(0, 0.3), form)


def _recent(rng: random.Random) -> Leaf:
    form, most = rng.choice(FORMS), rng.choice((60.0, 600.0, 3600.0))
    return lambda call: iso(call.at - call.rng.uniform(0, most), form)


def _expires(rng: random.Random) -> Leaf:
    form, ahead = rng.choice(FORMS), rng.choice((300.0, 3600.0, 86400.0))
    return lambda call: iso(call.at + ahead, form)


def _epoch(rng: random.Random) -> Leaf:
    kind = rng.choice(("s", "ms", "float"))
    return lambda call: {"s": int(call.at), "ms": int(call.at * 1000), "float": round(call.at, 3)}[kind]


def _duration(rng: random.Random) -> Leaf:
    middle, sigma, places = (
        rng.choice((0.8, 12.0, 140.0, 2500.0)),
        rng.choice((0.1, 0.3, 0.6)),
        rng.choice((1, 2, 3, 17)),
    )
    return lambda call: round(middle * call.rng.lognormvariate(0, sigma), places)


def _elapsed(rng: random.Random) -> Leaf:
    low = rng.choice((5, 40, 900))
    return lambda call: call.rng.randint(low, low * 4)


def _message(rng: random.Random) -> Leaf:
    one, two, kind = rng.choice(WORDS), rng.choice(WORDS), rng.randrange(4)

    def draw(call: Call) -> str:
        took = call.rng.randint(10, 90)
        return (
            f"Finished {one} in {took}ms (worker {call.process['pid']}, trace {hex32(call.rng)[:16]})",
            f"[{iso(call.at, 'ms')}] {one}: {two} took {took / 10:.1f} s",
            f"wrote /tmp/{one}-{hex32(call.rng)[:8]}/{two}.json, {took} records",
            f"http://127.0.0.1:{call.process['port']}/{one}?request={uuid4(call.rng)}",
        )[kind]

    return draw


def _memory(rng: random.Random) -> Leaf:
    low = rng.randint(20, 200) << 20
    return lambda call: low + call.rng.randrange(1 << 24) // 4096 * 4096


def _tmp(rng: random.Random) -> Leaf:
    word = rng.choice(WORDS)
    return lambda call: f"/tmp/{word}-{small_id(call.rng)}/{word}.sock"


def _choice(rng: random.Random) -> Leaf:
    words = rng.sample(WORDS, 4)
    return lambda call: call.rng.choice(words)


NOISE: dict[str, Callable[[random.Random], Leaf]] = {
    "now": _now,
    "recent": _recent,
    "expires": _expires,
    "epoch": _epoch,
    "duration": _duration,
    "elapsed": _elapsed,
    "pid": lambda _rng: lambda call: call.process["pid"],
    "port": lambda _rng: lambda call: call.process["port"],
    "counter": lambda _rng: lambda call: call.process["calls"],
    "memory": _memory,
    "load": lambda _rng: lambda call: round(call.rng.uniform(0.1, 4.0), 2),
    "uuid": lambda _rng: lambda call: uuid4(call.rng),
    "hash": lambda _rng: lambda call: hex32(call.rng) + hex32(call.rng),
    "ulid": lambda _rng: lambda call: ulid(call.rng),
    "token": lambda _rng: lambda call: base64.urlsafe_b64encode(call.rng.randbytes(24)).decode(),
    "tmp": _tmp,
    "message": _message,
    "took_text": lambda _rng: lambda call: f"{call.rng.uniform(2, 80):.2f}ms",
    "number_noise_text": lambda _rng: lambda call: f"{call.rng.uniform(10, 99):.3f}",
    "epoch_text": lambda _rng: lambda call: str(int(call.at * 1000)),
    "choice": _choice,
    "flip": lambda _rng: lambda call: call.rng.random() < 0.5,
}
