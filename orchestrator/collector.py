"""Keeps the collector of reference cycles from walking what lives as long as the program: modules, models, routes.

It would look at all of that again and again while it is being loaded, which is a fifth of the daemon's start, and now
and then between two calls for as long as the daemon lives.  Above: `cli.group` and `api.late`, which load much at once.
Below: nothing.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Collect nothing while inside, and never look again at what is there at the end."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()
