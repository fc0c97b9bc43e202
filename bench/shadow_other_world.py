"""A second kind of tools, made otherwise than `shadow_world`: four services with a state of their own, asked again.

It was written after the comparison was done, and nothing was fitted to it: what holds for one generator alone is worth
little.  Here values depend on each other (ends after starts, totals of parts, cursors that hold ids), lists grow,
records are of several kinds, and texts are what programs print.

Above: `shadow_accuracy`.  Below: `shadow_world` for its spots.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from bench.shadow_world import Path, Spot

HOSTS = ("api-gateway", "billing", "search-index", "mailer", "thumbnailer", "auth", "ledger", "cron")
REASONS = ("connection reset by peer", "upstream timed out", "checksum mismatch", "quota exceeded", "lock is held")
REGIONS = ("eu-north-1", "us-east-2", "ap-south-1")


class Service:
    """One service: a snapshot that stands still, and what every call adds."""

    def __init__(self, seed: str) -> None:
        self.state = random.Random(seed)
        self.made = self.state.choice((self.fleet, self.ledger, self.build, self.search))
        self.base = 1.6e9 + self.state.random() * 1.5e8
        self.names = self.state.sample(HOSTS, self.state.randint(3, 7))
        self.style = self.state.randrange(3)
        self.salt = self.state.getrandbits(64)

    def render(self, at: float, rng: random.Random, process: dict[str, Any]) -> tuple[Any, list[Spot]]:
        """Return an answer and its spots."""
        self.spots: list[Spot] = []
        self.state = random.Random(self.salt)
        return self.made(at, rng, process), self.spots

    def mark(self, path: Path, what: str, value: Any, *, noisy: bool) -> Any:
        """Take down a spot and return its value."""
        self.spots.append(Spot(path, what, noisy))
        return value

    def kept(self, path: Path, what: str, value: Any) -> Any:
        """Take down a value that stands still."""
        return self.mark(path, what, value, noisy=False)

    def noise(self, path: Path, what: str, value: Any) -> Any:
        """Take down a value that varies."""
        return self.mark(path, what, value, noisy=True)

    def stamp(self, at: float) -> str:
        """Write a time as this service does."""
        moment = dt.datetime.fromtimestamp(at, tz=dt.UTC)
        return (
            moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            moment.strftime("%Y-%m-%d %H:%M:%S"),
            moment.isoformat(timespec="seconds"),
        )[self.style]

    def fleet(self, at: float, rng: random.Random, process: dict[str, Any]) -> Any:
        """Processes with their usage, an incident list by host, and who asked."""
        pods = []
        for n, name in enumerate(self.names):
            path: Path = ("spec", "pods", n)
            uid = f"{name}-{rng.getrandbits(40):010x}"
            self.kept((*path, "name"), "label", name)
            up = f"Up {rng.randint(2, 58)} seconds (healthy), pid {rng.randint(200, 60000)}"
            pods.append(
                {
                    "name": name,
                    "uid": self.noise((*path, "uid"), "uid", uid),
                    "image": self.kept((*path, "image"), "word", f"registry/{name}:{self.state.randint(1, 40)}"),
                    "replicas": self.kept((*path, "replicas"), "int", self.state.randint(1, 9)),
                    "usage": {
                        "cpu": self.noise((*path, "usage", "cpu"), "load", round(rng.uniform(0.05, 3.9), 3)),
                        "rss": self.noise((*path, "usage", "rss"), "memory", rng.randint(40, 400) << 20),
                    },
                    "heartbeat": self.noise((*path, "heartbeat"), "beat", self.stamp(at - rng.uniform(0, 10))),
                    "created": self.kept((*path, "created"), "since", self.stamp(self.base + n * 1e5)),
                    "status": self.noise((*path, "status"), "status", up),
                }
            )
        owner = pods[self.state.randrange(len(pods))]["uid"]
        leader = {
            "holder": self.noise(("leader", "holder"), "reference", owner),
            "term": self.kept(("leader", "term"), "int", 7),
        }
        self.spots.append(Spot(("spec", "pods"), "list", noisy=False))
        return {
            "kind": "Fleet",
            "spec": {"pods": pods},
            "leader": leader,
            "served_by": self.noise(("served_by",), "address", f"127.0.0.1:{process['port']}"),
        }

    def ledger(self, at: float, rng: random.Random, process: dict[str, Any]) -> Any:
        """Bookings with money as text, a page cursor, totals."""
        rows = []
        for n in range(self.state.randint(3, 12)):
            path: Path = ("rows", n)
            cents = self.state.randint(100, 999_999)
            rows.append(
                [
                    self.kept((*path, 0), "label", f"INV-{2000 + n}"),
                    self.kept((*path, 1), "number_text", f"{cents / 100:.2f}"),
                    self.kept((*path, 2), "since", self.stamp(self.base + n * 86400)),
                    self.kept((*path, 3), "bool", self.state.random() < 0.5),
                ]
            )
        self.spots.append(Spot(("rows",), "list", noisy=False))
        cursor = f"c_{rng.getrandbits(96):024x}"
        return {
            "rows": rows,
            "total": self.kept(("total",), "int", self.state.randint(0, 99)),
            "next": self.noise(("next",), "uid", cursor),
            "links": {"next": self.noise(("links", "next"), "link", f"/v2/rows?cursor={cursor}&limit=50")},
            "timing": {
                "db": self.noise(("timing", "db"), "duration", round(rng.gammavariate(4, 2.5), 3)),
                "total": self.noise(("timing", "total"), "took", f"{rng.uniform(20, 90):.1f} ms"),
            },
            "generatedAt": self.noise(("generatedAt",), "beat", self.stamp(at)),
            "request": self.noise(("request",), "count", process["calls"] * 3 + rng.randint(1, 9)),
        }

    def build(self, at: float, rng: random.Random, process: dict[str, Any]) -> Any:
        """What a build tool prints, with steps."""
        steps, lines = [], [f"build started by pid {process['pid']}"]
        for n, name in enumerate(self.names):
            path: Path = ("steps", n)
            took = rng.uniform(0.2, 9.5)
            code = self.state.choice((0, 0, 0, 1))
            file = f"/var/tmp/build.{rng.getrandbits(48):012x}/{name}.tar.gz"
            steps.append(
                {
                    "step": self.kept((*path, "step"), "label", name),
                    "exit": self.kept((*path, "exit"), "int", code),
                    "seconds": self.noise((*path, "seconds"), "duration", round(took, 3)),
                    "error": self.kept((*path, "error"), "sentence", self.state.choice(REASONS)) if code else None,
                    "artifact": self.noise((*path, "artifact"), "file", file),
                }
            )
            lines.append(f"  [{n + 1}/{len(self.names)}] {name} ... {'FAILED' if code else 'ok'} ({took:.1f}s)")
        self.spots.append(Spot(("steps",), "list", noisy=False))
        lines.append(f"finished at {self.stamp(at)}")
        return {
            "content": [{"type": "text", "text": self.noise(("content", 0, "text"), "log", "\n".join(lines))}],
            "steps": steps,
            "commit": self.kept(("commit",), "fixed_id", f"{self.state.getrandbits(160):040x}"),
            "digest": self.noise(("digest",), "digest", f"sha256:{rng.getrandbits(256):064x}"),
        }

    def search(self, at: float, rng: random.Random, process: dict[str, Any]) -> Any:
        """Hits in no fixed order, records of two kinds, counts by facet."""
        hits: list[dict[str, Any]] = []
        for n in range(self.state.randint(4, 10)):
            title = f"{self.state.choice(HOSTS)} {self.state.choice(REASONS)}"
            score = round(self.state.uniform(0.1, 12), 4)
            hit: dict[str, Any] = {"doc": f"doc/{n * 17}", "score": score, "title": title}
            if n % 2:
                hit["region"] = self.state.choice(REGIONS)
            else:
                hit["seen"] = self.stamp(at - rng.uniform(1, 50))
            hits.append(hit)
        rng.shuffle(hits)
        for at_, hit in enumerate(hits):
            for key in hit:
                what = {"doc": "label", "score": "float", "title": "sentence", "region": "word", "seen": "beat"}[key]
                self.mark(("hits", at_, key), what, None, noisy=key == "seen")
        self.spots.append(Spot(("hits",), "shuffled", noisy=True))
        return {
            "hits": hits,
            "took": self.noise(("took",), "elapsed", rng.randint(3, 60)),
            "shard": self.noise(("shard",), "shard", f"node-{rng.randint(10, 99)}"),
            "facets": {region: self.kept(("facets", region), "int", self.state.randint(0, 50)) for region in REGIONS},
            "pid": self.noise(("pid",), "pid", process["pid"]),
        }
