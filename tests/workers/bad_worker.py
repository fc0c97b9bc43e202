"""Workers that misbehave, one habit each; between their misdeeds they serve a tool `echo` as any worker does.

    python bad_worker.py HABIT [ARGUMENT]

Above: the tests of the tool plane and of supervision.  Below: the standard library, read and written without buffers so
that a habit does exactly what its name says.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

Message = dict[str, Any]

RUBBISH = (
    b"Listening on stdio ...\n",
    b"\n",
    b"42\n",
    b'["a", "list"]\n',
    b'{"jsonrpc": "2.0"}\n',
    b'{"half": \n',
    b"\xff\xfe\x00 not UTF-8\n",
    b'{"jsonrpc": "2.0", "id": {"an": "object"}, "result": {}}\n',
    b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "parse error"}}\n',
    b'{"jsonrpc": "2.0", "method": 7}\n',
    b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": [1]}}\n',
    b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": "text"}\n',
    b'{"jsonrpc": "2.0", "method": "notifications/progress"}\n',
)


def write(data: bytes) -> None:
    """Write on stdout, all of it."""
    while data:
        data = data[os.write(1, data) :]


def say(message: Message) -> None:
    """Write one message."""
    write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def heard() -> Iterator[Message]:
    """Yield what comes on stdin until it ends."""
    rest = b""
    while chunk := os.read(0, 1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (json.loads(line) for line in lines)


def answer(message: Message) -> Message:
    """Return the right answer to a request."""
    method, params = message["method"], message.get("params", {})
    result: dict[str, Any] = {}
    if method == "initialize":
        server = {"name": "bad-worker", "version": "1"}
        version = params["protocolVersion"]
        result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": server}
    elif method == "tools/list":
        result = {"tools": [{"name": "echo", "inputSchema": {}, "annotations": {"readOnlyHint": True}}]}
    elif method == "tools/call":
        generation = int(os.environ["SWITCHOVER_GENERATION"])
        told = {**params.get("arguments", {}), "generation": generation, "pid": os.getpid()}
        result = {"content": [], "structuredContent": told}
    return {"id": message["id"], "result": result}


def serve(respond: Callable[[Message], None] | None = None) -> None:
    """Serve until stdin ends; `respond` takes the calls of tools, everything else is answered rightly."""
    for message in heard():
        if "id" not in message:
            continue
        if respond is not None and message["method"] == "tools/call":
            respond(message)
        else:
            say(answer(message))


def for_ever() -> NoReturn:
    """Live on, doing nothing."""
    while True:
        signal.pause()


def good() -> None:
    """Serve as one should."""
    serve()


def prints_rubbish() -> None:
    """Print rubbish before the first message and around each answer."""

    def respond(message: Message) -> None:
        write(b"".join(RUBBISH))
        say(answer(message))
        write(b"".join(RUBBISH))

    write(b"".join(RUBBISH))
    serve(respond)


def legacy() -> None:
    """Print banners and news before anything was asked, know no ping, and answer before the handshake as after it."""
    pings = 0
    write(b"Server v0.3 - listening on stdio\n\nUsage: see README\n")
    say({"method": "notifications/message", "params": {"level": "info", "data": "up"}})
    say({"id": 0, "result": {}})
    for message in heard():
        if message["method"] == "ping":
            pings += 1
            say({"id": message["id"], "error": {"code": -32601, "message": "Method not found"}})
        elif message["method"] == "tools/call":
            arguments = message["params"]["arguments"]
            arguments["pings"] = pings
            if not arguments.get("silent"):
                say(answer(message))
        elif "id" in message:
            say(answer(message))


def answers_unknown() -> None:
    """Answer ids it was never given, before each answer."""

    def respond(message: Message) -> None:
        for call_id in (987654321, 0, -1, 1 << 70, "never-given", "switchover-1", 1.5):
            say({"id": call_id, "result": {"forged": True}})
        say(answer(message))

    serve(respond)


def answers_twice() -> None:
    """Answer each call twice, the second time wrongly."""

    def respond(message: Message) -> None:
        say(answer(message))
        say({"id": message["id"], "result": {"structuredContent": {"second": True}}})

    serve(respond)


def answers_bare() -> None:
    """Answer each call with its argument `json` as the rest of the message, one byte a character."""

    def respond(message: Message) -> None:
        rest = message["params"]["arguments"]["json"]
        write(f'{{"jsonrpc": "2.0", "id": {message["id"]}{rest}}}\n'.encode("latin-1"))

    serve(respond)


def closes_stdout() -> None:
    """Close stdout under a call and live on."""

    def respond(_message: Message) -> None:
        os.close(1)
        for_ever()

    serve(respond)


def closes_stdout_at_once() -> None:
    """Close stdout before the handshake and live on."""
    os.close(1)
    for_ever()


def never_ready() -> None:
    """Read everything, answer nothing."""
    for _message in heard():
        pass


def dies_at_once() -> None:
    """Explain on stderr and end before the handshake is answered."""
    sys.stderr.write("reading the configuration\nno such table: missions\n")
    raise SystemExit(3)


def refuses_handshake() -> None:
    """Answer the handshake of either era with an error."""
    for message in heard():
        if "id" in message:
            say({"id": message["id"], "error": {"code": -32603, "message": "the licence has run out"}})


def overlong() -> None:
    """Answer with a line of `bytes` bytes."""

    def respond(message: Message) -> None:
        size = message["params"]["arguments"].get("bytes", 0)
        right = answer(message)
        right["result"]["structuredContent"]["text"] = "x" * size
        say(right)

    serve(respond)


def deaf() -> None:
    """After a call whose argument `deaf` is true, read nothing more until SIGUSR1."""
    listen = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: listen.set())

    def respond(message: Message) -> None:
        say(answer(message))
        if message["params"]["arguments"].get("deaf"):
            while not listen.wait(0.05):
                pass

    serve(respond)


def stubborn() -> None:
    """Ignore SIGTERM and the end of stdin."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()
    for_ever()


