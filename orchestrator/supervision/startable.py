"""Whether a version can be started at all, before anything is begun with it.

Above: `api.rollouts.verbs` asks.  Below: `process`, which finds the same out when it starts one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orchestrator.domain.errors import StartError
from orchestrator.domain.generation import Spec
from orchestrator.supervision.process import check


def unstartable(spec: Spec, environ: Mapping[str, str]) -> str:
    """Say why a version cannot be started, "" where nothing speaks against it.

    What lies in its source is left to the start: a rehearsal may build it.

    Args:
        spec: the version.
        environ: the daemon's environment; the version's own variables come before it.
    """
    place = Path(spec.cwd) / spec.command[0]
    if spec.source is not None and any(path.is_relative_to(spec.source) for path in (Path(spec.cwd), place)):
        return ""
    try:
        check(spec.command, spec.cwd, spec.env.get("PATH", environ.get("PATH")))
    except StartError as error:
        return str(error)
    return ""
