"""The key tokens are signed with: the operator's file, or one that is made once and kept; and keys made of it.

Above: `daemon`, and who hides what it writes.  Below: the file.
"""

from __future__ import annotations

import hmac
import os
import secrets
from enum import Enum
from pathlib import Path
from typing import Final

from orchestrator.domain.errors import SettingsError
from orchestrator.telemetry.logging import get_logger

log = get_logger("access")

NAME: Final = "access.key"
"""The made key's name in the state directory."""
SHORTEST: Final = 32
"""Bytes: RFC 7518 section 3.2 wants a key for HS256 to be as long as its hash."""


class Purpose(Enum):
    """What a key is made for; its bytes are part of what hashes on disk were made with, so they stay as they are."""

    REHEARSAL = b"what a rehearsal leaves"
    MIRRORING = b"what mirroring leaves"
    PARITY = b"what parity leaves"
    LOG = b"what workers log"


def key_for(purpose: Purpose, key: bytes) -> bytes:
    """Return a key of its own for a purpose: who has it cannot sign tokens, nor read what another purpose hid.

    It is the HMAC-SHA256 of the purpose's name, 32 bytes: a function of the key that nobody without it can tell from a
    random one (RFC 2104, and RFC 5869 section 2.3, which makes keys of a key in the same way).

    Args:
        purpose: what it is for.
        key: the secret it is made of, as `load_key` returns it.
    """
    return hmac.digest(key, purpose.value, "sha256")


def load_key(configured: Path | None, state_dir: Path) -> bytes:
    """Return the key; without a configured file make one, for its owner's eyes only.

    Args:
        configured: `access.key_file`.
        state_dir: where a made key is kept.

    Raises:
        SettingsError: it cannot be read or made, or is too short.
    """
    path = configured if configured is not None else state_dir / NAME
    try:
        if configured is None:
            _make(path)
        key = path.read_bytes().strip()
        readable = path.stat().st_mode & 0o044
    except OSError as error:
        raise SettingsError(f"the key in {path} (access.key_file) cannot be used: {error}") from error
    if len(key) < SHORTEST:
        raise SettingsError(f"the key in {path} (access.key_file) has {len(key)} bytes; write at least {SHORTEST}")
    if readable:
        log.warning("the key of tokens can be read by others than its owner", path=str(path))
    return key


def _make(path: Path) -> None:
    """Write a new key unless there is one: beside its place first, so that half a key never stands there."""
    if path.exists():
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(SHORTEST).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    log.info("key of tokens made", path=str(path))
