"""A session whose messages are posted: each POST is one message in, and one HTTP answer out.

Above: `handshake` and `stateless`, the two kinds; `door` hands their POSTs in.  Below: `proxy.session` reads the
messages.  What the session's owner is told of a message goes by `Clerk` first, which notes what kind of message it was.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import Protocol, cast

import msgspec

from orchestrator.domain.errors import PARSE_ERROR
from orchestrator.proxy import codec
from orchestrator.proxy.batch import Batch
from orchestrator.proxy.http.ports import Connection
from orchestrator.proxy.http.refusal import BAD_REQUEST, Refusal
from orchestrator.proxy.http.request import Request
from orchestrator.proxy.session import Session, SessionOwner
from orchestrator.proxy.session_value import SessionValue


class Reply(Protocol):
    """The way back of one posted request.

    Attributes:
        client_id: its id as written, empty until it is known to be a request.
    """

    client_id: bytes

    def message(self, line: bytes) -> None:
        """Send something that belongs to the request and is not its answer."""
        ...

    def finish(self, head: bytes, rest: bytes | memoryview) -> None:
        """Send its answer, in two parts: up to the id, and from there on."""
        ...

    def lost(self, connection: Connection) -> None:
        """The client is gone."""
        ...

    def quiet(self, connection: Connection) -> None:
        """There has been no answer for a long time."""
        ...


class Post:
    """One POST while it is read.

    Attributes:
        connection: where it came from.
        request: its headers; the body is the message.
        reply: the way back if the message is a request.
        refusal: why it is not taken, None while it is.
    """

    __slots__ = ("connection", "refusal", "reply", "request")

    def __init__(self, connection: Connection, request: Request, reply: Reply) -> None:
        self.connection = connection
        self.request = request
        self.reply = reply
        self.refusal: Refusal | None = None

    def refuse(self, refusal: Refusal) -> bool:
        """Note why it is not taken; returns False for whoever asks whether it is."""
        self.refusal = refusal
        return False


class MemberReply:
    """The way back of one message of a batch: into the answer to the whole."""

    __slots__ = ("_batch", "_whole", "client_id")

    def __init__(self, whole: Reply, batch: Batch) -> None:
        """Build it; `whole` is the way back of the batch."""
        self.client_id = b""
        self._whole = whole
        self._batch = batch

    def message(self, line: bytes) -> None:
        """Send something that belongs to the request before the batch is answered."""
        self._whole.message(line)

    def finish(self, head: bytes, rest: bytes | memoryview) -> None:
        """Keep its answer for the batch's."""
        self._batch.answered((head, rest), self.client_id)

    def lost(self, connection: Connection) -> None:
        """Nothing to do: the whole is told."""

    def quiet(self, connection: Connection) -> None:
        """Nothing to do likewise."""


