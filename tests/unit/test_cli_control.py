"""Verbs that find nobody on the control socket: told so in words, with nothing left open."""

from __future__ import annotations

import gc
import socket
from pathlib import Path

import pytest

from orchestrator.cli.control import ask, paths_of
from orchestrator.cli.errors import UnreachableError

pytestmark = pytest.mark.requirement("CLI-1")


def refused(state_dir: Path) -> UnreachableError:
    with pytest.raises(UnreachableError, match=r"no daemon answers on .*; start one with: switchover serve") as caught:
        ask(paths_of(state_dir), "GET", "/v1/status")
    return caught.value


def test_nobody_listening_is_exit_status_3_and_leaves_no_socket_open(tmp_path: Path) -> None:
    assert refused(tmp_path).exit_code == 3
    gc.collect()  # a socket left open would be closed here, with a warning, which is an error in these tests


def test_a_stale_socket_is_exit_status_3(tmp_path: Path) -> None:
    place = paths_of(tmp_path).control_socket
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(place))
    assert refused(tmp_path).exit_code == 3
