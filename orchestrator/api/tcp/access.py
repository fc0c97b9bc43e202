"""Who may call the control plane over TCP, read off the settings.

Above: `doors`, when it opens and on each reload.  Below: `proxy.http.access`, which `/mcp` shares.
"""

from __future__ import annotations

import socket

from orchestrator.domain.errors import SettingsError
from orchestrator.domain.ports import TokenReader
from orchestrator.proxy.http.access import Access
from orchestrator.proxy.http.rules import tokens_in
from orchestrator.settings import Settings


def control_access(settings: Settings, address: str, reader: TokenReader) -> Access:
    """Return who may call.

    Args:
        settings: names and tokens.
        address: what the door is really bound to.
        reader: who knows signed tokens.

    Raises:
        SettingsError: the tokens cannot be read, or there are none: this door is never without.
    """
    control = settings.control
    file = control.token_file
    tokens = [*control.tokens, *(tokens_in(file, "control.token_file") if file is not None else ())]
    if not tokens:
        raise SettingsError("the control API over TCP needs tokens: set control.token_file or control.tokens")
    hosts = [*control.allowed_hosts, control.place[0], socket.gethostname()]
    return Access.to(address, hosts=hosts, origins=control.allowed_origins, tokens=tokens, reader=reader)
