"""What changed in a work tree, as git says.

Above it stands `examination`, below it `process` and git.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from workers.reference.suite.process import KEPT_BYTES, Ended, run
from workers.reference.suite.work_tree import WorkTree, WorkTreeError

SECONDS: Final = 10.0
"""How long git may take for one question."""

_REVISION: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@{}^~-]{0,199}")
_QUIET: Final = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "--no-optional-locks")


def require_revision(text: str) -> str:
    """Return what may be the name of a revision.

    Raises:
        WorkTreeError: it cannot be one.
    """
    if not _REVISION.fullmatch(text):
        raise WorkTreeError(f"{text!r} is no revision; name a commit, a branch or a tag")
    return text


async def changed_since(tree: WorkTree, revision: str | None) -> frozenset[str] | None:
    """Return the paths that differ from a revision, files that git does not know yet included.

    Args:
        tree: where to look.
        revision: what to compare with; None for what was committed last.

    Returns:
        The paths relative to the tree; None when it is not kept in git and no revision was named.

    Raises:
        WorkTreeError: there is no such revision, or git cannot say.
    """
    base = "HEAD" if revision is None else require_revision(revision)
    known = await _git(tree, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if known.status != 0:
        if revision is None:
            return None
        raise WorkTreeError(f"git knows no revision {base!r} in {tree.root}; name one that it knows, or name the files")
    hash_ = known.output.decode(errors="replace").strip()
    differing = await _git(
        tree, "diff", "--no-ext-diff", "--no-textconv", "--name-only", "--no-renames", "-z", "--relative", hash_, "--"
    )
    unknown = await _git(tree, "ls-files", "--others", "--exclude-standard", "-z")
    return frozenset(path for ended in (differing, unknown) for path in _paths(ended, tree))


def _paths(ended: Ended, tree: WorkTree) -> list[str]:
    if ended.status != 0:
        raise WorkTreeError(f"git cannot say what changed in {tree.root}; name the files instead")
    if len(ended.output) >= KEPT_BYTES:
        raise WorkTreeError(f"too much changed in {tree.root}; compare with a revision nearer by")
    return [path.decode(errors="surrogateescape") for path in ended.output.split(b"\0") if path]


async def _git(tree: WorkTree, *words: str) -> Ended:
    """Ask git; where there is none, the status says no more than that it failed."""
    return await run(Path(sys.executable), [*_QUIET, *words], directory=tree.root, seconds=SECONDS, with_errors=False)
