"""What may be changed: the pure rules, their refusals, and what no sequence of changes can reach."""

from __future__ import annotations

from typing import Any

import pytest
from flags_story import declare, flag, switch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.domain.flags.change import (
    FlagRefusedError,
    FlagsMovedError,
    Reset,
    SetValue,
    Target,
    UnknownFlagError,
)
from orchestrator.domain.flags.declaration import Declaration
from orchestrator.domain.flags.document import document
from orchestrator.domain.flags.flags import (
    FlagSet,
    FlagState,
    apply,
    is_safe_move,
    parse,
    reset_order,
    resets,
    safe_values,
    stored_flaws,
    unmet,
    value_of,
    values_of,
)
from orchestrator.domain.flags.values import FlagType, as_text, fitted, parsed, same

PLAIN = declare(flag("MODE"), flag("OTHER"), switch())
CHAIN = declare(flag("ENGINE"), flag("POOL", needs=["ENGINE"]), flag("FAST", needs=["POOL"]), flag("FREE"), switch())
LEAST = FlagSet(41)


def refusal(
    *changes: Any, registry: Any = PLAIN, flags: FlagSet = LEAST, expect: int | None = None
) -> FlagRefusedError:
    """Return the refusal of changes."""
    with pytest.raises(FlagRefusedError) as refused:
        apply(registry, flags, changes, expect)
    return refused.value


def after(*changes: Any, registry: Any = CHAIN, flags: FlagSet = LEAST) -> FlagSet:
    """Return the flags after changes."""
    return apply(registry, flags, changes)


@pytest.mark.requirement("FLAG-32")
def test_a_change_gives_the_next_version_and_the_same_change_again_gives_none() -> None:
    one = apply(PLAIN, LEAST, [SetValue("MODE", "on")])
    assert (one.version, values_of(PLAIN, one)) == (42, {"MODE": "on", "OTHER": "off", "DISABLE_NEW": "0"})
    assert apply(PLAIN, one, [SetValue("MODE", "on")]) is one


@pytest.mark.requirement("FLAG-32")
def test_a_refusal_names_flag_value_and_what_would_be_allowed() -> None:
    error = refusal(SetValue("MODE", "verbos"))
    assert str(error) == 'MODE cannot be "verbos"; allowed: "off", "on", "other"'
    assert (error.flag, error.value, error.allowed) == ("MODE", "verbos", '"off", "on", "other"')


@pytest.mark.requirement("FLAG-32")
def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    error = refusal(SetValue("mode", "on"))
    assert isinstance(error, UnknownFlagError)
    assert str(error) == "there is no flag mode; did you mean MODE?"
    assert "known flags: MODE, OTHER, DISABLE_NEW" in str(refusal(Reset("ZZZZ")))


@pytest.mark.requirement("FLAG-32")
def test_nothing_of_a_write_is_done_when_a_part_of_it_is_refused() -> None:
    assert "OTHER cannot be 1" in str(refusal(SetValue("MODE", "on"), SetValue("OTHER", 1)))
    assert LEAST.states == {}


@pytest.mark.requirement("FLAG-32")
def test_a_change_decided_on_another_version_is_refused() -> None:
    error = refusal(SetValue("MODE", "on"), expect=40)
    assert isinstance(error, FlagsMovedError)
    assert "the flags version is 41, not 40" in str(error)
    assert apply(PLAIN, LEAST, [SetValue("MODE", "on")], 41).version == 42


@pytest.mark.requirement("FLAG-33")
def test_a_flag_leaves_its_safe_value_only_where_its_prerequisites_hold() -> None:
    error = refusal(SetValue("POOL", "on"), registry=CHAIN)
    assert str(error).startswith('POOL cannot be "on" while ENGINE is "off", not "on"; set that first')
    assert error.allowed == '"off", or "on" with ENGINE="on"'
    ready = after(SetValue("ENGINE", "on"))
    assert values_of(CHAIN, after(SetValue("POOL", "on"), flags=ready))["POOL"] == "on"


@pytest.mark.requirement("FLAG-33")
def test_a_flag_and_what_it_needs_may_change_in_one_write_in_any_order() -> None:
    both = after(SetValue("FAST", "on"), SetValue("POOL", "on"), SetValue("ENGINE", "on"))
    assert [values_of(CHAIN, both)[key] for key in ("ENGINE", "POOL", "FAST")] == ["on"] * 3
    none = after(Reset("ENGINE"), Reset("POOL"), Reset("FAST"), flags=both)
    assert values_of(CHAIN, none) == safe_values(CHAIN)


