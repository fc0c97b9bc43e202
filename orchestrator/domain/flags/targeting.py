"""Whether a flag may be given a targeting: judged by what every reader judges it by.

Above: `flags`.  Below: the kit's `flag_parts`; `declaration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchover_kit.flag_parts import DocumentError, read_targeting

from orchestrator.domain.flags.declaration import Declaration
from orchestrator.domain.flags.values import can_be_kept

LENGTH: Final = 256 * 1024
"""Bytes of JSON a targeting may have, some ten thousand keys; longer lists belong into an attribute and a rule."""


def targeting_flaw(declaration: Declaration, targeting: Mapping[str, Any]) -> str:
    """Say why a flag may not have this targeting, "" when it may."""
    if not can_be_kept(targeting, LENGTH):
        return f"it is no JSON that can be kept: at most {LENGTH} bytes, finite numbers, no NUL, whole characters"
    if declaration.kill_switch:
        return "a kill switch is for everybody or for nobody"
    try:
        read_targeting(declaration.type.value, declaration.values, targeting)
    except DocumentError as error:
        return str(error)
    except RecursionError:
        return "it is nested too deeply"
    return ""
