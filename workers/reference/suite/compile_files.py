"""A program of its own: compiles every Python file named in a list and prints what is wrong with them as JSON.

It runs on the work tree's interpreter and apart from the worker, so that no source can harm that.  `compiling` starts
it as ``python -I compile_files.py ROOT LIST``; it imports nothing but the standard library, and writes nothing.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path


def problem_of(root: Path, name: str) -> str | None:
    """Return what is wrong with a file, None when nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", SyntaxWarning)  # such as `is` with a literal: never meant, always a mistake
        try:
            compile((root / name).read_bytes(), name, "exec", dont_inherit=True)
        except SyntaxError as error:
            return f"{name}:{error.lineno or 1}: {error.msg}"
        except (ValueError, RecursionError, MemoryError, OSError) as error:
            return f"{name}: {type(error).__name__}: {error}"
    return None


def main() -> None:
    """Compile what the list names."""
    root, listed = Path(sys.argv[1]), Path(sys.argv[2])
    names = json.loads(listed.read_text())
    found = [problem for name in names if (problem := problem_of(root, name)) is not None]
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
