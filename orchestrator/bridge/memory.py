"""What a session is to a daemon that never heard of it: what the client said once and would not say again.

Above: `conversation`.  Below: `messages`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from orchestrator.bridge import messages
from orchestrator.bridge.calls import INITIALIZE, Request
from orchestrator.proxy import codec

LISTS = ("tools", "resources", "prompts")


class Told(msgspec.Struct, gc=False):
    """What the bridge reads of a result of `initialize`."""

    version: str = msgspec.field(default="", name="protocolVersion")
    capabilities: dict[str, Any] = {}


def told_by(message: codec.Message) -> Told:
    """Read a result of `initialize`."""
    return messages.lenient(message.result, Told)


class Memory:
    """The client's side of a session of the handshake era.

    Attributes:
        handshake: the client's `initialize`, from after its id on; None before it was answered.
        initialized: the client's `notifications/initialized`; None before it came.
        told: what the client was told.
    """

    def __init__(self) -> None:
        self.handshake: bytes | None = None
        self.initialized: bytes | None = None
        self.told = Told()
        self._level: bytes | None = None
        self._subscribed: dict[bytes, bytes] = {}

    def learn(self, request: Request, line: bytes) -> None:
        """Note what a request has set, now that it has its result.

        Args:
            request: one of `calls.SESSION_METHODS`.
            line: its answer, a result.
        """
        asked, answer = messages.read(request.line), messages.read(line)
        if asked is None or answer is None:
            return
        tail = messages.tail_of(asked)
        if request.method == INITIALIZE:
            self.handshake = tail
            self.told = told_by(answer)
        elif request.method == "logging/setLevel":
            self._level = tail
        else:
            uri = messages.params_of(asked).uri
            self._subscribed.pop(b"" if uri is UNSET else bytes(uri), None)
            if request.method == "resources/subscribe" and uri is not UNSET:
                self._subscribed[bytes(uri)] = tail

    def settings(self) -> list[bytes]:
        """Return what is asked of a new daemon once the handshake is done, each from after its id on."""
        return [*([] if self._level is None else [self._level]), *self._subscribed.values()]

    def changes(self) -> list[bytes]:
        """Return the notifications that make a client look again at what may have changed unseen."""
        if self.initialized is None:
            return []
        lists = [
            messages.notification(f"notifications/{name}/list_changed")
            for name in LISTS
            if isinstance(said := self.told.capabilities.get(name), dict) and said.get("listChanged") is True
        ]
        updated = [
            messages.notification("notifications/resources/updated", {"uri": msgspec.Raw(uri)})
            for uri in self._subscribed
        ]
        return lists + updated
