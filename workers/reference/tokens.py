"""How many tokens a text is to a language model: the vocabulary o200k_base, which ships inside the package bpe-openai.

Above it stand the tools, which report what each answer costs to read.  Loading takes about half a second, so it happens
at the first count and not at the start.
"""

from __future__ import annotations

import threading
import warnings
from typing import Any, Final

VOCABULARY: Final = "o200k_base"
PIECE: Final = 250_000
"""Characters counted at once; the package refuses a million.  A cut may count one token more than there is."""

_loading = threading.Lock()
_encodings: Final[list[Any]] = []


def count_tokens(text: str) -> int:
    """Count the tokens of a text; what looks like a special token counts as the plain text it is."""
    encoding = _encodings[0] if _encodings else _load()
    return sum(len(encoding.encode_ordinary(text[start : start + PIECE])) for start in range(0, len(text), PIECE))


def _load() -> Any:
    """Load the vocabulary once, whichever thread asks first."""
    with _loading:
        if not _encodings:
            with warnings.catch_warnings():  # it opens its data in a way that Python no longer recommends
                warnings.simplefilter("ignore", DeprecationWarning)
                from bpe_openai import get_encoding  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

                _encodings.append(get_encoding(VOCABULARY))
        return _encodings[0]
