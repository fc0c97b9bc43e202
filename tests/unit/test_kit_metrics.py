"""Metrics of one call, as a worker reports them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from switchover_kit import METRICS_KEY, MetricsError, metrics

pytestmark = pytest.mark.requirement("KIT-2")


def test_the_value_stands_under_the_contract_key() -> None:
    assert metrics(tokens=812, cost=0.004, quality=91.0, rows=12) == {
        "io.switchover/metrics": {"tokens": 812, "cost": 0.004, "quality": 91.0, "rows": 12}
    }


def test_what_is_not_given_is_not_reported() -> None:
    assert metrics(tokens=0) == {METRICS_KEY: {"tokens": 0}}
    assert metrics() == {METRICS_KEY: {}}


def test_an_int_stays_an_int_on_the_wire() -> None:
    assert json.dumps(metrics(tokens=3)) == '{"io.switchover/metrics": {"tokens": 3}}'


@pytest.mark.parametrize("name", ["tokens", "cost", "quality", "rows"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_a_number_that_is_not_finite_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(MetricsError, match=f"^metric '{name}' is not a finite number; give a finite one"):
        metrics(**{name: value})


@pytest.mark.parametrize("value", ["812", True, Decimal(1), [1], object()])
def test_what_is_not_a_number_is_refused_with_its_type(value: Any) -> None:
    with pytest.raises(MetricsError, match=rf"^metric 'tokens' is .* \({type(value).__name__}\); give an int or float"):
        metrics(tokens=value)


def test_a_further_metric_may_not_be_none() -> None:
    nothing: Any = None
    with pytest.raises(MetricsError, match="metric 'rows' is None"):
        metrics(rows=nothing)
