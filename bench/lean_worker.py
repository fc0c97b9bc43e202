"""An MCP worker that is no bottleneck: what stands behind everything that is measured here.

Above it stand the daemon, the references and, for the direct rows, the load itself.  It serves one tool, `echo`, by
moving bytes: system calls on large chunks, one pattern over all the lines of a chunk, no JSON parser on the way of a
call.  Start it with `python -S -I`: it imports the standard library alone, and only what the first line needs.

    lean_worker.py               serve standard input and output
    lean_worker.py --unix PATH   serve every connection to a Unix socket (for byte relays, and for many clients)

Arguments of `echo`: `text` comes back; with `delay_ms` after it the answer comes that many milliseconds later, and
names the generation of the process (`_meta["bench/generation"]`), so that a load can tell who answered.
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time

TYPE_CHECKING = False  # typing itself is not imported: it would double the start
if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 16
"""Bytes a client's buffer begins with."""
LONG = 1 << 16
"""Bytes from which on lines are answered one by one, without a copy."""
SHORT = 1000
"""Bytes up to which one pattern over many lines is quicker than a search in each."""
BACKSLASH = 92

TOOLS = (
    b'{"tools":[{"name":"echo","description":"Give the text back.","inputSchema":{"type":"object","properties":'
    b'{"text":{"type":"string"},"delay_ms":{"type":"integer"}},"required":["text"]},'
    b'"annotations":{"readOnlyHint":true}}]}'
)
INFO = b'{"protocolVersion":"%b","capabilities":{"tools":{}},"serverInfo":{"name":"lean-worker","version":"1"}}'
ANSWER = b'{"jsonrpc":"2.0","id":%b,"result":%b}\n'
FAILURE = b'{"jsonrpc":"2.0","id":%b,"error":{"code":%d,"message":"%b"}}\n'
HEAD = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[{"type":"text","text":"'
TAIL = b'"}]}}\n'
STAMPED_TAIL = b'"}],"_meta":{"bench/generation":"%b"}}}\n'
CALL = (
    rb'\{"jsonrpc":"2\.0","id":([^,]+),"method":"tools/call",'
    rb'"params":\{"name":"echo","arguments":\{"text":"([^"]*)"\}\}\}\n'
)
ECHO = HEAD + b"%b" + TAIL


class Peer:
    """One client: where its bytes come from and go to, and a buffer for what is not a whole line yet.

    Attributes:
        buffer: what was read, from its start; it grows with the longest line and is used again and again, because
            fresh memory for every megabyte costs more than moving it.
        filled: bytes of `buffer` that hold something.
    """

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.sink = sink
        self.buffer = bytearray(CHUNK)
        self.filled = 0

    def read(self) -> int:
        """Read once and return where the last whole line ends: 0 when none has ended, -1 when the client has gone."""
        if len(self.buffer) - self.filled < CHUNK // 2:
            self.buffer += bytes(len(self.buffer))
        try:
            count = os.readv(self.source, [memoryview(self.buffer)[self.filled :]])
        except ConnectionResetError:
            return -1
        self.filled += count
        return self.buffer.rfind(b"\n", self.filled - count, self.filled) + 1 if count else -1

    def forget(self, end: int) -> None:
        """Drop what stands before `end`."""
        self.buffer[: self.filled - end] = memoryview(self.buffer)[end : self.filled]
        self.filled -= end

    def send(self, data: bytes) -> None:
        """Write all of `data`; a client that is gone wants none of it."""
        try:
            sent = os.write(self.sink, data)
            while sent < len(data):
                sent += os.write(self.sink, memoryview(data)[sent:])
        except OSError:
            self.sink = -1

    def send_parts(self, head: bytes, text: memoryview, tail: bytes) -> None:
        """Write three parts as one, without putting them together first."""
        try:
            sent = os.writev(self.sink, (head, text, tail)) - len(head)
            while sent < len(text):
                sent += os.writev(self.sink, (text[sent:], tail))
        except OSError:
            self.sink = -1
            return
        if sent < len(text) + len(tail):
            self.send(tail[sent - len(text) :])


class Worker:
    """Answers whole lines; keeps the answers that are due later."""

    def __init__(self) -> None:
        self.due: list[tuple[float, int, Peer, bytes]] = []
        self.order = 0
        self.generation = os.environ.get("SWITCHOVER_GENERATION", "").encode()
        self.find_calls: Callable[[bytes], list[tuple[bytes, bytes]]] = self._compile

    def _compile(self, data: bytes) -> list[tuple[bytes, bytes]]:
        import re  # noqa: PLC0415  the first call pays for it, so that the start does not

        self.find_calls = re.compile(CALL).findall
        return self.find_calls(data)

    def serve(self, peer: Peer) -> bool:
        """Read once and answer every line that has become whole; return whether the client is still there."""
        end = peer.read()
        if end > 0:
            if end > LONG and peer.buffer.find(b"\n", 0, LONG) < 0:
                self.serve_long(peer, end)
            else:
                self.serve_short(peer, bytes(memoryview(peer.buffer)[:end]))
            peer.forget(end)
        return end >= 0

    def serve_short(self, peer: Peer, data: bytes) -> None:
        """Answer whole lines in one write."""
        calls = self.find_calls(data) if data.find(b"\n") < SHORT else []
        if calls and len(calls) == data.count(b"\n"):
            peer.send(b"".join([ECHO % call for call in calls]))
            return
        answers = [self.answer(peer, line) for line in data.split(b"\n") if line]
        if answers := [answer for answer in answers if answer]:
            peer.send(b"".join(answers))

    def serve_long(self, peer: Peer, end: int) -> None:
        """Answer the lines before `end` one by one, a long call straight from the buffer that it was read into."""
        start = 0
        while start < end:
            stop = peer.buffer.index(b"\n", start) + 1
            text = peer.buffer.find(b'"text":"', start, stop) + 8
            close = peer.buffer.find(b'"', text, stop)
            ident = field(bytes(peer.buffer[start : start + 100]), b'"id":')
            if stop - start < LONG or not ident or peer.buffer[close : close + 4] != b'"}}}':
                self.serve_short(peer, bytes(peer.buffer[start:stop]))
            else:
                peer.send_parts(HEAD % ident, memoryview(peer.buffer)[text:close], TAIL)
            start = stop

    def answer(self, peer: Peer, line: bytes) -> bytes:
        """Return the answer to one line, nothing when it wants none or wants it later."""
        ident = field(line, b'"id":')
        if b'"method":"tools/call"' in line:
            return self.call(peer, ident, line)
        if not ident or b'"method":' not in line:
            return b""
        method = field(line, b'"method":').strip(b'"')
        if method == b"initialize":
            return ANSWER % (ident, INFO % field(line, b'"protocolVersion":').strip(b'"'))
        if method == b"tools/list":
            return ANSWER % (ident, TOOLS)
        if method == b"ping":
            return ANSWER % (ident, b"{}")
        return FAILURE % (ident, -32601, b"this worker serves initialize, ping, tools/list and tools/call")

    def call(self, peer: Peer, ident: bytes, line: bytes) -> bytes:
        """Return the answer to a tool call, nothing when it is due later."""
        start = line.find(b'"text":"') + 8
        end = string_end(line, start)
        if start < 8 or end < 0:
            return FAILURE % (ident, -32602, b"echo wants a string named text")
        delay = line.find(b'"delay_ms":', end, end + 20)
        if delay < 0:
            return b"".join((HEAD % ident, line[start:end], TAIL))
        milliseconds = int(field(line[delay:], b'"delay_ms":'))
        answer = b"".join((HEAD % ident, line[start:end], STAMPED_TAIL % self.generation))
        if not milliseconds:
            return answer
        self.order += 1
        heapq.heappush(self.due, (time.monotonic() + milliseconds / 1000, self.order, peer, answer))
        return b""

    def send_due(self) -> None:
        """Send the answers whose time has come."""
        now = time.monotonic()
        ready: dict[Peer, list[bytes]] = {}
        while self.due and self.due[0][0] <= now:
            _, _, peer, answer = heapq.heappop(self.due)
            ready.setdefault(peer, []).append(answer)
        for peer, answers in ready.items():
            peer.send(b"".join(answers))

    def wait(self) -> float | None:
        """Return the seconds until the next answer is due, None when none is."""
        return max(0.0, self.due[0][0] - time.monotonic()) if self.due else None


def string_end(line: bytes, start: int) -> int:
    """Return where the JSON string whose first character is at `start` has its closing quote, -1 when it has none."""
    end = line.find(b'"', start)
    while end > 0 and line[end - 1] == BACKSLASH:
        before = line[start:end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:
            break
        end = line.find(b'"', end + 1)
    return end


def field(line: bytes, key: bytes) -> bytes:
    """Return the bytes of the number or string behind `key`, nothing when the key is not there."""
    start = line.find(key)
    if start < 0:
        return b""
    start += len(key)
    ends = [end for end in (line.find(b",", start, start + 200), line.find(b"}", start, start + 200)) if end > 0]
    return line[start : min(ends)].strip() if ends else b""


def serve_pipes(worker: Worker) -> None:
    """Serve standard input until it ends."""
    peer = Peer(0, 1)
    while True:
        if worker.due and not select.select([0], [], [], worker.wait())[0]:
            worker.send_due()
            continue
        if not worker.serve(peer):
            return
        if worker.due:
            worker.send_due()


def serve_socket(worker: Worker, path: str) -> None:
    """Serve every connection to the Unix socket `path` until the process is ended."""
    import socket  # noqa: PLC0415  pipes do without it

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(256)
    poll = select.epoll()
    poll.register(listener.fileno(), select.EPOLLIN)
    peers: dict[int, Peer] = {}
    while True:
        for source, _ in poll.poll(worker.wait()):
            if source == listener.fileno():
                client = listener.accept()[0].detach()
                peers[client] = Peer(client, client)
                poll.register(client, select.EPOLLIN)
            elif not worker.serve(peers[source]):
                peers.pop(source).sink = -1
                os.close(source)
        worker.send_due()


def main() -> None:
    """Serve pipes or a socket, as the command line says."""
    worker = Worker()
    if sys.argv[1:2] == ["--unix"]:
        serve_socket(worker, sys.argv[2])
    else:
        serve_pipes(worker)


if __name__ == "__main__":
    main()
