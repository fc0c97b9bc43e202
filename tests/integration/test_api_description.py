"""The control API's own description is true: whatever is generated from it is answered in a way that it has."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
import uvicorn
from control_story import DECLARED, StoryControl, StoryPlane
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PATIENCE = 60.0
"""Seconds that starting or ending the server may take."""
BRIEF = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


KEYS = st.sampled_from(["", *(declared.key for declared in DECLARED)])
"""Flags there are, and none."""


class Served(threading.Thread):
    """The real app over flags in memory and verbs that only note, on a port of this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.started = threading.Event()
        self.server: uvicorn.Server | None = None
        self._folder = folder

    def run(self) -> None:
        """Serve until told to end."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        control = StoryControl(self._folder)
        await control.flags.start()
        plane = StoryPlane(control)
        plane.closing.end()  # a stream that never ends has no whole answer to look at
        self.server = uvicorn.Server(uvicorn.Config(plane.app, log_config=None, lifespan="off", ws="none"))
        self.started.set()
        async with control.engine.running():
            await self.server.serve(sockets=[self.socket])
        await plane.client.aclose()
        await control.flags.close()

    def end(self) -> None:
        """End it."""
        assert self.server is not None
        self.server.should_exit = True
        self.join(PATIENCE)
        assert not self.is_alive()


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """What the app says of itself, and the app behind it."""
    served = Served(tmp_path_factory.mktemp("described"))
    served.start()
    assert served.started.wait(PATIENCE)
    yield schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    served.end()


def about(case: schemathesis.Case, key: str) -> None:
    """Have a request be about a flag there is: one with a name by chance never is."""
    if key and "key" in case.path_parameters:
        case.path_parameters["key"] = key
    if key and isinstance(case.body, dict):
        for member in ("values", "texts"):
            if isinstance(case.body.get(member), dict):
                case.body[member] = {key: value for value in case.body[member].values()}  # noqa: B035 - one is enough


@pytest.mark.requirement("FLAG-57")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
def test_whatever_is_generated_from_the_description_is_answered_as_it_says(
    schema: schemathesis.BaseSchema, mode: GenerationMode
) -> None:
    seen = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @BRIEF
        @given(case=operation.as_strategy(generation_mode=mode), key=KEYS)
        def answered(case: schemathesis.Case, key: str) -> None:
            about(case, key)
            case.call_and_validate(checks=CHECKS, timeout=PATIENCE)

        try:
            answered()
        except Unsatisfiable:
            continue  # there is nothing wrong that could be sent to an operation without parameters
        seen.add(operation.label)
    assert "POST /v1/flags" in seen
    assert "POST /ofrep/v1/evaluate/flags" in seen
