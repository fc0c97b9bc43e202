"""A provider for OpenFeature: `api.set_provider(SwitchoverProvider(flags()))`, and its clients answer our flags.

Above it stands the OpenFeature SDK, which comes with the extra `openfeature` and is needed by this file alone; below it
the process's flags.  A flag is only ever answered as what it is: asked for as another type, or not there, it is an
error, and the SDK then answers the caller's own default.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from switchover_kit.decision import Decision
from switchover_kit.subject import current
from switchover_kit.values import is_bool, is_int, is_object, is_text, shown

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import ProviderEventDetails
    from openfeature.exception import FlagNotFoundError, ParseError, TypeMismatchError
    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
    from openfeature.provider import AbstractProvider, Metadata
except ImportError as error:
    raise ImportError(
        "switchover_kit.openfeature needs the OpenFeature SDK; install it: pip install openfeature-sdk"
    ) from error

_LONGEST_VARIANT: Final = 100


class Change(Protocol):
    """What is told of a change of the flags."""

    @property
    def version(self) -> int:
        """The flags version that is applied now."""

    @property
    def changes(self) -> Sequence[tuple[str, Any, Any]]:
        """The flags whose plain value changed: key, before, after."""

    @property
    def trouble(self) -> str | None:
        """Why flags answer their safe values, None when they do not."""


class Source(Protocol):
    """The flags of this process, as `switchover_kit.flags` has them."""

    @property
    def version(self) -> int:
        """The flags version that is applied."""

    def decide(self, key: str, subject_key: str | None, attributes: Mapping[str, Any] | None) -> Decision:
        """Return what a flag answers for one subject."""

    def on_change(self, callback: Callable[[Any], object]) -> Callable[[], None]:
        """Have `callback` called with each `Change`; what is returned ends that."""


class SwitchoverProvider(AbstractProvider):
    """Resolves Switchover's flags: the targeting key is the subject key, the context's attributes are the subject's.

    What a context leaves open is taken from the subject of the call under way (see `subject`).
    """

    def __init__(self, flags: Source) -> None:
        """Take the flags to resolve from.

        Args:
            flags: the process's own, `switchover_kit.flags()`.
        """
        super().__init__()
        self._flags = flags
        self._end: Callable[[], None] | None = None
        self._trouble: str | None = None

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata("switchover")

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - the SDK's signature
        """Listen to changes from now on."""
        if self._end is None:
            self._end = self._flags.on_change(self._changed)

    def shutdown(self) -> None:
        """Listen no more; the flags themselves stay as they are."""
        end, self._end = self._end, None
        if end is not None:
            end()

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,  # noqa: ARG002, FBT001 - the SDK's signature
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Resolve a flag of type bool."""
        return self._resolved(flag_key, evaluation_context, is_bool, "true or false")

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,  # noqa: ARG002
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Resolve a flag of type enum or string."""
        return self._resolved(flag_key, evaluation_context, is_text, "a text")

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,  # noqa: ARG002
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """Resolve a flag of type int."""
        return self._resolved(flag_key, evaluation_context, is_int, "a whole number")

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,  # noqa: ARG002
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """Resolve a flag of type float."""
        return self._resolved(flag_key, evaluation_context, lambda value: isinstance(value, float), "a float")

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],  # noqa: ARG002
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Resolve a flag of type object."""
        return self._resolved(flag_key, evaluation_context, is_object, "an object or a list")

    def _resolved(
        self, key: str, context: EvaluationContext | None, is_one: Callable[[object], bool], wanted: str
    ) -> FlagResolutionDetails[Any]:
        """Resolve a flag, and see that it is of the type that is asked for.

        Raises:
            FlagNotFoundError: there is no such flag.
            ParseError: the flag is invalid, and has no readable safe value.
            TypeMismatchError: it is of another type.
        """
        asked, call = context or EvaluationContext(), current()
        attributes = {**call.attributes, **asked.attributes}
        decision = self._flags.decide(key, asked.targeting_key or call.key, attributes)
        if decision.step == "missing":
            raise FlagNotFoundError(decision.detail)
        if decision.value is None:
            raise ParseError(decision.detail)
        if not is_one(decision.value):
            raise TypeMismatchError(
                f"flag {key} is {shown(decision.value)}, and not {wanted}; ask for it as what it is"
            )
        return FlagResolutionDetails(
            value=decision.value,
            reason=Reason(decision.reason),
            variant=_variant(decision.value),
            flag_metadata={"step": decision.step, "detail": decision.detail, "flagsVersion": self._flags.version},
        )

    def _changed(self, change: Change) -> None:
        """Tell the SDK of a change, and when trouble begins or ends."""
        before, self._trouble = self._trouble, change.trouble
        if change.trouble is not None and before is None:
            self.emit_provider_stale(ProviderEventDetails(message=change.trouble))
        elif change.trouble is None and before is not None:
            self.emit_provider_ready(ProviderEventDetails(message="Flags are live again."))
        # Without a key: targeting changed, which may concern any of them.
        keys = [key for key, _before, _after in change.changes] or None
        version = change.version
        self.emit_provider_configuration_changed(
            ProviderEventDetails(keys, f"Flags version {version} is applied.", metadata={"flagsVersion": version})
        )


def _variant(value: Any) -> str | None:
    """Return the name of a value: its text; None for objects and long texts, which have none."""
    if is_object(value):
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST_VARIANT else None
