"""A generation's own copy of its source, so that editing the source never changes what already runs."""

from __future__ import annotations

import shutil
from collections.abc import Container
from pathlib import Path

from orchestrator.domain.errors import StartError
from orchestrator.domain.generation import Generation, Spec

FOLDER = "source"
IGNORED = shutil.ignore_patterns("__pycache__", ".git", "node_modules/.cache")


def prepare(generation: Generation, root: Path) -> Spec:
    """Make the private copy if there is none yet and return the spec that runs from it.

    Args:
        generation: its `spec.source` is the directory to copy; None leaves the spec as it is.
        root: the directory that holds `<number>/`.

    Raises:
        StartError: the source cannot be copied.
    """
    spec = generation.spec
    if spec.source is None:
        return spec
    target = root / str(generation.number) / FOLDER
    if not target.exists():
        _copy(Path(spec.source), target)
    return _relocated(spec, target)


def remove(number: int, root: Path) -> None:
    """Remove a retired generation's copy."""
    shutil.rmtree(root / str(number), ignore_errors=True)


def sweep(root: Path, kept: Container[int]) -> None:
    """Remove the copies of generations that are no more: a kill in the middle of a retirement leaves one behind."""
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.name.isdecimal() and int(folder.name) not in kept:
            remove(int(folder.name), root)


def _copy(source: Path, target: Path) -> None:
    """Copy next to the target and rename, so that a copy is whole or absent."""
    partial = target.with_name(f"{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, partial, symlinks=True, ignore=IGNORED)
        partial.rename(target)
    except (OSError, shutil.Error) as error:
        raise StartError(f"the source {source} cannot be copied to {target}: {error}") from error


def _relocated(spec: Spec, target: Path) -> Spec:
    """Point everything that lies in the source to the copy."""
    source = Path(spec.source or "")

    def moved(word: str) -> str:
        path = Path(word)
        return str(target / path.relative_to(source)) if path.is_absolute() and path.is_relative_to(source) else word

    return Spec(
        command=tuple(moved(word) for word in spec.command),
        cwd=moved(spec.cwd),
        env=spec.env,
        fingerprint=spec.fingerprint,
        source=spec.source,
    )
