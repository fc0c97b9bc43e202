"""How often the guard rolls back a healthy canary, and how soon it finds a bad one, beside two usual judges.

    python bench/guard.py [--quick]

Simulated rollouts with known truth (`guard_worlds`), a look every 10 calls of the canary up to 1,000, alpha .01.  A
healthy one counts as rolled back at any look; the upper end of the 95 % binomial interval has to stay below alpha + 0.5
points.  It is the daemon's own guard that judges, and it carries out whole plans, too (`guard_plans`).
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from bench.figures import Report
from bench.guard_judges import Certifying, Fixed, Judge, Kayenta, Ours, Paired
from bench.guard_plans import rolled_back
from bench.guard_worlds import METRICS, Regression, World, calls, pairs
from orchestrator.domain.plans.limits import Limit
from orchestrator.plans.shipped import find_plan

ALPHA = 0.01
SLACK = 0.005
CALLS = 1000
LOOK = 10
ROLLOUTS = 2000
KAYENTA_ROLLOUTS = 200
"""Its cells take long and are there for comparison only."""
JUDGES: dict[str, Callable[[World, float, str], Judge]] = {"guard": Ours, "fixed": Fixed, "kayenta": Kayenta}

WORLDS = {
    "1_1": World(),
    "1_9": World(share=0.1),
    "drift": World(drift=0.6),
    "outages": World(outages=4),
    "keys": World(keys=400),
}
REGRESSIONS = {
    "error_3pct": (Regression(error_rate=0.03), "error", 44.0, 670),
    "error_6pct": (Regression(error_rate=0.06), "error", 99.0, 320),
    "latency_1.2x": (Regression(slowdown=1.2), "latency", 99.0, 290),
    "latency_1.5x": (Regression(slowdown=1.5), "latency", 99.0, 80),
    "latency_2x": (Regression(slowdown=2.0), "latency", 99.0, 40),
    "quality_-5": (Regression(quality_drop=5), "quality", 99.0, 260),
    "quality_-10": (Regression(quality_drop=10), "quality", 99.0, 110),
}
"""What is wrong, the metric it shows in, and what betting on pairs reaches: power in %, median canary calls."""

MARGINS = {
    "error_5pp": (Limit("error", margin=0.05), Regression(error_rate=0.06)),
    "quality_5": (Limit("quality", margin=5.0), Regression(quality_drop=5.0)),
    "latency_20pct": (Limit("duration", relative=0.2), Regression(slowdown=1.2)),
}
"""What is to be certified, and a version that is just as much worse: to certify that is a mistake."""

PLANS = {"default": ROLLOUTS, "quick": 500, "flag-only": 500, "planner": 200}
QUICK_PLANS = {"default": 12, "quick": 12, "planner": 8}
"""How often whole plans are carried out; the planner's judge is a threshold, as was asked for, and promises nothing."""


@dataclass(frozen=True)
class Trial:
    """What is tried: a judge in a world with something wrong, sought in a metric, under a name that seeds it."""

    judge: str
    world: World
    wrong: Regression
    name: str
    sought: str = ""


