"""The settings of an upgrade's rehearsal: how the copy is built and tested, what it may touch, what is asked of it.

Above: `model`.  Below: `declare`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from orchestrator.settings.declare import GIB, KIB, MIB, Command, Directory, Section, Text, Texts, seconds, setting


def _versions(text: str) -> str:
    for part in text.split(","):
        number = part.strip().lstrip("<>=!")
        if not number or not all(piece.isdecimal() for piece in number.split(".")):
            raise ValueError("no list of bounds such as '>=3.11, <4'")
    return text


Versions = Annotated[Text, AfterValidator(_versions)]


class Upgrade(Section):
    """How a new version is rehearsed."""

    build: Command | None = setting(
        None, "Command that builds the copy, run in it.", allowed='list of texts or one text, such as "npm run build"'
    )
    test: Command | None = setting(
        None, "Command that tests the copy, run in it.", allowed='list of texts or one text, such as "npm test"'
    )
    build_timeout: float = seconds(1800.0, "Seconds the build may take.")
    test_timeout: float = seconds(1800.0, "Seconds the tests may take.")
    shadow_timeout: float = seconds(1800.0, "Seconds the whole shadow run may take.")
    call_timeout: float = seconds(60.0, "Seconds one call of the shadow run may take.")
    answer_bytes: int = setting(
        16 * MIB, "Longest answer of the shadow run that is compared, in bytes.", reloadable=True, ge=KIB, le=GIB
    )
    log_bytes: int = setting(8 * MIB, "Bytes kept of what a build or test prints.", reloadable=True, ge=4 * KIB, le=GIB)
    suite: Directory | None = setting(
        None, "File with the calls of the shadow run (TOML); without it one is proposed.", reloadable=True
    )
    expected: Directory | None = setting(
        None, "File with the differences that are expected (TOML), each with its reason and its end.", reloadable=True
    )
    repeats: int = setting(
        5, "How often old and new code are each run in turn; the old code once more.", reloadable=True, ge=1, le=50
    )
    copy_as: Literal["auto", "worktree", "copy"] = setting(
        "auto",
        "`worktree`: the commit, as git has it. `copy`: the files as they are. `auto`: a work tree where the source is "
        "a clean git repository's root and holds what the command names, else a copy.",
        reloadable=True,
    )
    exclude: Texts = setting(
        (), "Names and patterns of files that are not copied, besides caches.", reloadable=True, allowed="list of texts"
    )
    keep_copy: bool = setting(default=False, meaning="Leave copy and snapshots after the run.", reloadable=True)
    allow_network: bool = setting(default=False, meaning="Let rehearsed processes use the network.", reloadable=True)
    write: Texts = setting(
        (),
        "Directories that rehearsed processes may change, besides their snapshot.",
        reloadable=True,
        allowed="list of absolute paths",
    )
    runtimes: dict[Text, Versions] = Field(
        default_factory=dict,
        description="Programs and the versions they must have, as each says with `--version`.",
        json_schema_extra={"reloadable": True, "allowed": 'table of texts, such as node = ">=20, <23"'},
    )
    spare_bytes: int = setting(
        512 * MIB, "Free bytes that must be left on the disk after copying.", reloadable=True, ge=0, le=GIB * KIB
    )
    ask_active: bool = setting(
        default=True,
        meaning="Ask the active worker, too, through tools that only read; how it differs is reported apart.",
        reloadable=True,
    )
    keep_runs: int = setting(
        30, "Runs whose artifacts are kept; the oldest go first.", reloadable=True, ge=1, le=10_000
    )
