"""The kit as a package of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import switchover_kit

KIT = Path(switchover_kit.__file__).parents[1]
SCRIPT = """
import json, sys
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import switchover_kit
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


def test_the_kit_imports_alone_and_brings_nothing_but_the_standard_library() -> None:
    # -I -S: no site-packages, no PYTHONPATH, no working directory.
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, str(KIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    loaded = set(json.loads(done.stdout))
    assert "switchover_kit" in loaded
    generated = {name for name in loaded if name.startswith("_sysconfigdata_")}  # the library's own, named by platform
    assert loaded - {"switchover_kit"} - generated <= sys.stdlib_module_names


def test_the_kit_has_its_own_typed_package_without_dependencies() -> None:
    project = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]
    assert (project["name"], project["dependencies"]) == ("switchover-kit", [])
    assert (KIT / "switchover_kit" / "py.typed").exists()
