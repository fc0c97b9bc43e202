"""How long, and how often in a row, a limit was found exceeded: a plan may want that confirmed before it counts.

Above: `limit_judge`.  Below: the plan's policy.
"""

from __future__ import annotations

import msgspec

from orchestrator.domain.plans.fields import lasting
from orchestrator.domain.plans.limits import Policy


class Breach(msgspec.Struct, frozen=True):
    """A limit that is found exceeded, look after look.

    Attributes:
        since: the first of these looks, Unix seconds.
        looks: how many there were; 0 when it is not.
    """

    since: float = 0.0
    looks: int = 0

    def after(self, now: float, *, exceeded: bool, news: bool) -> Breach:
        """Return what it is after one more look; one at the same samples confirms nothing.

        Args:
            now: Unix seconds.
            exceeded: whether it finds the limit exceeded.
            news: whether there are samples that the look before had not.
        """
        if not exceeded:
            return Breach()
        if self.looks and not news:
            return self
        return Breach(self.since if self.looks else now, self.looks + 1)

    def counts(self, policy: Policy, now: float) -> bool:
        """Tell whether it has been held and confirmed as the policy wants it."""
        return bool(self.looks) and self.looks >= policy.confirm_looks and now - self.since >= policy.breach_held

    def waiting(self, policy: Policy, now: float) -> str:
        """Return in words what it waits for, "" when it waits for nothing."""
        if not self.looks or self.counts(policy, now):
            return ""
        looks = f"seen in {self.looks} of {policy.confirm_looks} looks" if self.looks < policy.confirm_looks else ""
        left = policy.breach_held - (now - self.since)
        held = f"held for {lasting(left)} more it counts" if left > 0.0 else ""
        return "; ".join(part for part in (looks, held) if part)

    def proven(self, policy: Policy, now: float) -> str:
        """Return in words by what a breach that counts was held and confirmed, "" where the policy wants neither."""
        times = f"confirmed by {self.looks} looks" if policy.confirm_looks > 1 else ""
        held = f"held for {lasting(now - self.since)}" if policy.breach_held > 0.0 else ""
        return "; ".join(part for part in (times, held) if part)


def is_immediate(policy: Policy) -> bool:
    """Tell whether the first look that finds a limit exceeded decides."""
    return policy.confirm_looks <= 1 and policy.breach_held <= 0.0