class PostedSession(Session):
    """What both kinds share."""

    def __init__(self, value: SessionValue, owner: SessionOwner) -> None:
        """Build a session; `owner` is a `Clerk`."""
        super().__init__(value, owner)
        self.replies: dict[bytes, Reply] = {}
        self._post: Post | None = None
        self._blocks = 0
        self._held: deque[tuple[Connection, Request]] = deque()

    # --- what the kinds decide ----------------------------------------------------------------

    @abstractmethod
    def reply_to(self, connection: Connection, request: Request) -> Reply:
        """Make the way back for a request."""

    @abstractmethod
    def admit(self, post: Post, written_id: bytes, method: str, params: codec.Params) -> bool:
        """Decide whether a request is taken; if not, `post` says why."""

    @abstractmethod
    def admit_notice(self, post: Post, message: codec.Message) -> bool:
        """Decide whether a notification is passed on; one that is not is refused only if `post` says why."""

    @abstractmethod
    def admit_answer(self, post: Post) -> bool:
        """Decide whether an answer to a server's own request is passed on; if not, `post` says why."""

    @abstractmethod
    def put_unbidden(self, line: bytes) -> None:
        """Send a message that belongs to no request."""

    # --- one POST -----------------------------------------------------------------------------

    def post(self, connection: Connection, request: Request) -> None:
        """Take a posted message and see to the answer to its POST."""
        if self._blocks:
            self._held.append((connection, request))
            return
        line, refusal = message_in(request.body)
        if refusal is not None:
            connection.refuse(refusal)
            return
        post = self._post = Post(connection, request, self.reply_to(connection, request))
        connection.holder = post.reply
        try:
            self.take(line)
        finally:
            self._post = None
        if post.reply.client_id:
            return
        connection.holder = None
        if post.refusal is None:
            connection.done(202)
        else:
            connection.refuse(post.refusal)

    def take_members(self, members: list[bytes]) -> None:
        """Take the messages of a posted batch; what they are answered with is the answer to its POST."""
        outer = self._post
        if outer is None:
            return
        batch = Batch(lambda answers: outer.reply.finish(b"", answers))
        for member in members:
            batch.expect()
            inner = self._post = Post(outer.connection, outer.request, MemberReply(outer.reply, batch))
            self.take_member(member)
            if inner.reply.client_id:
                continue  # it is a request, whose reply answers for it
            if inner.refusal is not None:
                named = inner.refusal.client_id or b"null"
                refusal = inner.refusal
                batch.add([codec.error_line(named, refusal.code, refusal.reason, refusal.data)[:-1]], named)
            batch.dropped()
        self._post = outer
        if batch.wanted:
            outer.reply.client_id = b"[]"
        batch.seal()

    def takes_request(self, written_id: bytes, method: str, params: codec.Params) -> bool:
        """Tell whether a request is to be passed on."""
        post = self._post
        if post is None or not self.admit(post, written_id, method, params):
            return False
        self.caller = post.request.caller
        post.reply.client_id = written_id
        self.replies[written_id] = post.reply
        return True

    def takes_notice(self, message: codec.Message) -> bool:
        """Tell whether a notification is to be passed on."""
        return self._post is not None and self.admit_notice(self._post, message)

    def takes_answer(self) -> bool:
        """Tell whether an answer to a server's own request is to be passed on."""
        return self._post is not None and self.admit_answer(self._post)

    # --- the proxy's side ---------------------------------------------------------------------

    def complain(self, code: int, reason: str, written: bytes = b"null") -> None:
        """Refuse the message that is being read."""
        if self._post is not None:
            named = b"" if written == b"null" else written
            self._post.refuse(Refusal(BAD_REQUEST, reason, code, client_id=named))

    def put(self, line: bytes, of: bytes | None = None) -> None:
        """Send a message on the answer to the POST it belongs to."""
        if of is None:
            if self._post is None or self._post.reply.client_id:
                self.put_unbidden(line)
            else:
                self._post.refuse(_refusal_from(line))
            return
        if codec.is_answer(line, of):
            reply = self.replies.pop(of, None)
            if reply is not None:
                cut = len(codec.PREFIX) + len(of)
                reply.finish(line[:cut], line[cut:-1])
        elif (waiting := self.replies.get(of)) is not None:
            waiting.message(line.rstrip())

    def answer(self, line: bytes, client_id: bytes) -> None:
        """Send a worker's answer under the client's own id."""
        reply = self.replies.pop(client_id, None)
        if reply is not None:
            reply.finish(*codec.answer_parts(line, client_id))

    def block(self) -> None:
        """Keep further messages back: the worker does not keep up."""
        self._blocks += 1

    def unblock(self) -> None:
        """Take what was kept back, and go on."""
        self._blocks -= 1
        while self._held and not self._blocks:
            connection, request = self._held.popleft()
            if not connection.gone:
                self.post(connection, request)


class Clerk:
    """Stands between sessions that are posted to and their owner; fits `session.SessionOwner`."""

    def __init__(self, owner: SessionOwner) -> None:
        """Build the joint; one serves all sessions."""
        self._owner = owner

    def opened(self, session: Session) -> str | None:
        """Pass it on."""
        return self._owner.opened(session)

    def requested(
        self, session: Session, written_id: bytes, method: str, params: codec.Params, tail: bytes | memoryview
    ) -> None:
        """Pass a request on if the session takes it."""
        if cast("PostedSession", session).takes_request(written_id, method, params):
            self._owner.requested(session, written_id, method, params, tail)

    def notified_by(self, session: Session, message: codec.Message) -> None:
        """Pass a notification on if the session takes it."""
        posted = cast("PostedSession", session)
        if posted.takes_notice(message):
            self._owner.notified_by(session, message)

    def replied(self, session: Session, message: codec.Message) -> None:
        """Pass an answer on if the session takes it."""
        if cast("PostedSession", session).takes_answer():
            self._owner.replied(session, message)

    def closed(self, session: Session) -> None:
        """Pass it on."""
        self._owner.closed(session)


def message_in(body: bytes) -> tuple[bytes, Refusal | None]:
    """Return a body as the one line that workers are sent, or why it is none.

    Line ends may stand between a message's tokens, and workers take them for its end; then it is written anew.
    """
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError:
            return b"", Refusal(BAD_REQUEST, "the body is not UTF-8, and so not JSON", PARSE_ERROR)
    line = body.strip()
    if b"\n" in line or b"\r" in line:
        try:
            line = msgspec.json.format(line, indent=-1)
        except (msgspec.MsgspecError, RecursionError) as error:
            return b"", Refusal(BAD_REQUEST, f"the body is not JSON: {error}", PARSE_ERROR)
    return line, None


class _Error(msgspec.Struct):
    code: int
    message: str


class _Refused(msgspec.Struct):
    error: _Error
    id: msgspec.Raw


def _refusal_from(line: bytes) -> Refusal:
    """Turn an error about the message that is being read into the answer to its POST."""
    refused = msgspec.json.decode(line, type=_Refused)
    client_id = bytes(refused.id)
    named = b"" if client_id == b"null" else client_id
    return Refusal(BAD_REQUEST, refused.error.message, refused.error.code, client_id=named)
