"""What a browser and its driver say when a page cannot be shown, and what that means to people.

Above it stands `pages`, below it nothing.
"""

from __future__ import annotations

from typing import Final

MEANINGS: Final = (
    (("Page crashed", "Target crashed"), "{url}: its page crashed the browser; ask again or leave it"),
    (("has been closed", "onnection closed", "ECONNRESET"), "{url}: the browser ended in the middle of it; ask again"),
    (("ERR_TOO_MANY_REDIRECTS",), "{url} redirects without end"),
    (("Download is starting",), "{url} is a download, not a page; nothing was kept"),
    (("ERR_ABORTED",), "{url} has no page to show: the server sent none, or a download"),
    (("interrupted by another navigation", "context was destroyed"), "{url} keeps going on to other pages"),
    (("ERR_UNSAFE_PORT",), "{url} names a port that belongs to another service, which no browser opens"),
    (("ERR_CERT", "ERR_SSL"), "{url} has no certificate that can be trusted"),
    (("imeout",), "{url} did not load within {seconds:g} s; try again or allow more"),
)
"""Words of Playwright's or Chromium's, and the sentence they stand for; the first that is found counts."""


def meaning(message: str, url: str, seconds: float) -> str:
    """Put a message into words for people.

    Args:
        message: what Playwright said.
        url: the address that was asked for.
        seconds: how long it could take.
    """
    for known, sentence in MEANINGS:
        if any(word in message for word in known):
            return sentence.format(url=url, seconds=seconds)
    return f"{url} cannot be shown: {message.partition(chr(10))[0] or 'no reason given'}"
