"""`switchover samples export` on the command line: where it writes, against a daemon that a test plays."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import samples
from orchestrator.cli.errors import UnreachableError
from orchestrator.cli.group import switchover

pytestmark = pytest.mark.requirement("SAMPLE-10")

EXPORTED = b'{"type":"header"}\n{"type":"sample"}\n'


@pytest.fixture(autouse=True)
def daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export one sample."""

    def fetch(_paths: object, _query: str, out: BinaryIO) -> int:
        out.write(EXPORTED)
        return EXPORTED.count(b"\n")

    monkeypatch.setattr(samples, "_fetch", fetch)


def export(file: Path) -> Result:
    return CliRunner().invoke(switchover, ["samples", "export", "-o", str(file), "--state-dir", str(file.parent)])


def test_a_device_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert export(pipe).output == f"1 samples and pairs in {pipe}\n"
        assert os.read(reader, 4096) == EXPORTED
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_file_that_a_link_leads_to_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "newest").symlink_to("one.jsonl")
    for _ in range(2):
        assert export(tmp_path / "newest").exit_code == 0
        assert (tmp_path / "newest").is_symlink()
        assert (tmp_path / "one.jsonl").read_bytes() == EXPORTED


def test_an_export_that_breaks_off_leaves_the_file_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_paths: object, _query: str, out: BinaryIO) -> Any:
        out.write(EXPORTED[:5])
        raise UnreachableError("gone")

    file = tmp_path / "samples.jsonl"
    file.write_bytes(b"before")
    monkeypatch.setattr(samples, "_fetch", broken)
    assert export(file).exit_code == 3
    assert (file.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (b"before", [file.name])


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    told = export(tmp_path / "none" / "samples.jsonl")
    assert (told.exit_code, "cannot write" in told.stderr) == (1, True)
