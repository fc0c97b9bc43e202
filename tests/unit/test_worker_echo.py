"""A program that sends back what it is sent is no worker, and is told so and not answered."""

from __future__ import annotations

import pytest
from plane_story import Plane

from orchestrator.domain.errors import METHOD_NOT_FOUND, NoServerError

pytestmark = pytest.mark.requirement("SUP-6")


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("method", ["initialize", "server/discover"])
async def test_the_daemons_own_question_coming_back_ends_the_start(method: str, *, isolated: bool) -> None:
    plane = Plane(isolated=isolated)
    client = plane.client(greeted=False)
    worker = plane.worker(1, session=client.end if isolated else None)
    worker.heard()
    question = worker.end.request(method, {})
    (asked,) = worker.heard()
    worker.say(id=asked["id"], method=method, params={})
    with pytest.raises(NoServerError, match=f"it sends back the {method} that it is sent"):
        question.result()
    assert (worker.heard(), client.heard(), plane.dispatcher.unmet) == ([], [], [])


async def test_a_worker_that_asks_under_an_id_of_its_own_is_answered() -> None:
    plane = Plane()
    worker = plane.worker(1)
    question = worker.end.request("initialize", {})
    (asked,) = worker.heard()
    for written in (7, "mine"):
        worker.say(id=written, method="initialize", params={})
        (answer,) = worker.heard()
        assert (answer["id"], answer["error"]["code"]) == (written, METHOD_NOT_FOUND)
    worker.say(id=asked["id"], result={})
    assert question.result() == {}
