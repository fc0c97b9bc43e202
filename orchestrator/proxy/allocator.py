"""Keeps glibc from giving a megabyte buffer back to the kernel and asking for it again with every large message.

By default malloc maps each large block afresh, and the kernel clears every page of it on first touch: measured here,
copying 1 MB into fresh memory takes 0.44 ms, into kept memory 0.02 ms.
"""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Parameters of mallopt(3)."""

MMAP_BYTES = 32 << 20
"""Blocks below this come from the heap: above any line the daemon accepts by default."""

KEPT_BYTES = 16 << 20
"""Free memory at the heap's end that is kept: a few large messages on their way at once."""


def keep_large_buffers() -> None:
    """Tune malloc for this process; does nothing where the C library has no mallopt."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