@dataclass(frozen=True)
class Cell:
    """Many rollouts of one kind; each is found at a canary call, or never, by metric."""

    found: dict[str, list[int]]
    rollouts: int

    def percent(self, metric: str) -> float:
        """Share of rollouts in which the metric called a regression."""
        return 100 * len(self.found[metric]) / self.rollouts

    def upper(self, metric: str) -> float:
        """Upper end of the 95 % interval of that share (Wilson 1927), one-sided."""
        z, n, p = 1.645, self.rollouts, len(self.found[metric]) / self.rollouts
        return 100 * (p + z * z / (2 * n) + z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (1 + z * z / n)

    def median(self, metric: str) -> float:
        """Canary calls until it was found, where it was; one more than there were when it never was."""
        return statistics.median(self.found[metric] or [CALLS + 1])


def rollout(trial: Trial, number: int) -> dict[str, int]:
    """Run one rollout until every metric, or the one sought, called a regression; return at which canary call."""
    one, found, served = JUDGES[trial.judge](trial.world, ALPHA, trial.sought), {}, 0
    for call in calls(trial.world, trial.wrong, f"{trial.name}/{number}", CALLS):
        one.take(call)
        served += call.canary
        if call.canary and served % LOOK == 0:
            for metric, regression in one.verdicts().items():
                if regression:
                    found.setdefault(metric, served)
            if trial.sought in found:
                break
    return found


def some(job: tuple[Trial, range]) -> list[dict[str, int]]:
    """Run a part of a cell."""
    trial, numbers = job
    return [rollout(trial, number) for number in numbers]


def cell(pool: ProcessPoolExecutor, trial: Trial, rollouts: int) -> Cell:
    """Run a cell on all cores."""
    step = max(1, rollouts // 16)
    jobs = [(trial, range(at, min(at + step, rollouts))) for at in range(0, rollouts, step)]
    outcomes = [one for part in pool.map(some, jobs) for one in part]
    return Cell({metric: [o[metric] for o in outcomes if metric in o] for metric in (*METRICS, "all")}, rollouts)


def healthy(report: Report, pool: ProcessPoolExecutor, rollouts: int) -> None:
    """Nothing is wrong: how often is it called a regression?"""
    target = f"<= {100 * (ALPHA + SLACK):g}" if rollouts == ROLLOUTS else None
    for name, world in WORLDS.items():
        seen = cell(pool, Trial("guard", world, Regression(), name), rollouts)
        for metric in (*METRICS, "all"):
            report.note(f"false.{name}.{metric}_pct", seen.percent(metric))
            report.note(f"false.{name}.{metric}_pct.upper", seen.upper(metric), target)
    for judge, count in (("fixed", min(rollouts, 500)), ("kayenta", min(rollouts // 4, KAYENTA_ROLLOUTS))):
        seen = cell(pool, Trial(judge, WORLDS["1_1"], Regression(), "1_1"), count)
        for metric in (*METRICS, "all"):
            report.note(f"{judge}.false.1_1.{metric}_pct", seen.percent(metric))


def regressions(report: Report, pool: ProcessPoolExecutor, rollouts: int) -> None:
    """Something is wrong: how often, and how soon, is it found?"""
    for name, (wrong, metric, power, median) in REGRESSIONS.items():
        for split in ("1_1", "1_9"):
            seen = cell(pool, Trial("guard", WORLDS[split], wrong, name, metric), rollouts)
            aimed = split == "1_1" and rollouts >= ROLLOUTS // 4
            report.note(f"power.{split}.{name}_pct", seen.percent(metric), f">= {power:g}" if aimed else None)
            report.note(f"power.{split}.{name}_calls", seen.median(metric), f"<= {median}" if aimed else None)
        for judge, count in (("fixed", min(rollouts, 200)), ("kayenta", min(rollouts // 4, 50))):
            seen = cell(pool, Trial(judge, WORLDS["1_1"], wrong, name, metric), count)
            report.note(f"{judge}.power.{name}_pct", seen.percent(metric))
            report.note(f"{judge}.power.{name}_calls", seen.median(metric))


def paired_at(job: tuple[Regression, str, str]) -> int | None:
    """Return at which mirrored call a regression is found, None when it is not."""
    wrong, metric, seed = job
    one = Paired(ALPHA, metric)
    return next((new.number + 1 for old, new in pairs(wrong, seed, CALLS) if one.take(old, new)), None)


def certified_at(job: tuple[Limit, Regression, str]) -> int | None:
    """Return after how many calls of the canary a limit is certified, None when it is not."""
    limit, wrong, seed = job
    one, served = Certifying(World(), ALPHA, limit), 0
    for call in calls(World(), wrong, seed, CALLS):
        served += call.canary
        if one.take(call):
            return served
    return None


def mirrored(report: Report, pool: ProcessPoolExecutor, rollouts: int) -> None:
    """Both versions answer the same calls."""
    target = f"<= {100 * (ALPHA + SLACK):g}" if rollouts >= ROLLOUTS // 4 else None
    for metric in ("error", "quality"):
        found = list(pool.map(paired_at, [(Regression(), metric, f"{metric}/{at}") for at in range(rollouts)]))
        seen = Cell({"it": [at for at in found if at]}, rollouts)
        report.note(f"false.paired.{metric}_pct", seen.percent("it"))
        report.note(f"false.paired.{metric}_pct.upper", seen.upper("it"), target if rollouts >= ROLLOUTS else None)
    for name in ("error_6pct", "quality_-5"):
        wrong, metric, *_ = REGRESSIONS[name]
        jobs = [(wrong, metric, f"{name}/{at}") for at in range(max(16, rollouts // 8))]
        seen = Cell({"it": [at for at in pool.map(paired_at, jobs) if at]}, len(jobs))
        report.note(f"power.paired.{name}_pct", seen.percent("it"))
        report.note(f"power.paired.{name}_calls", seen.median("it"), "<= 80" if target and name[0] == "q" else None)


def certified(report: Report, pool: ProcessPoolExecutor, rollouts: int) -> None:
    """How soon is it sure that nothing is worse by more than a margin, and how often where it just is?"""
    for name, (limit, wrong) in MARGINS.items():
        for what, case in (("", Regression()), (".false", wrong)):
            found = list(pool.map(certified_at, [(limit, case, f"{name}/{at}") for at in range(rollouts)]))
            seen = Cell({"it": [at for at in found if at]}, rollouts)
            report.note(f"certified{what}.{name}_pct", seen.percent("it"))
            if not what:
                report.note(f"certified.{name}_calls", seen.median("it"))


def plans(report: Report, pool: ProcessPoolExecutor, rollouts: dict[str, int]) -> None:
    """Whole plans with nothing wrong: how often is one rolled back anywhere?"""
    for name, count in rollouts.items():
        found = list(pool.map(of_plan, [(name, at) for at in range(count)], chunksize=max(1, count // 32)))
        seen = Cell({"all": [1 for one in found if one]}, count)
        promised = name != "planner" and count == ROLLOUTS
        report.note(f"plan.{name}.false_pct", seen.percent("all"))
        report.note(
            f"plan.{name}.false_pct.upper", seen.upper("all"), f"<= {100 * (ALPHA + SLACK):g}" if promised else None
        )
        for cause in sorted({one.split(" against")[0].split(" where")[0] for one in found if one})[:3]:
            print(f"  {name}: {cause}")


def of_plan(job: tuple[str, int]) -> str:
    """Carry out one plan that ships."""
    name, number = job
    return rolled_back(find_plan(name).plan, f"{name}/{number}")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rollouts a cell: at most 45 s, rough")
    quick = parser.parse_args().quick
    report = Report("guard", quick)
    with ProcessPoolExecutor() as pool:
        healthy(report, pool, 16 if quick else ROLLOUTS)
        regressions(report, pool, 8 if quick else ROLLOUTS // 4)
        mirrored(report, pool, 32 if quick else ROLLOUTS)
        certified(report, pool, 16 if quick else ROLLOUTS // 8)
        plans(report, pool, QUICK_PLANS if quick else PLANS)
    report.print()


if __name__ == "__main__":
    main()
