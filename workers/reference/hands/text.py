"""The readable text of an HTML page, by the standard library's parser.

Above it stands `tools/web`, below it nothing.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_HIDDEN: Final = frozenset({"script", "style", "template", "noscript", "svg", "head", "iframe", "object", "select"})
_BREAKS: Final = frozenset(
    {
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "br",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figcaption",
        ),
        *(
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hr",
            "li",
            "main",
            "nav",
            "ol",
            "p",
        ),
        *("pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul", "body", "html"),
    }
)
_PARAGRAPHS: Final = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "table", "ul", "ol"})
_INLINE_ENDS: Final = frozenset({"li", "dt", "dd", "tr"})
_MARKS: Final = {
    "td": " ",
    "th": " ",
    "li": "- ",
    "h1": "# ",
    "h2": "## ",
    "h3": "### ",
    "h4": "#### ",
    "h5": "##### ",
    "h6": "###### ",
}
_OPENING: Final = re.compile(r"<!--|<!|<\?")
_MOST_TAG: Final = 2000
"""Characters of one tag; what is longer is shown as text."""
_NO_TAG: Final = re.compile(rf"<(?!/?[A-Za-z][^<>]{{0,{_MOST_TAG}}}>)")


def readable(html: str) -> tuple[str, str]:
    """Return a page's title and its text: one block a line, paragraphs apart, lists and headings marked."""
    reader = _Reader()
    reader.feed(tame(html))
    reader.close()
    return " ".join("".join(reader.title).split()), _tidy("".join(reader.text))


def tame(html: str) -> str:
    """Return HTML in which every < begins a whole tag of bounded length, and all else is text.

    The parser takes time in the square of the length for tags and comments that never end, so it is given none.
    """
    return _NO_TAG.sub("&lt;", _without_comments(html))


def _without_comments(html: str) -> str:
    """Leave out comments, declarations and processing instructions; one that never ends goes on to the end."""
    kept: list[str] = []
    place = 0
    while (found := _OPENING.search(html, place)) is not None:
        kept.append(html[place : found.start()])
        closing = "-->" if found.group() == "<!--" else ">"
        end = html.find(closing, found.end())
        if end < 0:
            return "".join(kept)
        place = end + len(closing)
    return "".join(kept) + html[place:]


class _Reader(HTMLParser):
    """Collects what people would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.text: list[str] = []
        self._hidden = ""
        self._depth = 0
        self._in_title = False
        self._kept = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's signature
        if tag == "title" and not self.title:
            self._in_title = True
        if tag == "body":
            self._hidden = ""  # a page may forget to close its head
        if self._hidden:
            self._depth += tag == self._hidden
        elif tag in _HIDDEN:
            self._hidden, self._depth = tag, 1
        else:
            self._kept += tag == "pre"
            self.text.append(_space(tag) + _MARKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"
        if self._hidden:
            self._depth -= tag == self._hidden
            self._hidden = self._hidden if self._depth else ""
        else:
            self._kept -= tag == "pre" and self._kept > 0
            self.text.append("" if tag in _INLINE_ENDS else _space(tag))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self.text.append(data if self._kept else re.sub(r"\s+", " ", data))


def _space(tag: str) -> str:
    """Return what a tag puts between what stands before and behind it."""
    return ("\n\n" if tag in _PARAGRAPHS else "\n") if tag in _BREAKS else ""


def _tidy(text: str) -> str:
    """Take away needless space: at line ends, and more than one empty line."""
    lines = (line.rstrip() if line.startswith("  ") else line.strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
