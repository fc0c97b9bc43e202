"""`switchover upgrade -- COMMAND`: carry a plan out; `--rehearse`: only find out about a new version beforehand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from orchestrator.cli import rehearsing, rolling
from orchestrator.cli.canary import program, variable
from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import FailedError, UnreachableError
from orchestrator.cli.group import reason_option, state_dir_option
from orchestrator.domain.rehearsal import RUN, RUN_WORDS, Options
from orchestrator.settings import Paths

REHEARSING: Final = ("allow_dirty", "skip_build", "skip_tests", "keep_copy", "nightly")
"""What belongs to --rehearse alone; a rollout's plan says these."""
ROLLING: Final = ("force", "force_plan", "allow_breaking", "detach")
"""What belongs to a rollout alone."""


@click.command("upgrade")
@click.option("--plan", metavar="NAME|FILE", help="Plan to carry out; `rollout.plan` of the configuration by default.")
@click.option("--force", is_flag=True, help="Take the version out of quarantine.")
@click.option("--force-plan", is_flag=True, help="Carry the plan out although lint says it cannot work.")
@click.option("--allow-breaking", is_flag=True, help="Take the version also when clients would miss something.")
@click.option("--detach", is_flag=True, help="Only begin it; by itself it is followed to its end.")
@click.option("--rehearse", is_flag=True, help="Rehearse COMMAND: preflight, copy, build, test, shadow run, summary.")
@click.option("--allow-dirty", is_flag=True, help="Rehearsal: go on with changes that are not committed.")
@click.option("--skip-build", is_flag=True, help="Rehearsal: do not build.")
@click.option("--skip-tests", is_flag=True, help="Rehearsal: do not run the tests.")
@click.option("--keep-copy", is_flag=True, help="Rehearsal: leave copy and snapshots where they are.")
@click.option("--nightly", is_flag=True, help="Rehearsal: exit with 0 on warnings alone; fail on build and test.")
@click.option("--id", "run", help="Name of the run; the time by default.")
@click.option(
    "--suite", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Rehearsal: file with the calls."
)
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Variable for the worker; may be repeated.")
@click.option("--cwd", type=click.Path(path_type=Path, file_okay=False), help="Working directory; here by default.")
@click.option("--source", type=click.Path(path_type=Path, file_okay=False), help="Directory of the new code.")
@click.option(
    "--old", metavar="'COMMAND...'", help="Rehearse without a daemon, beside this command as the old version."
)
@click.option("--old-cwd", type=click.Path(path_type=Path, file_okay=False), help="Its working directory.")
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Configuration file, where there is no daemon."
)
@click.option("--follow", metavar="ID", help="Show the progress of a rollout or a rehearsal that was begun before.")
@click.option("--cancel", is_flag=True, help="End the rehearsal under way; a rollout is ended by: switchover abort.")
@reason_option
@state_dir_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def command(
    *,
    plan: str | None,
    rehearse: bool,
    run: str | None,
    old: str | None,
    follow: str | None,
    cancel: bool,
    reason: str,
    state_dir: Path | None,
    words: tuple[str, ...],
    **options: Any,
) -> None:
    """Roll COMMAND out by a plan: rehearse it, give it more and more of the calls, promote it, move flags.

    The daemon does it: closing the terminal or Ctrl-C ends nothing, --follow shows the rest. A plan that only moves
    flags takes no COMMAND. With --rehearse nothing is rolled out: COMMAND is rehearsed as the next version, on copies
    of the code and of the worker's state, and Ctrl-C cancels that. With --old no daemon is needed for it:
    --rehearse --old 'python old.py' -- python new.py

    Exit status: 0 done, 1 rolled back, failed or refused, 4 rehearsed with warnings (0 with --nightly), 130 no longer
    followed.
    """
    paths = paths_of(state_dir)
    if cancel or follow is not None:
        _refuse_beside(
            "--cancel" if cancel else "--follow",
            words,
            {**options, "plan": plan, "rehearse": rehearse, "id": run, "old": old, "follow": cancel and follow},
        )
    if cancel:
        click.echo(ask(paths, "POST", "/v1/upgrade/cancel", {"reason": reason})["message"])
        return
    if follow is not None:
        sys.exit(_follow(paths, follow))
    if rehearse or old is not None:
        _refuse(ROLLING, {**options, "plan": plan}, "belongs to a rollout, and not to --rehearse")
        sys.exit(_rehearse(paths, _named(words, run, options), old, reason, options))
    _refuse((*REHEARSING, "suite", "old_cwd", "config"), options, "goes with --rehearse; a rollout's plan says it")
    named = _named(words, run, options, needed=False)
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in named.items() if name != "suite"}
    asked |= {name: options[name] for name in ("force", "force_plan", "allow_breaking")}
    begun = rolling.begin(paths, rolling.ROLLOUT, {**asked, "plan": rolling.plan_named(plan), "reason": reason})
    if not options["detach"]:
        sys.exit(rolling.follow(paths, begun))


