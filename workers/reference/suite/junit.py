"""Reads pytest's report in JUnit's form: what came of each test.

Pure.  Above it stands `pytest_run`, below it the standard library.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["passed", "failed", "error", "skipped"]

MOST_MESSAGE: Final = 300
"""Characters of a failure's message that are told."""


class ReportError(Exception):
    """It is no report; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test.

    Attributes:
        test: what it is called: its module and class with dots, "::", its name with its parameters.
        outcome: how it ended.
        seconds: how long it took.
        message: why it failed or was skipped, the first line; empty when it passed.
    """

    test: str
    outcome: Outcome
    seconds: float
    message: str = ""


def parse(report: bytes) -> list[Result]:
    """Return what came of every test, in the order of the report.

    A test that is reported twice, as passed and with an error of its teardown, has the worse outcome.

    Raises:
        ReportError: it is not XML.
    """
    try:
        root = ET.fromstring(report)  # noqa: S314 - written by the pytest that we ran; expat bounds what entities grow to
    except ET.ParseError as error:
        raise ReportError(f"the report of the tests is no XML: {error}") from error
    results: dict[str, Result] = {}
    for case in root.iter("testcase"):
        result = _result(case)
        if result.outcome != "passed" or result.test not in results:
            results[result.test] = result
    return list(results.values())


def _result(case: ET.Element) -> Result:
    outcome: Outcome = "passed"
    message = ""
    for child in case:
        found = _OUTCOMES.get(child.tag)
        if found is not None:
            outcome, message = found, child.get("message", "")
    name = "::".join(part for part in (case.get("classname", ""), case.get("name", "")) if part)
    return Result(name, outcome, _seconds(case.get("time", "")), message.strip().partition("\n")[0][:MOST_MESSAGE])


def _seconds(text: str) -> float:
    try:
        return round(float(text), 3)
    except ValueError:
        return 0.0


_OUTCOMES: Final[dict[str, Outcome]] = {"failure": "failed", "error": "error", "skipped": "skipped"}
