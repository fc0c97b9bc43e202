"""Keys that are always the canary's, and keys that began before it was there: who serves their calls, and as what.

Above: nothing.  Below: the whole tool plane in memory.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from plane_story import STATELESS, VERSION, Peer, Plane, tools

from orchestrator.domain.evidence.samples import Pair, Sample
from orchestrator.domain.routing import Lane, RoutingTable, chance
from orchestrator.proxy.attributes import LONGEST

pytestmark = pytest.mark.requirement("ROUTE-2")

SINCE = 1_793_491_200.0
"""2026-11-01T00:00:00Z."""
OLD, NEW = "2026-10-31T23:59:59Z", "2026-11-01T01:00:01+01:00"
NEW_ONLY: dict[str, Any] = {"weight": 100, "new_by": "created", "new_since": SINCE}


class Kept:
    """A sink."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)

    def pair(self, pair: Pair) -> None:
        raise AssertionError(pair)


class Story:
    """Two generations and one client."""

    def __init__(self, *, era: Any = None, canary_tools: tuple[str, ...] = ("do",), **lanes: Any) -> None:
        self.plane = Plane()
        self.kept = Kept()
        self.plane.dispatcher.sampling.attach(self.kept, 0.0)
        self.lanes = {"active": 1, "canary": 2, "salt": "s", **lanes}
        self.plane.table(**self.lanes)
        more = {} if era is None else {"era": era}
        self.old = self.plane.worker(1, tools=tools("do"), **more)
        self.new = self.plane.worker(2, tools=tools(*canary_tools), **more)
        self.client = self.plane.client(greeted=era is None)

    def served(self, key: str = "", attributes: Any = None, client: Peer | None = None, **meta: Any) -> int:
        """Return which generation serves a call."""
        meta |= {"io.switchover/key": key} if key else {}
        meta |= {} if attributes is None else {"io.switchover/attributes": attributes}
        (client or self.client).ask("tools/call", name="do", arguments={}, **({"_meta": meta} if meta else {}))
        peer = next(peer for peer in (self.old, self.new) if peer.end.in_flight)
        peer.answer(content=[])
        return int(peer.end.generation)


async def test_keys_that_are_always_the_canarys_have_it_at_weight_0_and_nobody_else_has() -> None:
    story = Story(always=("internal-*", "ann"))
    served = {key: story.served(key) for key in ("internal-7", "ann", "anna", "internal", "bob", "")}
    assert served == {"internal-7": 2, "ann": 2, "anna": 1, "internal": 1, "bob": 1, "": 1}
    story.plane.table(**story.lanes, kill_switch=True)
    assert story.served("ann") == 1


async def test_the_canary_serves_alone_again_once_no_key_is_always_its() -> None:
    story = Story(always=("ann",))
    assert story.served("ann") == 2
    story.plane.table(active=1, canary=2)
    assert story.served("ann") == 1
    assert story.old.end.tally.default == 1


async def test_new_subjects_only_are_taken_where_the_table_says_so() -> None:
    story = Story(**NEW_ONLY)
    assert story.served("mission-1", {"created": NEW}) == 2
    assert story.served("mission-1", {"created": SINCE + 1}) == 2
    assert story.served("mission-1", {"created": OLD}) == 1
    assert story.served("mission-1") == 1, "a call that says nothing is an old one's"
    assert story.served("", {"created": NEW}) == 2, "the session's own key has attributes, too"
    story.plane.table(active=1, canary=2, weight=100)
    assert story.served("mission-1", {"created": OLD}) == 2


@pytest.mark.parametrize(
    "attributes", ["no object", [1], 7, {"created": {"at": NEW}}, {"created": True}, {"created": "2026-12-01"}, {}]
)
async def test_attributes_that_cannot_be_used_refuse_nothing_and_count_as_old(attributes: Any) -> None:
    story = Story(**NEW_ONLY)
    assert story.served("mission-1", attributes) == 1


async def test_what_is_left_out_of_attributes_is_counted_once_a_call_and_the_rest_is_used() -> None:
    story = Story(**NEW_ONLY)
    reader = story.plane.dispatcher.attributes
    assert story.served("m", {"created": NEW, "tags": ["a"]}) == 2
    assert reader.rejected == 1
    assert story.served("m", {"created": NEW, "more": "x" * LONGEST}) == 1
    assert story.served("m", "nonsense") == 1
    assert story.served("m", {"created": NEW, "cohort": None}) == 2
    assert reader.rejected == 3


async def test_nobody_reads_attributes_while_the_table_does_not_ask_for_them() -> None:
    story = Story(weight=50)
    story.served("m", "nonsense")
    story.plane.table(active=1)
    story.served("m", "nonsense")
    assert story.plane.dispatcher.attributes.rejected == 0


async def test_attributes_beside_parameters_of_odd_types_are_still_read() -> None:
    story = Story(**NEW_ONLY)
    assert story.served("m", {"created": NEW}, **{"io.modelcontextprotocol/protocolVersion": 7}) == 2


async def test_both_eras_route_by_keys_and_attributes() -> None:
    story = Story(era=STATELESS, always=("ann",), **NEW_ONLY)
    assert story.served("bob", {"created": NEW}, **VERSION) == 2
    assert story.served("bob", {"created": OLD}, **VERSION) == 1
    assert story.served("ann", **VERSION) == 2


async def test_no_key_is_always_the_canarys_where_lists_differ_and_may_not_by_connection() -> None:
    story = Story(era=STATELESS, canary_tools=("do", "more"), always=("ann",))
    assert story.served("ann", **VERSION) == 1


async def test_a_replayed_call_is_routed_by_its_attributes_again() -> None:
    story = Story(**NEW_ONLY)
    look = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
    story.plane.dispatcher.detach(story.new.end, "it died")
    canary = story.plane.worker(2, tools=[look])
    story.client.ask("tools/call", name="look", _meta={"io.switchover/attributes": {"created": NEW}})
    story.plane.dispatcher.detach(canary.end, "it died")
    again = story.plane.worker(2, tools=[look])
    assert json.dumps(again.heard()[-1]["params"]).count(NEW) == 1


async def test_only_keys_that_were_drawn_count_as_drawn() -> None:
    story = Story(always=("ann",), **{**NEW_ONLY, "weight": 50})
    for key, attributes in (("ann", None), ("old", {"created": OLD}), ("k", {"created": NEW})):
        story.served(key, attributes)
    told = [(one.key, one.treated, one.share, one.lane is Lane.CANARY) for one in story.kept.samples]
    assert told[:2] == [("ann", True, 1.0, True), ("old", False, 0.0, False)]
    assert told[2][2] == 0.5
    assert told[2][1] is told[2][3]


@pytest.mark.parametrize(
    ("lanes", "expected"),
    [
        ({"weight": 25}, 0.25),
        ({"weight": 100}, None),
        ({"weight": 0}, None),
        ({"weight": 25, "kill_switch": True}, None),
        ({"weight": 25, "canary": None}, None),
        ({"weight": 0, "always": ("ann",)}, 0.0),
        ({"weight": 0, "always": ("k*",)}, 1.0),
        ({"weight": 100, "always": ("k*",)}, None),
        (NEW_ONLY, 0.0),
        ({**NEW_ONLY, "weight": 0}, None),
    ],
)
def test_the_chance_of_a_key_is_what_the_table_gives_it(lanes: dict[str, Any], expected: float | None) -> None:
    assert chance(RoutingTable(**{"active": 1, "canary": 2, **lanes}), "key") == expected