def _named(words: tuple[str, ...], run: str | None, options: dict[str, Any], *, needed: bool = True) -> dict[str, Any]:
    """Return the version and the run as they were named.

    Raises:
        UsageError: there is no command, and one is needed.
    """
    if not words and needed:
        raise click.UsageError("name the new version's command: switchover upgrade --rehearse -- COMMAND...")
    if run is not None and not RUN.fullmatch(run):
        raise click.UsageError(f"--id {run!r} cannot name a run: {RUN_WORDS}")
    cwd, source, suite = options["cwd"], options["source"], options["suite"]
    return {
        "command": (program(words[0]), *words[1:]) if words else None,
        "cwd": (cwd or Path()).absolute() if words else None,
        "env": dict(variable(text) for text in options["env"]),
        "source": None if source is None else source.absolute(),
        "suite": None if suite is None else suite.absolute(),
        "id": run,
    }


def _rehearse(paths: Paths, named: dict[str, Any], old: str | None, reason: str, options: dict[str, Any]) -> int:
    """Rehearse, with a daemon or without; return the exit status."""
    wanted = {name: bool(options[name]) for name in REHEARSING}
    old_cwd, config = options["old_cwd"], options["config"]
    if old is not None:
        return rehearsing.without_daemon(paths, config, (old, old_cwd or Path()), named, Options(**wanted))
    if old_cwd is not None or config is not None:
        raise click.UsageError("--old-cwd and --config go with --old; a daemon has its own")
    return rehearsing.rehearse(paths, named, reason, wanted)


def _follow(paths: Paths, run: str) -> int:
    """Follow a rollout of that name, else a rehearsal.

    Raises:
        FailedError: there is neither.
    """
    last, name = ask(paths, "GET", rolling.ROLLOUT)["rollout"], quote(run, safe="")
    if (last is not None and last["id"] == run) or _knows(paths, f"{rolling.ROLLOUT}/why?rollout={name}"):
        return rolling.follow(paths, run)
    if _knows(paths, f"/v1/upgrade/{name}"):
        return rehearsing.follow(paths, run)
    raise FailedError(f"there is neither a rollout nor a rehearsal {run}; what there was: switchover history")


def _knows(paths: Paths, path: str) -> bool:
    """Say whether the daemon has an answer."""
    try:
        ask(paths, "GET", path)
    except UnreachableError:
        raise
    except FailedError:
        return False
    return True


def _refuse_beside(verb: str, words: tuple[str, ...], options: dict[str, Any]) -> None:
    """Refuse what would be passed over beside an option that is a verb of its own.

    Raises:
        UsageError: something is given.
    """
    if words:
        raise click.UsageError(f"{verb} takes no COMMAND")
    for name, value in options.items():
        if value:
            raise click.UsageError(f"{verb} goes alone: leave out --{name.replace('_', '-')}")


def _refuse(names: tuple[str, ...], options: dict[str, Any], why: str) -> None:
    """Refuse options that would be passed over.

    Raises:
        UsageError: one is given.
    """
    for name in (*names, "plan") if "plan" in options else names:
        if options[name]:
            raise click.UsageError(f"--{name.replace('_', '-')} {why}")
