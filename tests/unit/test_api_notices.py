"""The notices' routes: what could not be told is listed with why, and is told again when somebody asks."""

from __future__ import annotations

from pathlib import Path

import pytest
from control_story import StoryPlane, control_plane
from structlog.testing import capture_logs

NOTICES = "/v1/notices"


async def given_up(plane: StoryPlane, *flags: str) -> None:
    """Have a notice of each flag given up."""
    store = plane.control.store
    for flag in flags:
        await store.outbox_add(flag, {"event": "flag.changed"}, ["webhook:a:1"], 1.0)
        (seq,) = [one.seq for one in await store.outbox_page(1)]
        await store.outbox_mark(seq, "failed", attempts=3, due=2.0, error="answered 400")


@pytest.mark.requirement("FLAG-74")
async def test_what_was_given_up_is_listed_with_its_reason_page_by_page(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        await given_up(plane, "beta", "limit", "rate")
        status, page = await plane.ask("GET", f"{NOTICES}?state=failed&limit=2")
        assert status == 200
        assert [(one["flag"], one["attempts"], one["error"]) for one in page["notices"]] == [
            ("rate", 3, "answered 400"),
            ("limit", 3, "answered 400"),
        ]
        _, rest = await plane.ask("GET", f"{NOTICES}?state=failed&limit=2&before={page['before']}")
        assert ([one["flag"] for one in rest["notices"]], rest["before"]) == (["beta"], None)
        assert await plane.ask("GET", f"{NOTICES}?state=pending") == (200, {"notices": [], "before": None})
        assert (await plane.ask("GET", f"{NOTICES}?state=lost"))[0] == 422


@pytest.mark.requirement("FLAG-74")
async def test_a_retry_rings_whoever_delivers_and_says_who_asked(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as plane:
        rung: list[int] = []
        plane.control.flags.notices.bell = lambda: rung.append(1)
        await given_up(plane, "beta", "limit")
        with capture_logs() as logs:
            status, told = await plane.ask("POST", f"{NOTICES}/retry", {"numbers": [1, 7], "reason": "mended"})
        assert (status, told["count"], rung) == (200, 1, [1])
        assert [(one["count"], one["actor"], one["reason"]) for one in logs] == [(1, "root (uid 0)", "mended")]
        assert (await plane.ask("POST", f"{NOTICES}/retry", {}))[1]["count"] == 1
        assert (await plane.ask("POST", f"{NOTICES}/retry", {}))[1]["message"] == "no notice had failed"
        assert (await plane.ask("POST", f"{NOTICES}/retry", {"numbers": [0]}))[0] == 422
