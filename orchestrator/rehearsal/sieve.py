"""Tells where `detector` need not look for numbers, which is nearly everywhere: it decides nothing.  Pure.

Above: `detector`, whose rules are all its own.  Below: nothing.
"""

from __future__ import annotations

import re
from typing import Final

CARD: Final = r"[2-6](?<![\w.][2-6])(?:[ -]?[0-9]){13}"
"""14 digits, in groups or not, the first of which is no part of a name or a fraction."""
DIALLED: Final = r"\+[0-9](?:[ -]?[0-9]){7}"
"""8 digits behind a plus."""
NUMBERS: Final = re.compile(f"{CARD}|{DIALLED}")


def may_have_numbers(text: str) -> bool:
    """Return whether a card's or a telephone's number may be in a text; seldom when none is, and always when one is."""
    return NUMBERS.search(text) is not None
