"""The flags page: one snapshot of all flags in a file that the daemon writes and any number of processes map.

The layout is `page_format`'s, one writer (`PageWriter`) keeps it, any number of readers (`PageReader`) read it without
a lock, a system call or a copy as long as nothing changes.  This file only gathers the names.
"""

from switchover_kit.page_format import (
    BEAT_NS,
    GONE_NS,
    PageBusyError,
    PageDamagedError,
    PageError,
    PageMissingError,
    State,
)
from switchover_kit.page_reader import Content, PageReader
from switchover_kit.page_writer import PageWriter

__all__ = [
    "BEAT_NS",
    "GONE_NS",
    "Content",
    "PageBusyError",
    "PageDamagedError",
    "PageError",
    "PageMissingError",
    "PageReader",
    "PageWriter",
    "State",
]
