"""What an operator may set about the hands, read from this worker's variables.

Above it stand `__main__`, which reads it once, and the tools; below it nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from workers.reference.hands.errors import HandError
from workers.reference.hands.gates import NOTHING_FURTHER, Further

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CHROMIUM: Final = "SWITCHOVER_CHROMIUM"
BROWSERS: Final = "SWITCHOVER_REFERENCE_BROWSERS"
BROWSER_USER: Final = "SWITCHOVER_REFERENCE_BROWSER_USER"
NETWORKS: Final = "SWITCHOVER_REFERENCE_NETWORKS"
FURTHER: Final = "SWITCHOVER_REFERENCE_GATES"

MOST_BROWSERS: Final = 8
"""A browser takes some 150 MB; a sanity bound."""


@dataclass(frozen=True, slots=True)
class HandSettings:
    """What is set about the hands.

    Attributes:
        chromium: path of the browser; None looks for it by its usual names.
        browsers: how many may run at once.
        browser_user: whose rights they get when this worker is root.
        networks: private networks that may be reached all the same.
        further: restrictions of commands beyond the gates, for DANGER_GATES=1.
        idle_seconds: how long an unused browser is kept.
        browser_seconds: how long an operation may take unless the caller says otherwise.
    """

    chromium: str | None = None
    browsers: int = 2
    browser_user: str = "nobody"
    networks: tuple[Network, ...] = ()
    further: Further = NOTHING_FURTHER
    idle_seconds: float = 60.0
    browser_seconds: float = 30.0

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> HandSettings:
        """Read the variables; those that are missing mean their default.

        Raises:
            HandError: one says something that cannot be meant; the message names it.
        """
        return cls(
            chromium=environ.get(CHROMIUM) or None,
            browsers=_browsers(environ.get(BROWSERS, "2")),
            browser_user=environ.get(BROWSER_USER) or "nobody",
            networks=tuple(_network(text) for text in _listed(environ.get(NETWORKS, ""))),
            further=_further(_listed(environ.get(FURTHER, ""))),
        )


def _listed(text: str) -> list[str]:
    """Return what commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _browsers(text: str) -> int:
    """Read how many browsers may run."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_BROWSERS):
        raise HandError(f"{BROWSERS} is {text!r}; it must be a whole number from 1 to {MOST_BROWSERS}")
    return int(text)


def _network(text: str) -> Network:
    """Read one network."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise HandError(f"{NETWORKS} holds {text!r}, which is no network ({error}); write it as 10.1.0.0/16") from None


def _further(names: list[str]) -> Further:
    """Read which restrictions are on."""
    known = [field.name for field in fields(Further)]
    for name in names:
        if name not in known:
            raise HandError(f"{FURTHER} holds {name!r}; it may hold {', '.join(known)}")
    return Further(**dict.fromkeys(names, True))
