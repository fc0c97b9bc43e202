"""What `verify` answers: the verdict, each critic's opinion, and what came of each test.

Above it stands the `verify` tool, below it the values of `critics` and `suite` from which it is made.
"""

from __future__ import annotations

from typing import Final

from pydantic import Field

from workers.reference.critics.opinion import Critic
from workers.reference.critics.quorum import Weighed
from workers.reference.results import Result, TaskResult
from workers.reference.review import Reviewed
from workers.reference.suite.categories import Category
from workers.reference.suite.examination import Seen
from workers.reference.suite.junit import Outcome

MOST_LISTED: Final = 200
"""Tests that are listed, those that did not pass first; the others are counted."""


class TestResult(Result):
    """What came of one test."""

    __test__ = False

    test: str
    outcome: Outcome
    seconds: float
    message: str


class TestsResult(Result):
    """What a run of the tests has shown."""

    __test__ = False

    selective: bool = Field(description="Whether a selection ran.")
    selection: str = Field(description="Why all ran, or what was selected by.")
    chosen: dict[Category, int] = Field(description="How many of each category were chosen; empty when all ran.")
    left_out: int = Field(description="How many tests the source shows that were not to run.")
    passed: int
    failed: int = Field(description="Failed, or broken by an error.")
    skipped: int
    trouble: str | None = Field(description="Why the run itself is worth nothing; null when it went through.")
    results: list[TestResult] = Field(description="What did not pass first.")
    unlisted: int = Field(description="How many results are not listed.")

    @classmethod
    def of(cls, seen: Seen) -> TestsResult:
        """Show a run."""
        ordered = sorted(seen.run.results, key=lambda it: (it.outcome == "passed", it.outcome == "skipped", it.test))
        return cls(
            selective=seen.selection.selective,
            selection=seen.selection.reason,
            chosen=dict(seen.selection.chosen),
            left_out=seen.selection.left_out,
            passed=len(seen.run.passed),
            failed=len(seen.run.failed),
            skipped=sum(it.outcome == "skipped" for it in seen.run.results),
            trouble=seen.run.trouble,
            results=[
                TestResult(test=it.test, outcome=it.outcome, seconds=it.seconds, message=it.message)
                for it in ordered[:MOST_LISTED]
            ],
            unlisted=max(0, len(ordered) - MOST_LISTED),
        )


class OpinionResult(Result):
    """What one critic says, and how much that counts."""

    critic: Critic
    passed: bool | None = Field(description="Null when it abstains.")
    score: float | None = Field(description="How much is good, 0 to 1; null where that cannot be counted.")
    forecast: float | None = Field(description="How likely the work is good, given that this critic says so.")
    reputation: float = Field(description="How much it was believed, 0 to 1.")
    reasons: list[str]

    @classmethod
    def of(cls, weighed: Weighed) -> OpinionResult:
        """Show an opinion with its weight."""
        opinion = weighed.opinion
        return cls(
            critic=opinion.critic,
            passed=opinion.passed,
            score=None if opinion.score is None else round(opinion.score, 4),
            forecast=None if weighed.forecast is None else round(weighed.forecast, 4),
            reputation=round(weighed.reputation, 4),
            reasons=list(opinion.reasons),
        )


class Verified(Result):
    """Answer of `verify`."""

    task: TaskResult
    verdict: Reviewed
    support: float = Field(description="The critics' weighted forecasts that the work is good, 0 to 1.")
    passed: int = Field(description="How many pieces of the latest attempt's evidence passed.")
    total: int = Field(description="How many there are.")
    reasons: list[str] = Field(description="What stands against the work.")
    critics: list[OpinionResult]
    tests: TestsResult | None = Field(description="What the test run showed; null when none was asked for.")
