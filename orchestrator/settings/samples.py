"""The settings of what is measured: how calls are assigned, and how samples are taken and kept.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from orchestrator.settings.declare import Section, Text, Texts, seconds, setting


def _base(address: str) -> str:
    if not address.startswith(("http://", "https://")):
        raise ValueError("no http(s) address")
    return address.rstrip("/")


Address = Annotated[Text, AfterValidator(_base)]


class Routing(Section):
    """How calls are assigned while a share of them goes to a canary."""

    assign_by_call: Texts = setting(
        (),
        "Tools whose calls are assigned one by one instead of by their session, unless the call names a key; `*` is "
        "every tool.",
        reloadable=True,
        allowed="list of tools' names",
    )


class Samples(Section):
    """What calls and processes tell about the versions, and how long that is kept."""

    process_every: float = seconds(
        5.0, "Seconds between two looks at the memory and processors each worker's processes use.", least=0.1
    )
    keep_days: float = setting(14.0, "Days that samples are kept.", reloadable=True, gt=0, le=3650, allow_inf_nan=False)
    keep_rows: int = setting(
        2_000_000, "Samples kept; the oldest go first.", reloadable=True, ge=1000, le=1_000_000_000
    )
    idle_per_second: int = setting(
        200, "Samples of calls, and pairs of mirrored answers, stored a second while nothing is on trial; the rest is "
        "only counted.",
        reloadable=True, ge=0, le=5000,
    )  # fmt: skip
    prometheus_url: Address | None = setting(
        None, "Address of the Prometheus server that a plan's queries are put to.", reloadable=True,
        allowed='text such as "http://localhost:9090"',
    )  # fmt: skip
    prometheus_every: float = seconds(15.0, "Seconds between two rounds of these queries.", least=0.1)
