"""Fetches one web address without a browser: bounded hops, bytes and time, and every hop's address judged.

Above it stands `tools/web`, below it `addresses` and httpx.
"""

from __future__ import annotations

import ssl
import zlib
from dataclasses import dataclass
from email.message import Message
from functools import cache
from typing import TYPE_CHECKING, Final

import anyio

from workers.reference.hands.addresses import Target, resolved, target
from workers.reference.hands.errors import HandError
from workers.reference.hands.settings import Network

if TYPE_CHECKING:
    import httpx

MOST_REDIRECTS: Final = 5
"""Few honest addresses need more than two."""
MOST_BYTES: Final = 2 * 1024 * 1024
"""Size of a page, unpacked; its median on the web is below 100 KB (HTTP Archive, HTML bytes)."""

_HEADERS: Final = {
    "User-Agent": "switchover-reference/1.0",
    "Accept": "text/html,text/*;q=0.9,application/json;q=0.9,application/xml;q=0.8,*/*;q=0.1",
    "Accept-Encoding": "gzip, identity",
}
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TEXTS: Final = ("json", "xml", "javascript", "yaml", "toml", "x-sh")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered.

    Attributes:
        url: the address that answered in the end.
        status: HTTP status.
        media_type: what kind of content it is, as in text/html; empty when it was not said.
        text: the content.
        size: bytes of the content, unpacked.
        redirects: the addresses that led there, first one first.
    """

    url: str
    status: int
    media_type: str
    text: str
    size: int
    redirects: tuple[str, ...]


async def fetch(url: str, seconds: float, networks: tuple[Network, ...], most_bytes: int = MOST_BYTES) -> Fetched:
    """Fetch an address.

    Args:
        url: http or https.
        seconds: how long all of it may take.
        networks: private networks that may be reached.
        most_bytes: bound of the content, unpacked.

    Raises:
        HandError: the address is refused, cannot be reached, redirects without end, answers with something that is no
            text or too large, or takes too long.
    """
    import httpx  # noqa: PLC0415 - see `addresses.target`

    place = target(url)
    hops: list[str] = []
    try:
        with anyio.fail_after(seconds):
            async with httpx.AsyncClient(trust_env=False, verify=_trust(), timeout=seconds) as client:
                while True:
                    answer = await _hop(client, place, networks, most_bytes)
                    if isinstance(answer, Fetched):
                        return Fetched(*_without_hops(answer), redirects=tuple(hops))
                    hops.append(str(place.url))
                    place = _following(place, answer, hops)
    except TimeoutError:
        raise HandError(f"{place.url} did not answer in full within {seconds:g} s; try again or allow more") from None
    except httpx.HTTPError as error:
        raise HandError(f"{place.url} cannot be fetched: {str(error) or type(error).__name__}") from None


def _without_hops(answer: Fetched) -> tuple[str, int, str, str, int]:
    return answer.url, answer.status, answer.media_type, answer.text, answer.size


def _following(place: Target, location: str, hops: list[str]) -> Target:
    """Return where a redirect leads."""
    import httpx  # noqa: PLC0415 - likewise

    if len(hops) > MOST_REDIRECTS:
        raise HandError(f"{hops[0]} redirects more than {MOST_REDIRECTS} times, last to {location[:200]!r}")
    try:
        return target(str(place.url.join(location)))
    except httpx.InvalidURL as error:
        raise HandError(f"{place.url} redirects to {location[:200]!r}, which is no address: {error}") from None


async def _hop(
    client: httpx.AsyncClient, place: Target, networks: tuple[Network, ...], most_bytes: int
) -> Fetched | str:
    """Ask one address; return what it answered, or where it sends us."""
    address = await resolved(place.host, place.port, networks)
    request = client.build_request(
        "GET",
        place.url.copy_with(host=address, fragment=None),
        headers={**_HEADERS, "Host": place.url.netloc.decode("ascii")},
        # The connection goes to the judged address; the certificate has to be that of the name.
        extensions={"sni_hostname": place.host},
    )
    answer = await client.send(request, stream=True)
    try:
        if answer.status_code in _REDIRECTS and (location := answer.headers.get("Location")):
            return str(location)
        return await _content(place, answer, most_bytes)
    finally:
        await answer.aclose()


async def _content(place: Target, answer: httpx.Response, most: int) -> Fetched:
    """Read an answer's content within bounds."""
    head = Message()
    head["Content-Type"] = answer.headers.get("Content-Type", "")
    media_type = head.get_content_type() if answer.headers.get("Content-Type") else ""
    if media_type and not media_type.startswith("text/") and not media_type.endswith(_TEXTS):
        raise HandError(f"{place.url} is {media_type}, not text; nothing was kept")
    packed = bytearray()
    async for chunk in answer.aiter_raw():
        packed += chunk
        if len(packed) > most:
            raise HandError(f"{place.url} is larger than {most} bytes; nothing was kept")
    data = _unpacked(place, answer.headers.get("Content-Encoding", "").strip().lower(), bytes(packed), most)
    text = _decoded(data, head.get_content_charset())
    return Fetched(str(place.url), answer.status_code, media_type, text, len(data), ())


def _unpacked(place: Target, coding: str, data: bytes, most: int) -> bytes:
    """Undo a content coding, without letting a small bomb become a large heap."""
    if coding in {"", "identity"}:
        return data
    if coding not in {"gzip", "x-gzip", "deflate"}:
        raise HandError(f"{place.url} is packed as {coding!r}, which was not asked for; nothing was kept")
    try:
        unpacked = zlib.decompressobj(wbits=47).decompress(data, most + 1)  # 47: gzip or zlib, whichever it is
    except zlib.error as error:
        raise HandError(f"{place.url} is damaged: {error}") from None
    if len(unpacked) > most:
        raise HandError(f"{place.url} is larger than {most} bytes once unpacked; nothing was kept")
    return unpacked


def _decoded(data: bytes, charset: str | None) -> str:
    """Decode content; what is wrong in it is replaced, and so is a charset that nobody knows."""
    try:
        return data.decode(charset or "utf-8", errors="replace")
    except (LookupError, UnicodeError):
        return data.decode("utf-8", errors="replace")


@cache
def _trust() -> ssl.SSLContext:
    """Trust what httpx brings along and what the machine trusts; read once, for it takes tens of milliseconds."""
    import httpx  # noqa: PLC0415 - likewise

    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
