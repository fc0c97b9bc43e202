"""Lets tests of every kind find the parts they share: the running daemon, clients of its socket, workers' commands."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

HERE = Path(__file__).parent

sys.path[:0] = [str(HERE / folder) for folder in ("candidates", "e2e", "support")]

# A shell's background job ignores Ctrl-C, and so would every process the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
