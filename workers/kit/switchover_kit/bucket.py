"""Which bucket of a flag a key falls into: the same on every machine, in every process, for ever.

Above it stands the evaluator (`targeting`), below it only zlib and hashlib.  A percentage takes the keys whose bucket
is below it, so raising it only ever takes more of them.  The version of the hash and the salt are stored with the
flag: a better hash gets a new version beside the old one, and no key moves because of an upgrade.

Version 1 spreads the CRC-32 of the key's UTF-8 with multiply-shift (Dietzfelbinger et al., "A reliable randomized
algorithm for the closest-pair problem", J. Algorithms 25, 1997), whose multiplier and addend come from the SHA-256 of
the salt: one multiplication a key, and two salts give independent buckets.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final
from zlib import crc32

HASH_VERSION: Final = 1
"""The version that new flags are given."""
HASH_VERSIONS: Final = frozenset({1})
"""The versions known here."""
HASHES: Final = 1 << 32
"""How many hashes there are: a hash is 0 or more and below this."""
MASK: Final = (1 << 64) - 1
"""Multiply-shift keeps 64 bits, of which the upper 32 are the hash."""


class HashVersionError(ValueError):
    """A flag was salted by a hash that this version of the kit does not know."""


def bucket(key: str, salt: str, hash_version: int = HASH_VERSION) -> float:
    """Return the bucket of a key, at least 0 and below 100: a percentage takes the buckets below it.

    Raises:
        HashVersionError: the version of the hash is not known here.
    """
    return hasher(salt, hash_version)(key) * 100 / HASHES


def hasher(salt: str, hash_version: int = HASH_VERSION) -> Callable[[str], int]:
    """Return the hash of a salt: it gives each key a whole number of 32 bits.

    Raises:
        HashVersionError: the version of the hash is not known here.
    """
    multiplier, addend = constants(salt, hash_version)

    def hashed(key: str) -> int:
        return (checksum(key) * multiplier + addend & MASK) >> 32

    return hashed


@lru_cache(maxsize=1024)
def constants(salt: str, hash_version: int = HASH_VERSION) -> tuple[int, int]:
    """Return the multiplier (odd) and the addend, of 64 bits each, that a salt stands for.

    Raises:
        HashVersionError: the version of the hash is not known here.
    """
    if hash_version not in HASH_VERSIONS:
        known = ", ".join(map(str, sorted(HASH_VERSIONS)))
        raise HashVersionError(
            f"hash_version is {hash_version!r}, and this version of switchover_kit knows {known}; update it"
        )
    digest = sha256(salt.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") | 1, int.from_bytes(digest[8:16], "big")


def checksum(key: str) -> int:
    """Return the 32 bits of a key that its hashes are made from."""
    try:
        return crc32(key.encode())
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON may carry: it is a key like any other
        return crc32(key.encode("utf-8", "surrogatepass"))


def threshold(percent: float) -> int:
    """Return the hash below which a key's bucket is below `percent`: exactly those, and no other.

    Args:
        percent: 0 to 100, finite.
    """
    # Whole numbers, because a rounding of percent / 100 could let one hash in that `bucket` puts outside.
    numerator, denominator = percent.as_integer_ratio()
    return -(-numerator * HASHES // (denominator * 100))
