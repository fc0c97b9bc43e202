"""Words that every room needs: a count with its noun, and whether a text is one.

Above: whoever tells people how many there are, or takes what they typed.  Below: nothing, for the lightest of them
read it.
"""

from __future__ import annotations


def counted(count: int, noun: str, several: str = "") -> str:
    """Return a count with its noun, such as `1 call` and `2,000 calls`.

    Args:
        count: how many.
        noun: of one.
        several: the noun of several, where it is not just one with an `s`.
    """
    return f"{count:,} {noun if count == 1 else several or f'{noun}s'}"


def is_text(text: str) -> bool:
    """Tell whether a text is whole: it holds no byte that is none, and no half of a character (a lone surrogate)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
