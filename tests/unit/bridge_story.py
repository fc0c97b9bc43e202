"""A client, a bridge and one daemon after another, told line by line, for the tests of the bridge's core."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.bridge.client_side import ClientSide
from orchestrator.bridge.conversation import Conversation
from orchestrator.bridge.daemon_side import DaemonSide

Message = dict[str, Any]

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"roots": {}},
    "clientInfo": {"name": "c", "version": "1"},
}
WELCOME = {
    "protocolVersion": "2025-11-25",
    "capabilities": {
        "tools": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "prompts": {"listChanged": False},
        "logging": {},
    },
    "serverInfo": {"name": "s", "version": "1"},
}
READ_ONLY = {"name": "look", "annotations": {"readOnlyHint": True}}
OTHER = {"name": "pay", "annotations": {"readOnlyHint": False}}

WORKER_LOST, NO_WORKER, OVERLOADED = -31010, -31011, -31013
STATELESS = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


class Story:
    """Says lines in both roles and hands over what came of them.

    Attributes:
        now: the time, moved by the test.
        last_line: the last line the daemon was sent.
    """

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.now = 100.0
        self.last_line = b""
        self._client = ClientSide(self.conversation)
        self._daemon = DaemonSide(self.conversation)

    def client_line(self, line: bytes) -> None:
        self._client.take(line, self.now)

    def daemon_line(self, line: bytes) -> None:
        self._daemon.take(line, self.now)

    def asks(self, call_id: Any, method: str, **params: Any) -> None:
        """Have the client make a request."""
        self.client_line(_line({"id": call_id, "method": method, "params": params}))

    def calls(self, call_id: Any, tool: str, **meta: Any) -> None:
        """Have the client call a tool."""
        self.asks(call_id, "tools/call", name=tool, arguments={}, **({"_meta": meta} if meta else {}))

    def tells(self, method: str, **params: Any) -> None:
        """Have the client send a notification."""
        self.client_line(_line({"method": method, **({"params": params} if params else {})}))

    def replies(self, call_id: Any, result: Any) -> None:
        """Have the client answer the daemon's request."""
        self.client_line(_line({"id": call_id, "result": result}))

    def daemon(self, **message: Any) -> None:
        """Have the daemon say something."""
        self.daemon_line(_line(message))

    def answers(self, call_id: Any, result: Any) -> None:
        """Have the daemon answer a request."""
        self.daemon(id=call_id, result=result)

    def refuses(self, call_id: Any, code: int, *, retryable: bool = False, generation: int | None = None) -> None:
        """Have the daemon answer with an error of its own."""
        data = {"reason": "because", "retryable": retryable, "generation": generation}
        self.daemon(id=call_id, error={"code": code, "message": "name: because", "data": data})

    def connect(self) -> None:
        self.conversation.connected()

    def lose(self) -> None:
        self.conversation.lost(self.now)

    def expire(self) -> None:
        self.conversation.expire(self.now)

    def told(self) -> list[Message]:
        """Return what the client has been told since the last time."""
        return _taken(self.conversation.to_client)

    def sent(self) -> list[Message]:
        """Return what the daemon has been sent since the last time."""
        self.last_line = (self.conversation.to_daemon or [self.last_line])[-1]
        return _taken(self.conversation.to_daemon)

    def opened(self) -> Story:
        """Do the handshake of a client that came first."""
        self.connect()
        self.asks(0, "initialize", **INITIALIZE)
        self.answers(0, WELCOME)
        self.tells("notifications/initialized")
        self.told(), self.sent()
        return self

    def reopened(self, *tools: Message) -> list[Message]:
        """Let a new daemon be there and answer the bridge's own questions; return what it was sent, in order."""
        self.connect()
        seen: list[Message] = []
        while new := self.sent():
            seen += new
            for message in new:
                if str(message.get("id", "")).startswith("switchover-connect-"):
                    results = {"initialize": WELCOME, "tools/list": {"tools": list(tools)}}
                    self.answers(message["id"], results.get(message["method"], {}))
        return seen


def _line(message: Message) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **message}, separators=(",", ":")).encode()


def _taken(lines: list[bytes]) -> list[Message]:
    messages = [json.loads(line) for line in lines]
    assert all(message.pop("jsonrpc") == "2.0" for message in messages)
    lines.clear()
    return messages
