"""The decisions that a flag can come to, each made once when the flag is compiled, with its sentence for people.

Above it stands `targeting`, below it the checked flag.  The reason tells an OpenFeature client what it may keep: STATIC
is the same for everybody; a value that nobody's targeting chose is no longer STATIC once there was something to ask.
"""

from __future__ import annotations

from typing import Any

from switchover_kit.decision import Decision, Reason
from switchover_kit.document import Flag
from switchover_kit.flag_parts import Prerequisite, Rule
from switchover_kit.values import shown


def missing(key: str) -> Decision:
    """Return the decision of a flag that there is not."""
    return Decision(None, "missing", "UNKNOWN", f"There is no flag {key}.")


def invalid(safe: Any, why: str) -> Decision:
    """Return the decision of a flag that cannot be used."""
    answer = "nothing" if safe is None else f"its safe value {shown(safe)}"
    return Decision(safe, "invalid", "UNKNOWN", f"The flag is invalid ({why}), so it answers {answer}.")


def disabled(flag: Flag, kill_switch: str) -> Decision:
    """Return the decision of a flag while the kill switch is on."""
    return Decision(
        flag.safe, "disable_new", "DISABLED", f"{kill_switch} is on, so every other flag answers its safe value."
    )


def from_environment(value: Any) -> Decision:
    """Return the decision of a flag that this process's environment forces."""
    return Decision(value, "environment", "STATIC", f"The environment of this process forces {shown(value)}.")


def listed(flag: Flag) -> dict[str, Decision]:
    """Return the decision for each key of a flag's deny list, allow list and forced values, the first of them first."""
    targeting = flag.targeting
    forced = {
        key: Decision(value, "forced", "TARGETING_MATCH", f"The value {shown(value)} is forced for this key.")
        for key, value in targeting.forced.items()
    }
    allowed = dict.fromkeys(targeting.allow, _allowed(next(iter(targeting.allow.values()), None)))
    denied = Decision(flag.safe, "deny", "TARGETING_MATCH", "The key is on the deny list, so it gets the safe value.")
    return {**forced, **allowed, **dict.fromkeys(targeting.deny, denied)}


def unmet(flag: Flag, needed: Prerequisite) -> Decision:
    """Return the decision of a flag for a subject for which a prerequisite does not hold."""
    wanted = " or ".join(map(shown, needed.values))
    detail = f"It needs {needed.flag} to be {wanted}, which it is not here, so it answers its safe value."
    return Decision(flag.safe, "prerequisite", "DISABLED", detail)


def by_rule(rule: Rule) -> Decision:
    """Return the decision of a rule that holds."""
    if rule.percent is None:
        return Decision(rule.value, "rule", "TARGETING_MATCH", f"Rule {shown(rule.name)} holds.")
    detail = f"Rule {shown(rule.name)} holds, and the key is within its {rule.percent:g} %."
    return Decision(rule.value, "rule", "SPLIT", detail)


def within(value: Any, percent: float) -> Decision:
    """Return the decision for a key that a percentage takes."""
    return Decision(value, "percentage", "SPLIT", f"The key is within the {percent:g} %.")


def by_default(flag: Flag) -> Decision:
    """Return the decision that is left when nothing else decides."""
    targeting = flag.targeting
    reason: Reason = "TARGETING_MATCH"
    if targeting.percentage is not None:
        reason = "SPLIT"
        why = f"Nothing else applies, and the key is not within the {targeting.percentage.percent:g} %"
    elif targeting.rules or has_lists(flag):
        why = "Nothing of its targeting applies"
    elif flag.prerequisites:
        why = "Its prerequisites hold, and it has no targeting"
    else:
        reason, why = "STATIC", "It has no targeting"
    return Decision(flag.value, "default", reason, f"{why}, so it answers its own value.")


def keyless(flag: Flag) -> Decision:
    """Return the decision that is left for a subject without a key."""
    targeting = flag.targeting
    if not (has_lists(flag) or targeting.percentage or any(rule.percent is not None for rule in targeting.rules)):
        return by_default(flag)
    why = "There is no subject key, so lists and percentages cannot apply, and nothing else does"
    return Decision(flag.value, "default", "TARGETING_MATCH", f"{why}: it answers its own value.")


def has_lists(flag: Flag) -> bool:
    """Return whether a flag names subject keys one by one."""
    targeting = flag.targeting
    return bool(targeting.deny or targeting.allow or targeting.forced)


def _allowed(value: Any) -> Decision:
    return Decision(value, "allow", "TARGETING_MATCH", f"The key is on the allow list, so it gets {shown(value)}.")