@pytest.mark.requirement("FLAG-33")
@pytest.mark.parametrize("change", [SetValue("ENGINE", "other"), SetValue("ENGINE", "off"), Reset("ENGINE")])
def test_a_prerequisite_cannot_be_taken_from_under_a_dependant_which_is_named(change: Any) -> None:
    up = after(SetValue("ENGINE", "on"), SetValue("POOL", "on"))
    error = refusal(change, registry=CHAIN, flags=up)
    assert 'POOL (now "on") needs ENGINE="on"' in str(error)
    assert 'POOL="off"' in str(error)
    assert error.flag == "ENGINE"


@pytest.mark.requirement("FLAG-33")
def test_all_flags_reset_dependants_first_and_the_kill_switch_is_left_to_whoever_turned_it() -> None:
    order = reset_order(CHAIN)
    assert order.index("FAST") < order.index("POOL") < order.index("ENGINE")
    assert [one.key for one in resets(CHAIN)] == [key for key in order if key != "DISABLE_NEW"]
    assert [one.key for one in resets(CHAIN, ["ENGINE", "FAST"])] == ["FAST", "ENGINE"]
    with pytest.raises(UnknownFlagError):
        resets(CHAIN, ["NONE"])


@pytest.mark.requirement("FLAG-33")
def test_a_reset_gives_the_safe_value_to_everybody_also_where_the_default_is_another() -> None:
    registry = declare(flag("MODE", default="on"))
    targeted = apply(registry, LEAST, [Target("MODE", {"allow": {"value": "other", "keys": ["ann"]}})])
    back = apply(registry, targeted, [Reset("MODE")])
    assert back.state("MODE") == FlagState("off", None, "MODE")
    assert apply(registry, back, [Reset("MODE")]) is back


@pytest.mark.requirement("FLAG-32")
@pytest.mark.parametrize(
    ("targeting", "said"),
    [
        ({"allow": {"value": "no", "keys": []}}, '"no" is not one of "off", "on", "other"'),
        ({"allowed": {}}, "allowed"),
        ({"rules": [{"name": "r", "when": [{"attribute": "a", "op": "like", "value": 1}], "value": "on"}]}, "like"),
        ({"percentage": {"value": "on", "percent": 101}}, "101"),
        ({"deny": ["\ud800"]}, "whole characters"),
        ({"deny": ["a" * 300_000]}, "262144 bytes"),
    ],
)
def test_a_targeting_that_no_reader_would_take_is_refused(targeting: Any, said: str) -> None:
    error = refusal(Target("MODE", targeting))
    assert str(error).startswith("the targeting of MODE cannot be used: ")
    assert said in str(error)


@pytest.mark.requirement("FLAG-32")
def test_the_kill_switch_takes_no_targeting() -> None:
    assert "for everybody or for nobody" in str(refusal(Target("DISABLE_NEW", {"deny": ["ann"]})))


@pytest.mark.requirement("FLAG-32")
def test_a_targeting_keeps_the_salt_unless_another_is_asked_for() -> None:
    percentage = {"percentage": {"value": "on", "percent": 5}}
    one = apply(PLAIN, LEAST, [Target("MODE", percentage)])
    assert (one.state("MODE").salt, one.state("MODE").targeting) == ("MODE", percentage)
    assert apply(PLAIN, one, [Target("MODE", percentage, salt="again")]).state("MODE").salt == "again"


@pytest.mark.requirement("FLAG-30")
def test_a_stored_value_that_is_no_longer_allowed_answers_the_safe_value_and_says_why() -> None:
    flags = FlagSet(3, {"MODE": FlagState("gone", None, "MODE"), "OTHER": FlagState("on", {"deny": 1}, "OTHER")})
    assert value_of(PLAIN.declarations["MODE"], flags) == "off"
    flaws = stored_flaws(PLAIN, flags)
    assert flaws["MODE"] == 'the stored value "gone" is not allowed; allowed: "off", "on", "other"'
    entries = document(PLAIN, flags)["flags"]
    assert entries["MODE"]["invalid"] == flaws["MODE"]
    assert (entries["OTHER"]["value"], entries["OTHER"]["targeting"]) == ("off", None)
    mended = apply(PLAIN, flags, [SetValue("MODE", "on")])
    assert "invalid" not in document(PLAIN, mended)["flags"]["MODE"]