def breeds() -> None:
    """Start a grandchild in a session of its own that ignores every polite signal; its pid goes to a file."""
    ignoring = (
        "import os, pathlib, signal, sys\n"
        "for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1] + '.partial').write_text(str(os.getpid()))\n"
        "os.rename(sys.argv[1] + '.partial', sys.argv[1])\n"
        "while True: signal.pause()\n"
    )
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-S", "-c", ignoring, sys.argv[2]], stdin=quiet, start_new_session=True):
        serve()
        os._exit(0)


def floods_stderr() -> None:
    """Write 64 MB on stderr under each call."""

    def respond(message: Message) -> None:
        line = b"a complaint " * 80 + b"\n"
        for _ in range((64 << 20) // len(line)):
            os.write(2, line)
        say(answer(message))

    serve(respond)


def changes_its_list() -> None:
    """Say that the list of tools has changed whenever it is asked for, and count how often that is."""
    asked = 0
    for message in heard():
        if message.get("method") == "tools/list":
            asked += 1
            say({"method": "notifications/tools/list_changed"})
        if message.get("method") == "tools/call":
            message["params"]["arguments"] = {"asked": asked}
        if "id" in message:
            say(answer(message))


def asks_without_end() -> None:
    """After a call, ask the daemon for ever, without reading what it answers."""

    def respond(message: Message) -> None:
        say(answer(message))
        ask = b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % number for number in range(1000))
        while True:
            write(ask)

    serve(respond)


def slow_to_start() -> None:
    """Begin to serve only once a file exists."""
    started = Path(sys.argv[2])
    while not started.exists():
        threading.Event().wait(0.02)
    serve()


HABITS: dict[str, Callable[[], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        good, legacy, prints_rubbish,
        answers_unknown, answers_twice, answers_bare, closes_stdout, closes_stdout_at_once,
        never_ready, dies_at_once, refuses_handshake, overlong, deaf, stubborn, breeds,
        floods_stderr, changes_its_list, asks_without_end, slow_to_start,
    )
}  # fmt: skip

if __name__ == "__main__":
    HABITS[sys.argv[1]]()
