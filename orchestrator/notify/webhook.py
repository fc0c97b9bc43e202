"""A signed webhook: one POST a try, judged by its status.

The signature is what GitHub's receivers check (https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-
deliveries), so any library for those fits.  Above: `destinations`.  Below: httpx.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from typing import TYPE_CHECKING

from orchestrator.domain.flags.records import Notice
from orchestrator.domain.ports import Clock
from orchestrator.notify.schedule import Again, Never, Outcome, judge

if TYPE_CHECKING:
    import httpx


class HttpClient:
    """One HTTP client for all webhooks, made when the first is posted (reading the certificates takes a while)."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    def get(self) -> httpx.AsyncClient:
        """Return the client."""
        import httpx  # noqa: PLC0415 - with the first notice: a daemon that tells nobody starts sooner

        if self._client is None:
            logging.getLogger("httpx").setLevel(logging.ERROR)  # it logs addresses, and those may hold secrets
            self._client = httpx.AsyncClient(timeout=None, headers={"User-Agent": "switchover"})  # noqa: S113 - `send` bounds it
        return self._client

    async def close(self) -> None:
        """Close its connections; `get` begins anew."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def signature(key: bytes, body: bytes) -> str:
    """Return the value of X-Hub-Signature-256: HMAC-SHA256 over the exact bytes of the body, in hex."""
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()


def event_of(payload: str) -> str:
    """Return what happened, for the header X-Switchover-Event, such as `flag.changed`."""
    return str(json.loads(payload).get("event", "flag.changed"))


class Webhook:
    """One address.  Nothing of it but what `destinations.name_of` says is ever logged or stored."""

    def __init__(self, address: str, key: bytes, client: HttpClient, clock: Clock, timeout: float) -> None:
        """Build it.

        Args:
            address: where to post.
            key: what bodies are signed with.
            client: posts.
            clock: wall time for the header and for dates in Retry-After.
            timeout: seconds a try may take.
        """
        self._address = address
        self._key = key
        self._client = client
        self._clock = clock
        self._timeout = timeout

    async def send(self, notice: Notice) -> Outcome:
        """Post the notice once."""
        import httpx  # noqa: PLC0415 - likewise

        body = notice.payload.encode()
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature(self._key, body),
            "X-Switchover-Delivery": notice.id,
            "X-Switchover-Event": event_of(notice.payload),
            "X-Switchover-Timestamp": str(int(self._clock.wall())),
        }
        try:
            async with asyncio.timeout(self._timeout):
                # Streamed, because nobody reads the answer's body, however long it is.
                async with self._client.get().stream("POST", self._address, content=body, headers=headers) as answer:
                    return judge(answer.status_code, answer.headers.get("Retry-After"), self._clock.wall())
        except TimeoutError:
            return Again(f"no answer within {self._timeout:g} s")
        except httpx.TransportError as error:
            return Again(f"no connection ({type(error).__name__}{_cause(error)})")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Never(f"it cannot be posted to ({type(error).__name__})")


def _cause(error: BaseException) -> str:
    """Return the system's own words at the bottom of an error; those of the layers above may hold the address."""
    seen = error
    while (below := seen.__cause__ or seen.__context__) is not None:
        seen = below
    return f": {seen.strerror}" if isinstance(seen, OSError) and seen.strerror else ""