@pytest.mark.requirement("FLAG-35")
def test_resets_and_a_kill_switch_turned_on_are_moves_to_safety_and_nothing_else_is() -> None:
    up = after(SetValue("ENGINE", "on"), SetValue("FREE", "on"), SetValue("DISABLE_NEW", "1"))
    assert is_safe_move(CHAIN, up, after(Reset("FREE"), flags=up))
    assert is_safe_move(CHAIN, LEAST, after(SetValue("DISABLE_NEW", "1")))
    assert not is_safe_move(CHAIN, up, after(SetValue("DISABLE_NEW", "0"), flags=up))
    assert not is_safe_move(CHAIN, up, after(Reset("FREE"), SetValue("ENGINE", "other"), flags=up))
    assert not is_safe_move(CHAIN, LEAST, after(Target("FREE", {"allow": {"value": "on", "keys": ["a"]}})))


@pytest.mark.requirement("FLAG-32")
@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (FlagType.BOOL, "true", True),
        (FlagType.BOOL, " FALSE", False),
        (FlagType.BOOL, "1", None),
        (FlagType.INT, "-7", -7),
        (FlagType.INT, "1_000", None),
        (FlagType.INT, "1.0", None),
        (FlagType.FLOAT, "1", 1.0),
        (FlagType.FLOAT, "0.5", 0.5),
        (FlagType.FLOAT, "NaN", None),
        (FlagType.FLOAT, "1e999", None),
        (FlagType.STRING, "", ""),
        (FlagType.STRING, "a\0b", None),
        (FlagType.OBJECT, '{"a":[1]}', {"a": [1]}),
        (FlagType.OBJECT, "1", None),
        (FlagType.OBJECT, "[" * 100_000, None),
    ],
)
def test_text_means_a_value_of_its_flags_type_or_nothing(kind: FlagType, text: str, value: Any) -> None:
    found = parsed(kind, None, text)
    assert same(found, value), found


@pytest.mark.requirement("FLAG-32")
@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.tuples(st.just(FlagType.BOOL), st.booleans()),
        st.tuples(st.just(FlagType.INT), st.integers(-(10**17), 10**17)),
        st.tuples(st.just(FlagType.FLOAT), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(FlagType.STRING), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
        st.tuples(st.just(FlagType.OBJECT), st.dictionaries(st.text("abc"), st.integers() | st.none() | st.booleans())),
    )
)
def test_every_value_is_read_back_from_its_text(case: tuple[FlagType, Any]) -> None:
    kind, value = case
    kept = fitted(kind, None, value)
    assert kept is not None
    assert same(parsed(kind, None, as_text(kept)), kept)


@pytest.mark.requirement("FLAG-32")
def test_parsing_refuses_as_setting_does() -> None:
    assert parse(PLAIN, {"MODE": "on"}) == {"MODE": "on"}
    with pytest.raises(FlagRefusedError, match=r'MODE cannot be "ON"; allowed: "off", "on", "other"'):
        parse(PLAIN, {"MODE": "ON"})


def changes_of(registry: Any) -> st.SearchStrategy[Any]:
    """Draw changes of a registry's flags, bad ones among them."""
    keys = st.sampled_from([*registry.declarations, "NONE"])
    values = st.sampled_from(["off", "on", "other", "0", "1", "bad", True])
    targeting = st.sampled_from([None, {"deny": ["a"]}, {"percentage": {"value": "on", "percent": 50}}, {"x": 1}])
    return st.one_of(st.builds(SetValue, keys, values), st.builds(Reset, keys), st.builds(Target, keys, targeting))


@pytest.mark.requirement("FLAG-33")
@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(changes_of(CHAIN), min_size=1, max_size=4), max_size=12))
def test_no_sequence_of_writes_reaches_flags_whose_prerequisites_do_not_hold(writes: list[list[Any]]) -> None:
    flags = LEAST
    for changes in writes:
        try:
            changed = apply(CHAIN, flags, changes)
        except FlagRefusedError:
            continue
        assert changed.version - flags.version == (0 if changed is flags else 1)
        flags = changed
        values = values_of(CHAIN, flags)
        for declaration in CHAIN.declarations.values():
            assert same(values[declaration.key], declaration.safe) or not unmet(declaration, values)
        assert stored_flaws(CHAIN, flags) == {}
    back = flags
    for reset in resets(CHAIN):  # one by one: the order alone makes every one of them allowed
        back = apply(CHAIN, back, [reset])
    back = apply(CHAIN, back, [Reset("DISABLE_NEW")])
    assert values_of(CHAIN, back) == safe_values(CHAIN)
    assert all(state.targeting is None for state in back.states.values())


def test_values_that_compare_equal_in_python_are_still_different() -> None:
    registry = declare(Declaration("CONFIG", FlagType.OBJECT, None, {}, {}))
    one = apply(registry, LEAST, [SetValue("CONFIG", {"a": 1})])
    assert apply(registry, one, [SetValue("CONFIG", {"a": True})]).version == one.version + 1
