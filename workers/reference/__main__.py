"""The executable: `python -m workers.reference [--version-label TEXT] [--work-tree DIR]`, MCP over stdin and stdout.

It reads what it was started for, opens the store and runs the server until stdin closes, or until SIGTERM came and the
calls are through.  Below it stands everything
else in this package.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from switchover_kit import ContractError, Environment, FeatureGates, environment, flags

from workers.reference import VERSION
from workers.reference.database import StoreError
from workers.reference.ending import Ending
from workers.reference.hands.errors import HandError
from workers.reference.hands.settings import HandSettings
from workers.reference.store import Store
from workers.reference.world import World

WORK_TREE: Final = "work"
"""Name of the work tree in the state directory, unless `--work-tree` names another."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the worker; return its exit status (0: stdin was closed, 1: it could not start)."""
    started = time.monotonic()
    options = _options(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    # Writes are transactions, so Ctrl-C may end the process at once, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = environment(_default_state_dir())
        hands = HandSettings.read(os.environ)
        store = Store.open(process.state_dir, datetime.now(UTC))
        options.work_tree = options.work_tree or _own_tree(process.state_dir)
    except (ContractError, HandError, StoreError) as error:
        sys.stderr.write(f"workers.reference: {error}\n")
        return 1
    try:
        _serve(store, options, process, hands, started)
    finally:
        store.close()
    return 0


def _serve(
    store: Store, options: argparse.Namespace, process: Environment, hands: HandSettings, started: float
) -> None:
    """Serve until stdin closes."""
    # Importing the SDK is nearly all of the time to start: late, so that mistakes are told at once, and without the
    # collector, which would look again and again through a hundred thousand new objects that all stay.
    gc.disable()
    from workers.reference.server import build  # noqa: PLC0415
    from workers.reference.tools.status import Identity  # noqa: PLC0415

    live = flags()
    identity = Identity(
        version=options.version_label,
        environment=process,
        uptime=lambda: time.monotonic() - started,
        flags_trouble=lambda: live.trouble,
    )
    world = World(options.work_tree, process.state_dir, process.dry_run)
    ending = Ending()

    def now() -> datetime:
        return datetime.now(UTC)

    server = build(store, identity, world=world, gates=FeatureGates(live), hands=hands, now=now, ending=ending)
    gc.freeze()
    gc.enable()
    ending.on_sigterm()
    server.run()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; argparse itself tells what is wrong with it and exits with 2."""
    parser = argparse.ArgumentParser(prog="python -m workers.reference", description="A task queue over MCP on stdio.")
    parser.add_argument(
        "--version-label",
        type=_label,
        default=VERSION,
        metavar="TEXT",
        help="the version it reports, to tell two generations of the same code apart (default: %(default)s)",
    )
    parser.add_argument(
        "--work-tree",
        type=_directory,
        metavar="DIR",
        help=f"the directory its tools may work in (default: {WORK_TREE} in the state directory)",
    )
    return parser.parse_args(arguments)


def _own_tree(state_dir: Path) -> Path:
    """Return the work tree that nobody named, made if need be: every tool has to work from the first call on."""
    tree = state_dir / WORK_TREE
    try:
        tree.mkdir(exist_ok=True)
    except OSError as error:
        raise HandError(
            f"the work tree {tree} cannot be made: {error.strerror}; name another with --work-tree"
        ) from None
    return tree


def _directory(text: str) -> Path:
    """Check a directory: it has to be there."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no directory; name one that is there")
    return path.resolve()


def _label(text: str) -> str:
    """Check a version label: one short printable line."""
    if not text.strip() or len(text) > 64 or not text.isprintable():  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is no version label; give 1 to 64 printable characters")
    return text


def _default_state_dir() -> Path:
    """Return where to keep tasks without Switchover."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "switchover-reference"


if __name__ == "__main__":
    sys.exit(main())
