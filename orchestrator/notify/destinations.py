"""Who is told: each destination by a name that may be stored and shown, unlike its address.

Above: `notifier` and `deliverer`.  Below: `webhook` and `people`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from orchestrator.domain.flag_records import Notice
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


def name_of(kind: str, address: str) -> str:
    """Return the name of an address: its kind and host, and eight digits that tell it from others there.

    For apprise the kind is all there is besides the digits: what looks like its host may be a token.
    """
    digits = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()[:8]
    if kind != "webhook":
        return f"{kind}:{digits}"
    return f"{kind}:{urlsplit(address).hostname}:{digits}"


def destinations_of(options: NotifyOptions, client: HttpClient, clock: Clock) -> Mapping[str, Destination]:
    """Return every destination by its name, webhooks first.

    Raises:
        SettingsError: an address or the secret cannot be used.
    """
    key = options.check()
    found: dict[str, Destination] = {}
    for address in options.webhooks:
        found[name_of("webhook", address)] = Webhook(address, key, client, clock, options.timeout)
    for address in options.apprise:
        kind = address.partition("://")[0].lower()
        found[name_of(kind if kind.isalnum() else "apprise", address)] = People(address)
    return found
