"""What builds, tests and rehearsed processes print is kept without secrets, also those of many lines or long ones."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest

from orchestrator.rehearsal.commands import LAST_WORD, LONGEST_LINE, Log
from orchestrator.rehearsal.detector import PART, look
from orchestrator.rehearsal.processes import LAST_LETTERS, Tail
from orchestrator.rehearsal.redact import Redactor

pytestmark = pytest.mark.requirement("REH-9")

REDACTOR = Redactor(b"k" * 32)
TOKEN = "sk-live-" + "Ab3dEf6hIj9lMn2pQr5t"
RNG = random.Random(5)
BODY = [base64.b64encode(RNG.randbytes(48)).decode() for _ in range(100)]
"""Lines as those of a private key, a certificate or a file in a mail."""
KEY = "\n".join(["-----BEGIN RSA " + "PRIVATE KEY-----", *BODY[:26], "-----END RSA PRIVATE KEY-----", "done", ""])


def logged(path: Path, *chunks: str) -> str:
    log = Log(path, 1 << 20, REDACTOR)
    for chunk in chunks:
        log.write(chunk.encode())
    log.close()
    return path.read_text()


@pytest.mark.parametrize("size", [7, 64, 10_000])
def test_of_a_private_key_that_a_build_prints_no_line_is_kept_however_it_is_cut_up(tmp_path: Path, size: int) -> None:
    text = logged(tmp_path / "build.log", *(KEY[at : at + size] for at in range(0, len(KEY), size)))
    assert not [line for line in BODY if line in text]
    assert text.endswith("done\n")
    assert look(text) == []


def test_of_a_private_key_that_a_process_prints_no_line_is_told() -> None:
    tail = Tail(REDACTOR)
    tail.data_received("\n".join(["-----BEGIN " + "PRIVATE KEY-----", *BODY[:9]]).encode())
    tail.connection_lost(None)
    assert not [line for line in BODY if line[:20] in tail.text]


def test_lines_of_base64_are_hidden_and_found_also_where_they_hold_a_slash_and_paths_are_neither() -> None:
    for line in BODY:
        assert line not in REDACTOR.text(f"{line}\n"), line
        assert look(REDACTOR.text(f"x {line}")) == []
        assert look(f"x\n{line}"), line
    path = "/home/Someone/projects/switchover2/tests/Integration/Some3Folder/another/deep/one/of/them"
    assert REDACTOR.text(path) == path
    assert look(path) == []


def test_a_secret_is_taken_out_before_a_line_is_cut(tmp_path: Path) -> None:
    line = "y" * (LAST_LETTERS - 12) + " " + TOKEN
    log, tail = Log(tmp_path / "test.log", 1 << 20, REDACTOR), Tail(REDACTOR)
    log.write(line.encode() + b"\n")
    tail.data_received(line.encode() + b"\n" + b"z" * (1 << 17) + b"\n")
    log.close()
    for told in (*log.last, tail.text):
        assert TOKEN[:10] not in told
        assert "<redacted" in told


@pytest.mark.parametrize("value", [TOKEN, "password: hunter2hunter2"])
@pytest.mark.parametrize("shift", [0, 6, 14])
def test_a_line_too_long_to_be_kept_whole_is_parted_between_words(tmp_path: Path, value: str, shift: int) -> None:
    line = "y" * (LONGEST_LINE - LAST_WORD) + " word" * 200 + " " * (18 + shift) + value + " and more" * 9000
    text = logged(tmp_path / "build.log", line[: LONGEST_LINE + 10], line[LONGEST_LINE + 10 :], "\n")
    assert value[-10:] not in text
    assert len(text.splitlines()) > 1


def test_a_leak_is_told_by_its_line_however_long_the_file_is() -> None:
    lines = ["a plain line of a log, as there are many"] * (3 * PART // 40)
    lines[-3] = TOKEN
    assert [(leak.line, leak.rule) for leak in look("\n".join(lines))] == [(len(lines) - 2, "issued token")]
