"""Buckets: the same for ever, even, independent between flags, and never left by raising a percentage."""

from __future__ import annotations

import binascii
import hashlib
import subprocess
import sys
import uuid
from itertools import product

import pytest
from bucket_keys import GOLDEN, KEYS, READABLE, SALTS, digest, keys
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit.bucket import HASH_VERSION, HASHES, HashVersionError, bucket, hasher, threshold

SHAPES = {
    "missions": [f"mission-{number}" for number in range(1, 4001)],
    "users": [f"user{number}@example.com" for number in range(4000)],
    "uuids": [str(uuid.uuid5(uuid.NAMESPACE_DNS, str(number))) for number in range(4000)],
    "numbers": [str(number) for number in range(4000)],
}
# Chi-square beyond these comes about once in 10,000 times when all is even (Abramowitz and Stegun, 26.4.17).
CHI_SQUARE_99 = 161.0
CHI_SQUARE_81 = 138.0
percents = st.floats(min_value=0, max_value=100, allow_nan=False)


def chi_square(counts: list[int], expected: float) -> float:
    return sum((count - expected) ** 2 / expected for count in counts)


def dependence(one: str, other: str, subjects: list[str]) -> float:
    """Return chi-square of the tenths that keys fall into under two salts."""
    cells = dict.fromkeys(product(range(10), repeat=2), 0)
    for key in subjects:
        cells[int(bucket(key, one, 1) // 10), int(bucket(key, other, 1) // 10)] += 1
    return chi_square(list(cells.values()), len(subjects) / 100)


@pytest.mark.requirement("FLAG-1")
def test_ten_thousand_random_keys_keep_their_bucket_for_ever() -> None:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    hashed = [hasher(salt, 1) for salt in SALTS]
    readable = [" ".join([*(f"{one(key):08x}" for one in hashed), repr(key)]) for key in keys()[:READABLE]]
    assert readable == lines[len(SALTS) :]
    assert [f"{digest(map(one, keys()))} {salt!r}" for one, salt in zip(hashed, SALTS, strict=True)] == lines[
        : len(SALTS)
    ]
    assert len(keys()) == KEYS


@pytest.mark.requirement("FLAG-1")
@given(st.text(), st.text())
@settings(max_examples=100)
def test_a_bucket_is_what_its_description_says(key: str, salt: str) -> None:
    seed = hashlib.sha256(salt.encode()).digest()
    multiplier, addend = int.from_bytes(seed[:8], "big"), int.from_bytes(seed[8:16], "big")
    multiplier += multiplier % 2 == 0
    spread = (binascii.crc32(key.encode("utf-8")) * multiplier + addend) % 2**64
    assert bucket(key, salt, 1) == spread // 2**32 / 2**32 * 100
    assert 0 <= bucket(key, salt, 1) < 100


@pytest.mark.requirement("FLAG-1")
def test_another_process_with_other_hash_seeds_gives_the_same_bucket() -> None:
    script = "from switchover_kit.bucket import bucket; print(repr(bucket('mission-42', 'PROMPT_MODE', 1)))"
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONHASHSEED": "7"},
    )
    assert float(told.stdout) == bucket("mission-42", "PROMPT_MODE", 1)


@pytest.mark.requirement("FLAG-1")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("salt", ["PROMPT_MODE", "SCHEDULER_MODE", "x", "2026"])
def test_keys_of_every_shape_fill_the_buckets_evenly(shape: str, salt: str) -> None:
    subjects = SHAPES[shape]
    counts = [0] * 100
    for key in subjects:
        counts[int(bucket(key, salt, 1))] += 1
    assert chi_square(counts, len(subjects) / 100) < CHI_SQUARE_99


@pytest.mark.requirement("FLAG-1")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("other", ["SCHEDULER_MODE", "PROMPT_MODE2", "prompt_mode"])
def test_the_bucket_of_one_flag_says_nothing_about_that_of_another(shape: str, other: str) -> None:
    assert dependence("PROMPT_MODE", other, SHAPES[shape]) < CHI_SQUARE_81


def test_dependence_would_be_noticed() -> None:
    assert dependence("PROMPT_MODE", "PROMPT_MODE", SHAPES["missions"]) > 100 * CHI_SQUARE_81


@pytest.mark.requirement("FLAG-3")
@given(st.text(min_size=1), st.text(), percents, percents)
@settings(max_examples=200)
def test_a_higher_percentage_takes_all_that_a_lower_one_took(key: str, salt: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    own = hasher(salt, 1)(key)
    assert own >= threshold(low) or own < threshold(high)


@pytest.mark.requirement("FLAG-3")
@given(st.integers(min_value=0, max_value=HASHES - 1), percents)
@settings(max_examples=300)
def test_the_threshold_takes_exactly_the_buckets_below_the_percentage(own: int, percent: float) -> None:
    near = max(0, min(HASHES - 1, threshold(percent) - 1 + own % 3))
    for one in (own, near):
        assert (one < threshold(percent)) == (one * 100 / HASHES < percent)


def test_no_percent_takes_nobody_and_all_percent_take_everybody() -> None:
    assert (threshold(0), threshold(100)) == (0, HASHES)


def test_half_of_a_surrogate_pair_has_a_bucket_like_any_other_key() -> None:
    assert 0 <= bucket("mission-\ud83d", "PROMPT_MODE", 1) < 100
    assert 0 <= bucket("mission", "\udc00", 1) < 100


@pytest.mark.parametrize("version", [0, 2, -1])
def test_an_unknown_version_of_the_hash_is_refused_with_what_to_do(version: int) -> None:
    with pytest.raises(HashVersionError, match=f"^hash_version is {version}, and .* knows {HASH_VERSION}; update it$"):
        bucket("mission-42", "PROMPT_MODE", version)
