"""The integrity suite: every tool of every candidate does what it says, and leaves whole what it must.

`make integrity` runs it with a browser and a test run for each candidate; `make test` gives these to one alone.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from candidate_changes import BY_NAME
from candidates import CANDIDATES, Forks, Speaker
from daemon import RunningDaemon
from integrity_calls import MISTAKES, PAGE, Ask, on_the_web, story
from integrity_survey import Survey, contents, store_troubles

IS_WHOLE = os.environ.get("INTEGRITY") == "whole"
"""Whether every candidate starts a browser and runs tests, which takes two seconds each."""

TASKS = {"plan", "plan_update", "plan_next", "dispatch", "report_mo", "verify", "autopilot_status"}
"""Tools that answer with tasks."""
EXPECTED = {"id-as-text": TASKS, "no-zone": TASKS}
"""Candidates that break their own output schemas, with the tools that do."""

TESTS = {
    "shop.py": "def price(net):\n    return net * 1.2\n",
    "tests/unit/test_shop.py": "from shop import price\n\ndef test_price():\n    assert price(1) > 1\n",
}
SURROUNDINGS = {"SWITCHOVER_REFERENCE_NETWORKS": "127.0.0.0/8", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


class Home(BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """The address of a page on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Home) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def tree(state: Path) -> None:
    """Put sources and a test into the work tree."""
    for name, text in TESTS.items():
        path = state / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@contextmanager
def surveyed(forks: Forks, change: str, state: Path) -> Iterator[Survey]:
    """Run a candidate and prepare its survey."""
    tree(state)
    more = {"plan": {"reviewer": "eve"}} if change == "required-argument" else None
    with forks.candidate(change, state, **SURROUNDINGS) as speaker:
        yield Survey(speaker, state, more=more, again=change == "errors")


@pytest.mark.requirement("INT-1")
@pytest.mark.parametrize("change", BY_NAME)
def test_every_tool_of_a_candidate_does_what_it_says(change: str, forks: Forks, page: str, tmp_path: Path) -> None:
    thorough = IS_WHOLE or change == "none"
    told = [*story(tests=thorough), *on_the_web(page, picture=thorough)]
    with surveyed(forks, change, tmp_path / "state") as survey:
        survey.tell(told)
        survey.mistake()
        survey.inspect()
        assert survey.tools.keys() == {ask.tool for ask in MISTAKES}, "every tool is asked"
        if thorough:
            assert survey.tools.keys() == {ask.tool for ask in told}
    wrong = EXPECTED.get(change, set())
    assert {(it.tool, it.kind) for it in survey.findings} == {(tool, "schema") for tool in wrong}, survey.findings


@pytest.mark.requirement("INT-1")
def test_the_unchanged_worker_is_as_sound_behind_the_daemon_and_a_breaking_one_is_refused(page: str) -> None:
    command = [sys.executable, str(CANDIDATES / "candidate.py"), "--change"]
    with RunningDaemon.start([*command, "none"], env=SURROUNDINGS) as daemon:
        state = daemon.state_dir / "worker"
        tree(state)
        speaker = Speaker.at(daemon.tools_socket)
        survey = Survey(speaker, state)
        survey.tell([*story(tests=False), *on_the_web(page, picture=False)])
        survey.mistake()
        survey.inspect()
        speaker.close()
        assert survey.findings == []
        status, answer = daemon.control("POST", "/v1/canary", {"command": [*command, "required-argument"]})
        assert status == HTTPStatus.CONFLICT
        assert "argument reviewer is new and required" in str(answer)


class Dishonest:
    """A worker whose tools lie."""

    def __init__(self, state: Path) -> None:
        self._database = state / "tasks.db"

    def tools(self) -> dict[str, Any]:
        hints = {"readOnlyHint": True, "idempotentHint": True}
        schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
        return {"peek": {"annotations": hints, "outputSchema": schema}}

    def call(self, *_: object) -> dict[str, Any]:
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("INSERT INTO task (id) VALUES (NULL)")
        return {"structuredContent": {"at": "2026-01-01T10:00:00"}, "content": []}


@pytest.mark.requirement("INT-1")
def test_the_survey_notices_tools_that_lie_and_a_store_that_is_not_whole(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tasks.db")) as connection, connection:
        connection.execute("CREATE TABLE task (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE dependency (task INTEGER, needs INTEGER REFERENCES task (id))")
        connection.execute("INSERT INTO dependency VALUES (1, 99)")
    survey = Survey(Dishonest(tmp_path), tmp_path)  # type: ignore[arg-type]  # it has what a survey asks for
    survey.tell([Ask("peek")])
    survey.inspect()
    kinds = [(it.tool, it.kind) for it in survey.findings]
    assert {*kinds} == {("peek", kind) for kind in ("schema", "metrics", "read-only", "idempotent")} | {
        ("store", "store")
    }
    assert store_troubles(tmp_path / "tasks.db") == ["dependency row 1: no such task"]


@pytest.mark.requirement("INT-1")
def test_the_survey_sees_what_changes_in_the_work_tree(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tasks.db")):
        before = contents(tmp_path)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "new").write_text("x")
    assert contents(tmp_path).keys() - before.keys() == {str(tmp_path / "work" / "new")}
