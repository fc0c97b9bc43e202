"""The keys whose buckets golden/buckets_1.txt keeps; `python tests/unit/bucket_keys.py` writes it.

Run it only to add a version of the hash: what is in the file for a version never changes again.
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterable
from pathlib import Path

from switchover_kit.bucket import hasher

GOLDEN = Path(__file__).parent / "golden" / "buckets_1.txt"
SALTS = ("PROMPT_MODE", "SCHEDULER_MODE", "a salt with \N{SNOWMAN}", "")
KEYS = 10_000
READABLE = 200
SCRIPTS = (
    "abcdefghijklmnopqrstuvwxyzäöüß\N{GREEK SMALL LETTER ALPHA}\N{CJK UNIFIED IDEOGRAPH-4E2D}\N{ROCKET}0123456789-_.@ "
)


def keys() -> list[str]:
    """Return random keys of the shapes that missions, users and sessions have, the same ones each time."""
    source = random.Random(20261101)
    shapes = (
        lambda: f"mission-{source.randrange(10**6)}",
        lambda: f"user{source.randrange(10**6)}@example.com",
        lambda: str(uuid.UUID(int=source.getrandbits(128))),
        lambda: "".join(source.choices(SCRIPTS, k=source.randint(1, 40))),
    )
    return [shapes[number % len(shapes)]() for number in range(KEYS)]


def digest(hashes: Iterable[int]) -> str:
    """Return one digest of the hashes of all keys, in their order."""
    return hashlib.sha256(b"".join(one.to_bytes(4, "big") for one in hashes)).hexdigest()


def golden() -> str:
    """Return the text of the golden file: a digest a salt, then the first keys with their hash under each salt."""
    hashed = [hasher(salt, 1) for salt in SALTS]
    digests = [f"{digest(map(one, keys()))} {salt!r}" for one, salt in zip(hashed, SALTS, strict=True)]
    readable = [" ".join([*(f"{one(key):08x}" for one in hashed), repr(key)]) for key in keys()[:READABLE]]
    return "\n".join([*digests, *readable, ""])


if __name__ == "__main__":
    GOLDEN.write_text(golden(), encoding="utf-8")
