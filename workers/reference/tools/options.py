"""Picks how tasks are executed: loads what the choice is made from, and shows what was picked.

Above it stand `tasks` and `outlook`, below it `choice`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.reference.choice.engine import Choice, Engine, Preference, choose_multi, choose_single
from workers.reference.choice.forecast import Limits, Record, forecast
from workers.reference.choice.front import library
from workers.reference.choice.profiles import Profile, load
from workers.reference.choice.resources import Resources, available
from workers.reference.modes import Modes
from workers.reference.results import OptionResult
from workers.reference.tasks import Task


@dataclass(frozen=True, slots=True)
class Chooser:
    """Picks for as many tasks as one call has, all by the same profiles and the same look at the machine.

    Attributes:
        engine: how it picks.
        profiles: the ways there are, by name.
        left: what the machine has left; None when the engine does not ask.
        limits: what the caller allows.
        preference: what matters most to the caller.
    """

    engine: Engine
    profiles: Mapping[str, Profile]
    left: Resources | None
    limits: Limits
    preference: Preference

    def pick(self, task: Task, records: Mapping[str, Record]) -> Choice:
        """Pick how a task is executed."""
        options = forecast(task, self.profiles, records, self.left)
        choose = choose_multi if self.engine is Engine.MULTI else choose_single
        return choose(options, self.limits, self.preference)

    def show(self, choice: Choice) -> OptionResult:
        """Show what was picked."""
        option = choice.option
        profile = self.profiles[option.profile]
        return OptionResult(
            profile=option.profile,
            provider=profile.provider,
            model=profile.model,
            cost=round(option.cost, 6),
            minutes=round(option.minutes, 2),
            quality=round(option.quality, 2),
            engine=choice.engine,
            front=list(choice.front),
            reason=choice.reason,
        )


class Options:
    """Makes a chooser for each call, so that flags, profiles and machine are as they are at that moment."""

    def __init__(self, state_dir: Path, modes: Modes) -> None:
        self._state_dir = state_dir
        self._modes = modes

    def chooser(self, limits: Limits | None = None, preference: Preference = Preference.BALANCED) -> Chooser:
        """Return what picks during one call.

        Raises:
            ProfileError: the operator's profiles cannot be used.
        """
        engine = self._modes.engine
        left = None
        if engine is Engine.MULTI:
            library()  # loaded here and not under the store's write lock
            left = available()
        return Chooser(engine, load(self._state_dir), left, limits or Limits(), preference)
