"""Crash back-off and the crash-loop verdict, as a pure machine.

Time is monotonic seconds, passed in.  Three rules keep it honest: a death before `stable_after` seconds of readiness
lengthens the streak whatever its spacing (so slow flapping is caught, too); stable time clears the streak (so the
verdict never blocks its own clearing); only deaths nobody asked for are reported here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how fast a worker is started again.

    Attributes:
        initial: seconds before the first restart of a streak.
        factor: each further delay of the streak is this many times the one before.
        cap: longest delay, seconds, before jitter.
        jitter: a delay is spread by up to this fraction up or down.
        intensity: more deaths than this, in one streak or within `period`, are a crash loop.
        period: seconds that the second count looks back.
        stable_after: seconds of readiness after which a streak is forgotten.
    """

    initial: float = 0.1
    factor: float = 2.0
    cap: float = 30.0
    jitter: float = 0.2
    intensity: int = 5
    period: float = 60.0
    stable_after: float = 30.0


@dataclass(frozen=True, slots=True)
class Health:
    """What is remembered of one worker's deaths.

    Attributes:
        streak: deaths since it was last stable.
        deaths: monotonic times of the deaths within the last `period` seconds, oldest first.
        ready_since: when the present process became ready; None while there is none.
    """

    streak: int = 0
    deaths: tuple[float, ...] = ()
    ready_since: float | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after `delay` seconds; `loop` says that it is in a crash loop and why."""

    delay: float
    loop: str | None = None


def became_ready(health: Health, now: float) -> Health:
    """Note that the process answered its handshake."""
    return replace(health, ready_since=now)


def died(health: Health, now: float, policy: Backoff, luck: float) -> tuple[Health, Restart]:
    """Note a death that nobody asked for and say when to start again.

    Args:
        health: what was known.
        now: monotonic seconds.
        policy: the back-off.
        luck: a random number in [0, 1) for the jitter.

    Returns:
        The new health, and the restart; its `loop` is set when the crash-loop rule holds.
    """
    stable = health.ready_since is not None and now - health.ready_since >= policy.stable_after
    streak = 1 if stable else health.streak + 1
    deaths = (*(at for at in health.deaths if now - at < policy.period), now)
    exponent = min(streak - 1, 64)
    delay = min(policy.cap, policy.initial * policy.factor**exponent)
    delay *= 1 + policy.jitter * (2 * luck - 1)
    loop = None
    if streak > policy.intensity:
        loop = f"{streak} deaths in a row without {policy.stable_after:g} s of service between them"
    elif len(deaths) > policy.intensity:
        loop = f"{len(deaths)} deaths within {policy.period:g} s"
    return Health(streak, deaths, None), Restart(delay, loop)
