"""What a flag answers for a subject: the evaluator, one and the same in every worker and in the daemon.

Above it stand the readers (`flags`, the daemon's flags room); below it the checks of the document, the steps and their
answers.  The order is always this: DISABLE_NEW, deny list, allow list, forced value, prerequisites, rules, percentage,
the flag's own value.  A value that this process's environment forces comes after DISABLE_NEW and before all else.  A
decision is a pure function of the document, the subject and the time.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cached_property
from typing import Any

from switchover_kit import answers
from switchover_kit.bucket import bucket
from switchover_kit.conditions import Holds
from switchover_kit.decision import Decide, Decision
from switchover_kit.document import DocumentError, Flag, flag, is_on, safe_value
from switchover_kit.flag_parts import Prerequisite, Rule
from switchover_kit.prerequisites import trouble
from switchover_kit.steps import Needed, constant, divided, ended, entrance, needing, part, ruled, together
from switchover_kit.values import AnyOf, ValueRefusedError, any_of, shown, typed


def compile_flag(
    key: str, doc: object, others: Mapping[str, Any], environment: Mapping[str, Any] | None = None
) -> Decide:
    """Compile one flag of a document; where many are wanted, `Deciders` compiles what they share only once.

    Args:
        key: the flag.
        doc: the flag as the document has it.
        others: the document's flags, this one among them or not.
        environment: the values that this process's environment forces, by flag.

    Returns:
        `decide(subject_key, attributes, now) -> Decision`.
    """
    return Deciders(others if others.get(key) is doc else {**others, key: doc}, environment)[key]


class Deciders(dict[str, Decide]):
    """The evaluation of each flag of one document by its key, compiled when it is first asked for.

    An unknown key has one, too: it decides "missing", without a value.
    """

    def __init__(self, flags: Mapping[str, Any], environment: Mapping[str, Any] | None = None) -> None:
        """Compile nothing yet.

        Args:
            flags: a document's flags.
            environment: the values that this process's environment forces, by flag; one that its flag may not have is
                passed over, and so is any for a kill switch that is on.
        """
        super().__init__()
        self._raw = flags
        self._environment = environment or {}
        self._checked: dict[str, Flag | str] = {}
        self._constant: dict[str, Decision] = {}

    @cached_property
    def _kill_switch(self) -> str | None:
        """The kill switch that is on, None for none; looked for only when the first flag is asked for."""
        return next((key for key in self._raw if self._is_on(key)), None)

    def __missing__(self, key: str) -> Decide:
        if key not in self._raw:  # not kept: who asks for ever new keys must not fill the memory
            return constant(answers.missing(key))
        decide = self[key] = self._compiled(key)
        return decide

    def explain(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None, now: float) -> Decision:
        """Decide, and say the subject's bucket as well where a percentage was asked."""
        decision = self[key](subject_key, attributes, now)
        known = self._flag(key)
        if isinstance(known, str) or not subject_key or decision.step not in {"rule", "percentage", "default"}:
            return decision
        targeting = known.targeting
        if targeting.percentage is None and all(rule.percent is None for rule in targeting.rules):
            return decision
        own = bucket(subject_key, known.salt, known.hash_version)
        return decision._replace(detail=f"{decision.detail} The bucket of {shown(subject_key)} is {own:.4f} of 100.")

    def _is_on(self, key: str) -> bool:
        """Return whether a flag is a kill switch that the document or this process's environment has switched on."""
        raw = self._raw[key]
        forced = isinstance(raw, Mapping) and key in self._environment
        return is_on(raw) or (forced and is_on({**raw, "value": self._environment[key]}))

    def _flag(self, key: str) -> Flag | str:
        """Return a flag, or why it cannot be used, as far as it can be told from the flag alone."""
        known = self._checked.get(key)
        if known is None:
            try:
                known = flag(key, self._raw[key])
            except KeyError:
                known = f"there is no flag {key}"
            except DocumentError as error:
                known = str(error)
            except RecursionError:
                known = "it is nested too deeply"
            self._checked[key] = known
        return known

    def _asked(self, key: str) -> list[str]:
        """Return the prerequisites that a flag asks."""
        known = self._flag(key)
        return [] if isinstance(known, str) else [needed.flag for needed in known.prerequisites]

    def _compiled(self, key: str) -> Decide:
        """Compile a flag: it may be beyond use, out of its targeting's hands, or asked step by step."""
        known = self._flag(key)
        if isinstance(known, Flag) and (why := trouble(key, self._asked)) is not None:
            known = why
        if isinstance(known, str):
            return self._settled(key, answers.invalid(safe_value(self._raw[key]), known))
        if self._kill_switch not in {None, key}:
            return self._settled(key, answers.disabled(known, str(self._kill_switch)))
        answer = self._from_environment(known)
        return self._in_steps(known) if answer is None else self._settled(key, answer)

    def _settled(self, key: str, answer: Decision) -> Decide:
        """Return the evaluation of a flag that answers the same to everybody, and note that it does."""
        self._constant[key] = answer
        return constant(answer)

    def _from_environment(self, known: Flag) -> Decision | None:
        """Return the answer that the environment forces, None when it forces none that may be."""
        if known.key not in self._environment or is_on(self._raw[known.key]):
            return None  # no process may lift the kill switch for itself
        try:
            return answers.from_environment(typed(known.kind, known.values, self._environment[known.key]))
        except ValueRefusedError:
            return None

    def _in_steps(self, known: Flag) -> Decide:
        """Put together the steps that a flag has, the last one first."""
        needed = self._needed(known)
        lists = answers.listed(known)
        if isinstance(needed, Decision):
            return entrance(lists, constant(needed)) if lists else self._settled(known.key, needed)
        targeting = known.targeting
        if not (needed or lists or targeting.rules or targeting.percentage):
            return self._settled(known.key, answers.by_default(known))
        then = _last(known)
        if targeting.rules:
            then = ruled([(_condition(known, rule), answers.by_rule(rule)) for rule in targeting.rules], then)
        return entrance(lists, needing(needed, then) if needed else then)

    def _needed(self, known: Flag) -> list[Needed] | Decision:
        """Return the prerequisites that depend on the subject; one answer, where one of the others does not hold."""
        depending: list[Needed] = []
        for one in known.prerequisites:
            decide, unmet = self[one.flag], answers.unmet(known, one)
            values = self._accepted(one)
            if one.flag not in self._raw or (
                one.flag in self._constant and self._constant[one.flag].value not in values
            ):
                return unmet
            if one.flag not in self._constant:
                depending.append((decide, values, unmet))
        return depending

    def _accepted(self, needed: Prerequisite) -> Container[Any]:
        """Return the values of another flag that will do, to ask with `in`."""
        other = self._flag(needed.flag)
        return AnyOf(needed.values) if isinstance(other, str) else any_of(other.kind, needed.values)


def _last(known: Flag) -> Decide:
    """Return a flag's last step: its percentage and its own value."""
    percentage, rest, keyless = known.targeting.percentage, answers.by_default(known), answers.keyless(known)
    if percentage is None:
        return ended(rest, keyless)
    within = answers.within(percentage.value, percentage.percent)
    return divided(known.salt, known.hash_version, percentage.percent, inside=within, outside=rest, keyless=keyless)


def _condition(known: Flag, rule: Rule) -> Holds:
    """Return what a rule asks: all its conditions, and then its part of the keys."""
    if rule.percent is None:
        return together(rule.when)
    return together([*rule.when, part(known.salt, known.hash_version, rule.percent)])
