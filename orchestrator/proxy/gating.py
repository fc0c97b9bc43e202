"""The gates of tools at work: a call without its gate is refused, the tool is not listed, and who listed it is told.

Whom a call is for: its token's subject, else the assignment key it names, else its client's name.  Above: `intake` and
`answers` ask, while tools have gates at all; `admission` says when flags have changed.  Below: the gatekeeper's port.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET, Raw

from orchestrator.domain.access import Caller
from orchestrator.domain.errors import Code
from orchestrator.domain.ports import Gatekeeper
from orchestrator.domain.protocol import Era
from orchestrator.proxy import codec, listening
from orchestrator.proxy.dispatch import Dispatcher
from orchestrator.proxy.ledger import Call
from orchestrator.proxy.movement import Movement
from orchestrator.proxy.session import Session
from orchestrator.telemetry.logging import get_logger

log = get_logger("proxy")

LIST: Final = "tools/list"
GATED: Final = frozenset({codec.CALL, LIST, listening.LISTEN})
"""Methods that gates concern."""
CHANGED: Final = "notifications/tools/list_changed"


class _Meta(msgspec.Struct):
    client: Any = msgspec.field(default=None, name="io.modelcontextprotocol/clientInfo")


class _Params(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta, name="_meta")


class _Request(msgspec.Struct):
    params: _Params = msgspec.field(default_factory=_Params)


class _Listed(msgspec.Struct):
    tools: list[Raw] = []


class _Tool(msgspec.Struct):
    name: str = ""


class Gating:
    """Applies the gates.

    Attributes:
        keeper: who knows them; None while no tool has one.
    """

    def __init__(self, dispatcher: Dispatcher, movement: Movement) -> None:
        """Build it without gates."""
        self.keeper: Gatekeeper | None = None
        self._dispatcher = dispatcher
        self._movement = movement
        self._listed: WeakKeyDictionary[Session, tuple[Caller, frozenset[str]]] = WeakKeyDictionary()
        self._listening: dict[int, frozenset[str]] = {}

    def admits(self, call: Call) -> bool:
        """Let a call of a gated method in, or answer it and say False."""
        keeper = self.keeper
        if keeper is None:
            return True
        caller = caller_of(call)
        if call.method == codec.CALL:
            gate = keeper.closed(call.tool, caller)
            return gate is None or self._refuse(call, caller, gate)
        hidden = keeper.hidden(caller)
        if call.method == LIST:
            call.minded = True
            self._listed[call.session] = caller, hidden
        else:
            self._listening[call.number] = hidden
        return True

    def shown(self, line: bytes, call: Call) -> bytes:
        """Return a list of tools as its caller may see it; as it differs by caller, it is for nobody else's cache."""
        keeper = self.keeper
        result = codec.decode_message(line).result
        if keeper is None or result is UNSET:
            return line
        hidden = keeper.hidden(caller_of(call))
        if hidden:
            line = _without(line, result, hidden)
        return codec.with_result_member(line, "cacheScope", b'"private"') if call.era is Era.STATELESS else line

    def look(self) -> None:
        """Tell those who have listed tools if other ones are hidden from them now: the flags or the gates changed."""
        keeper = self.keeper
        for session, (caller, before) in list(self._listed.items()):
            now = frozenset[str]() if keeper is None else keeper.hidden(caller)
            if session.value.id not in self._dispatcher.sessions:
                del self._listed[session]
            elif now != before:
                self._listed[session] = caller, now
                if session.value.version:
                    session.put(codec.notification_line(CHANGED))
        self._look_at_listeners(keeper)

    def _look_at_listeners(self, keeper: Gatekeeper | None) -> None:
        known, self._listening = self._listening, {}
        for call in self._movement.listeners():
            now = frozenset[str]() if keeper is None else keeper.hidden(caller_of(call))
            self._listening[call.number] = now
            differs = now != known.get(call.number, frozenset())
            if differs and call.acknowledged and listening.wants(call, "tools"):
                call.session.put(listening.changed(CHANGED, call), call.client_id)

    def _refuse(self, call: Call, caller: Caller, gate: str) -> bool:
        reason = (
            f"the tool {call.tool} needs the gate {gate}, which is closed to {caller.subject or 'an unknown caller'}"
        )
        data = {"reason": reason, "retryable": False, "generation": None, "gate": gate}
        name = Code.REFUSED.name.lower()
        call.session.put(codec.error_line(call.client_id, Code.REFUSED, f"{name}: {reason}", data), call.client_id)
        log.info("call refused: its gate is closed", tool=call.tool, gate=gate, subject=caller.subject)
        return False


def caller_of(call: Call) -> Caller:
    """Return whom a call is for."""
    session: Session = call.session
    known = session.caller
    if known.subject:
        return known
    if call.key != session.key:
        return Caller(call.key)
    client = _client_in(call) if call.era is Era.STATELESS else session.value.client
    name = client.get("name") if isinstance(client, dict) else None
    return Caller(name if isinstance(name, str) else "")


def _client_in(call: Call) -> Any:
    """Return what a request of the stateless era says of its client."""
    try:
        return msgspec.json.decode(b"".join((b'{"id":0', call.tail)), type=_Request).params.meta.client
    except msgspec.MsgspecError:
        return {}


def _without(line: bytes, result: Raw, hidden: frozenset[str]) -> bytes:
    """Return the answer to a `tools/list` without some tools; the others stay as their worker wrote them."""
    try:
        tools = msgspec.json.decode(result, type=_Listed).tools
        kept = [tool for tool in tools if msgspec.json.decode(tool, type=_Tool).name not in hidden]
    except msgspec.MsgspecError:
        kept = []  # what cannot be read cannot be judged
    return codec.with_result_member(line, "tools", msgspec.json.encode(kept))
