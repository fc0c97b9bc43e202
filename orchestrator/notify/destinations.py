"""Who is told: each destination by a name that may be stored and shown, unlike its address.

Above: `notifier` and `deliverer`.  Below: `webhook` and `people`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlsplit

from orchestrator.domain.flags.records import Notice
from orchestrator.domain.ports import Clock
from orchestrator.notify.options import NotifyOptions
from orchestrator.notify.people import People
from orchestrator.notify.schedule import Outcome
from orchestrator.notify.webhook import HttpClient, Webhook


class Destination(Protocol):
    """One way out."""

    async def send(self, notice: Notice) -> Outcome:
        """Try once, within a bound, and say what was met."""
        ...


def webhook_name(address: str) -> str:
    """Return the name of a webhook: its host, and eight digits that tell it from others there."""
    return f"webhook:{urlsplit(address).hostname}:{_digits(address)}"


def people_name(address: str) -> str:
    """Return the name of an apprise address: its scheme and eight digits; what looks like a host may be a token."""
    scheme = _SCHEME.match(address)
    return f"{scheme[1].lower() if scheme else 'apprise'}:{_digits(address)}"


_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{0,19})://")


def _digits(address: str) -> str:
    return hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()[:8]


def destinations_of(options: NotifyOptions, client: HttpClient, clock: Clock) -> Mapping[str, Destination]:
    """Return every destination by its name, webhooks first.

    Raises:
        SettingsError: an address or the secret cannot be used.
    """
    key = options.check()
    found: dict[str, Destination] = {}
    for address in options.webhooks:
        found[webhook_name(address)] = Webhook(address, key, client, clock, options.timeout)
    for address in options.apprise:
        found[people_name(address)] = People(address)
    return found
