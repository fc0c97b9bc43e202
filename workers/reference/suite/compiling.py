"""Whether every Python file of a work tree compiles.

Above it stands `examination`, below it `process` and `compile_files`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from anyio import to_thread

from workers.reference.critics.opinion import Critic, Opinion, abstains
from workers.reference.suite.process import run
from workers.reference.suite.pytest_run import interpreter
from workers.reference.suite.work_tree import WorkTree

PROGRAM: Final = Path(__file__).with_name("compile_files.py")
MOST_TOLD: Final = 20
"""Files that do not compile that are named; the others are counted."""


async def compiles(tree: WorkTree, names: Sequence[str], seconds: float) -> Opinion:
    """Judge a tree by whether its files compile, as its own interpreter sees them.

    Args:
        tree: where they are.
        names: their paths in it.
        seconds: how long that may take.
    """
    if not names:
        return abstains(Critic.COMPILE, "there is no Python in the work tree")
    with tempfile.TemporaryDirectory(prefix="verify-") as scratch:
        listed = Path(scratch, "names.json")
        await to_thread.run_sync(listed.write_text, json.dumps(list(names)))
        python = interpreter(tree)
        command = [str(python), "-I", "-X", "utf8", str(PROGRAM), str(tree.root), str(listed)]
        ended = await run(python, command, directory=tree.root, seconds=seconds, with_errors=False)
    return opinion_on(ended.status, ended.output, len(names))


def opinion_on(status: int | None, output: bytes, files: int) -> Opinion:
    """Judge by what the program said; `status` is None when its time was over."""
    try:
        problems = json.loads(output) if status == 0 else None
    except ValueError:
        problems = None
    if not isinstance(problems, list):
        how = "was not through in time" if status is None else f"ended with status {status}"
        return abstains(Critic.COMPILE, f"the compiler {how}, so nobody knows whether the files compile")
    more = [f"and {len(problems) - MOST_TOLD} more do not compile"] if len(problems) > MOST_TOLD else []
    told = tuple([f"does not compile: {problem}" for problem in problems[:MOST_TOLD]] + more)
    return Opinion(Critic.COMPILE, not problems, 1 - len(problems) / files, told)
