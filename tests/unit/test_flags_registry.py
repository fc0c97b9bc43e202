"""What may be declared, how a registry file is read, and what ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flags_story import declare, flag, switch
from switchover_kit.document import DocumentError
from switchover_kit.document import flag as checked

from orchestrator.domain.errors import SettingsError
from orchestrator.domain.flags.declaration import Declaration, Prerequisite, registry
from orchestrator.domain.flags.document import document
from orchestrator.domain.flags.flags import FlagSet
from orchestrator.domain.flags.values import FlagType
from orchestrator.flags.registry_file import read_registry

GOOD = """
[flags.MODE]
type = "enum"
values = ["a", "b"]
default = "a"
safe = "a"
"""


def why_not(*declarations: Declaration) -> str:
    """Return what is wrong with the first declaration."""
    made, flaws = registry(declarations)
    assert declarations[0].key not in made.declarations
    assert {flaw.key for flaw in flaws} == set(made.invalid)
    return made.invalid[declarations[0].key]


def read(folder: Path, text: str) -> Any:
    """Read a registry file with this text."""
    path = folder / "flags.toml"
    path.write_text(text)
    return read_registry(path)


@pytest.mark.requirement("FLAG-31")
def test_the_shipped_flags_have_the_names_values_and_safe_values_they_always_had() -> None:
    declared = read_registry()
    flags = declared.registry.declarations
    assert declared.problems == ()
    assert {key: (one.values, one.default, one.safe) for key, one in flags.items()} == {
        "PROMPT_MODE": (("compact", "verbose"), "compact", "compact"),
        "SANDBOX_MODE": (("none", "pool"), "none", "none"),
        "SCHEDULER_MODE": (("legacy", "wsjf"), "legacy", "legacy"),
        "SELECTIVE_TESTS": (("0", "1"), "0", "0"),
        "DANGER_GATES": (("0", "1"), "0", "0"),
        "MO_ENGINE": (("0", "1"), "0", "0"),
        "DISABLE_NEW": (("0", "1"), "0", "0"),
    }
    assert [key for key, one in flags.items() if one.kill_switch] == ["DISABLE_NEW"]
    assert all(one.risk and one.description for one in flags.values())
    assert flags["SCHEDULER_MODE"].min_stable == 3600
    for key, entry in document(declared.registry, FlagSet())["flags"].items():
        checked(key, entry)  # every reader takes each of them


@pytest.mark.requirement("FLAG-30")
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (flag("1ST"), "a key has a letter"),
        (flag("A" * 101), "a key has a letter"),
        (flag("A", values=None), "values: an enum names its values"),
        (flag("A", values=("off", "off")), "values: one of them stands there twice"),
        (flag("A", values=("off", 1)), 'values: 1 is not of type enum; allowed: text, such as "1"'),
        (flag("A", default="maybe"), 'default: is "maybe"; allowed: "off", "on", "other"'),
        (flag("A", safe=False), 'safe: is false; allowed: "off", "on", "other"'),
        (flag("A", on="off"), "the safe value; name the one it is meant to reach"),
        (flag("A", env="1X"), "allowed: a variable's name"),
        (flag("A", env="SWITCHOVER_FLAGS"), "what begins with SWITCHOVER_ is said to every worker by the daemon"),
        (flag("A", min_stable=-1.0), "min_stable: is -1; allowed: seconds, 0 or more"),
        (flag("A", needs=["A"]), "a flag cannot be a prerequisite of itself"),
        (flag("A", prerequisites=(Prerequisite("B", ()),)), "B is named without values that will do"),
        (flag("A", needs=["B", "B"]), "B stands there twice"),
        (flag("A", needs=["C"]), "C is not declared"),
        (flag("A", needs=["b"]), "b is not declared; did you mean B?"),
        (flag("A", prerequisites=(Prerequisite("B", ("no",)),)), 'B cannot be "no"; allowed: "off", "on", "other"'),
        (flag("A", default="on", needs=["B"]), 'B begins as "off" and not as "on"'),
        (flag("A", kill_switch=True, needs=["B"]), "a kill switch has none"),
        (flag("A", type=FlagType.BOOL, values=None, default=0, safe=False), "default: is 0; allowed: true, false"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_invalid_with_why_and_alone(wrong: Declaration, said: str) -> None:
    assert said in why_not(wrong, flag("B"))
    made, _ = registry([wrong, flag("B")])
    assert list(made.declarations) == ["B"]


@pytest.mark.requirement("FLAG-30")
def test_prerequisites_that_go_round_make_all_in_the_circle_invalid_and_those_behind_them() -> None:
    made, flaws = registry(
        [flag("A", needs=["B"]), flag("B", needs=["C"]), flag("C", needs=["A"]), flag("D", needs=["A"]), flag("E")]
    )
    assert list(made.declarations) == ["E"]
    assert "A -> B -> C -> A" in made.invalid["A"]
    assert made.invalid["D"] == "prerequisites: A is invalid itself"
    assert len(flaws) == 4


@pytest.mark.requirement("FLAG-30")
def test_there_is_one_kill_switch() -> None:
    made, _ = registry([switch("STOP"), switch("HALT")])
    assert list(made.declarations) == ["STOP"]
    assert "STOP is the kill switch already" in made.invalid["HALT"]


@pytest.mark.requirement("FLAG-30")
def test_an_invalid_flag_is_in_the_document_with_why_and_its_safe_value() -> None:
    made, _ = registry([flag("A", needs=["GONE"]), flag("B")])
    entries = document(made, FlagSet())["flags"]
    assert (entries["A"]["safe"], entries["A"]["invalid"]) == ("off", made.invalid["A"])
    with pytest.raises(DocumentError, match="GONE is not declared"):
        checked("A", entries["A"])
    assert checked("B", entries["B"]).value == "off"


@pytest.mark.requirement("FLAG-30")
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[flags.A]\ntype = "bool"\ndefault = false', 1, "A: safe: is missing; allowed: one of the flag's values"),
        (
            '[flags.A]\ntype = "bol"\nsafe = false',
            2,
            'A: type: is "bol"; allowed: enum, bool, int, float, string, object',
        ),
        ('[flags.A]\ntype = "bool"\nsafe = false\ndefault = false\ndescripton = ""', 5, "did you mean description?"),
        ('[flags.A]\ntype = "bool"\nsafe = false\ndefault = "no"', 4, 'A: default: is "no"; allowed: true, false'),
        ('[flags.A]\ntype = "int"\nsafe = 1\ndefault = 1\nexpires = "soon"', 5, "allowed: a day, such as 2027-03-01"),
        ('[flags.A]\ntype = "int"\nsafe = 1\ndefault = 1\nprerequisites = ["B"]', 5, "allowed: a list such as [{"),
        ("[flags]\nA = 1", 2, "A: is 1; allowed: a table, as in [flags.A]"),
        ("[SCHEDULER_MODE]\nsafe = 1", 1, "flags are declared in tables such as [flags.SCHEDULER_MODE]"),
        ('[flags.A]\ntype = "float"\nsafe = 0\ndefault = nan', 4, "A: default: is NaN; allowed: a finite number"),
    ],
)
def test_every_problem_of_a_registry_file_has_its_line_and_leaves_the_other_flags_alone(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    declared = read(tmp_path, text + "\n" + GOOD)
    assert list(declared.registry.declarations) == ["MODE"]
    assert any(f"flags.toml:{line}: " in problem and said in problem for problem in declared.problems), (
        declared.problems
    )


@pytest.mark.requirement("FLAG-30")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[flags.A]\ntype = \n", ":2: is not valid TOML"),
        (b"[flags.A]\ntype = '\xff'\n", ":2: is not UTF-8 text"),
        (b"flags = 1\n", "allowed: tables"),
        (b"x = " + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_registry_at_all_is_refused_whole(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "flags.toml"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=r"flags\.toml") as refused:
        read_registry(path)
    assert said in str(refused.value)


@pytest.mark.requirement("FLAG-30")
def test_a_registry_file_that_is_not_there_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: No such file.*leave it out"):
        read_registry(tmp_path / "missing.toml")


@pytest.mark.requirement("FLAG-30")
def test_numbers_of_a_float_flag_are_floats_however_they_are_written(tmp_path: Path) -> None:
    declared = read(tmp_path, '[flags.RATE]\ntype = "float"\nvalues = [0, 1, 0.5]\ndefault = 1\nsafe = 0\n')
    rate = declared.registry.declarations["RATE"]
    assert [type(one) for one in (rate.default, rate.safe, *(rate.values or ()))] == [float] * 5


@pytest.mark.requirement("FLAG-30")
def test_the_nearest_key_is_found_whatever_its_case() -> None:
    made = declare(flag("PROMPT_MODE"), flag("beta-access"))
    assert made.nearest("prompt_mod") == "PROMPT_MODE"
    assert made.nearest("BETA_ACCESS") == "beta-access"
    assert made.nearest("zzz") is None
