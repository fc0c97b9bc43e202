"""Files in the work tree: what leaves it, what is no file, and that a write is whole or nothing."""

from __future__ import annotations

import ctypes
import hashlib
import os
import socket
import stat
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workers.reference.hands import tree as tree_module
from workers.reference.hands.errors import HandError
from workers.reference.hands.tree import Tree

pytestmark = pytest.mark.requirement("HAND-3")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Return a work tree with a file in it and a secret beside it."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.txt").write_text("hello")
    return Tree(root, most_bytes=100)


def listing(tree: Tree) -> dict[str, str]:
    """Return all files below the tree's parent with what they hold."""
    top = tree.root.parent
    return {
        str(path.relative_to(top)): path.read_text()
        for path in sorted(top.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step (renameat2(2) with RENAME_EXCHANGE)."""
    here = -100  # AT_FDCWD
    assert ctypes.CDLL(None).renameat2(here, bytes(one), here, bytes(other), 2) == 0


def test_a_file_is_read_with_its_size_and_digest(tree: Tree) -> None:
    found = tree.read("a.txt")
    assert (found.text, found.size, found.sha256) == ("hello", 5, hashlib.sha256(b"hello").hexdigest())
    assert tree.read("./a.txt").text == "hello"


def test_what_is_written_is_read_again_and_missing_folders_are_made(tree: Tree) -> None:
    done = tree.write("new/deep/Grüße.txt", "été\n")
    assert (done.created, done.size) == (True, 6)
    assert tree.read("new/deep/Grüße.txt").text == "été\n"
    again = tree.write("new/deep/Grüße.txt", "")
    assert (again.created, again.size, tree.read("new/deep/Grüße.txt").text) == (False, 0, "")


@pytest.mark.parametrize(
    "path",
    [
        "../secret", "..", "a/../../secret", "./../secret", "/etc/passwd", "//etc/passwd", "", ".", "./", "/", "new/",
        "a.txt/",
        "x\0y", "x\ny", "x\u202ey",
        "x" * 256, "é" * 128, "/".join("x" * 40), "\ud800", "a/./../../secret",
    ],
)  # fmt: skip
def test_a_path_that_names_no_file_in_the_tree_is_refused_for_both(tree: Tree, path: str) -> None:
    before = listing(tree)
    with pytest.raises(HandError):
        tree.read(path)
    with pytest.raises(HandError):
        tree.write(path, "x")
    assert listing(tree) == before


@pytest.mark.parametrize("path", [".git/config", ".git/hooks/pre-commit", "a/.GIT/x", ".Git", "sub/.git", ".git./x"])
def test_gits_own_folder_is_not_written_to(tree: Tree, path: str) -> None:
    with pytest.raises(HandError, match="only git itself writes there"):
        tree.write(path, "x")


def test_links_are_not_followed_whether_they_lead_out_or_not(tree: Tree) -> None:
    (tree.root / "file").symlink_to("../secret")
    (tree.root / "inner").symlink_to("a.txt")
    (tree.root / "folder").symlink_to("..")
    (tree.root / "loop").symlink_to("loop")
    for path in ("file", "inner", "folder/secret", "loop", "folder/root/a.txt"):
        with pytest.raises(HandError, match="symbolic link"):
            tree.read(path)
        with pytest.raises(HandError, match="symbolic link"):
            tree.write(path, "x")
    assert listing(tree) == {"root/a.txt": "hello", "secret": "secret"}


def test_a_folder_swapped_for_a_link_again_and_again_never_lets_anything_out(tree: Tree) -> None:
    outside = tree.root.parent / "outside"
    outside.mkdir()
    (outside / "x").write_text("secret")
    folder, link = tree.root / "d", tree.root / "link"
    folder.mkdir()
    (folder / "x").write_text("inside")
    link.symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            exchange(folder, link)

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen: set[str] = set()
    both, bound = {"inside", "refused"}, time.monotonic() + 30.0
    try:
        for tried in count():
            if tried >= 300 and (seen >= both or time.monotonic() > bound):
                break
            for work in (lambda: seen.add(tree.read("d/x").text), lambda: tree.write("d/x", "inside")):
                try:
                    work()
                except HandError:
                    seen.add("refused")
    finally:
        over.set()
        swapping.join(10)
    assert "secret" not in seen
    assert seen >= both, "the race was on"
    assert (outside / "x").read_text() == "secret"
    assert [path.name for path in outside.iterdir()] == ["x"]


def test_what_is_no_regular_file_is_named_for_what_it_is(tree: Tree) -> None:
    os.mkfifo(tree.root / "pipe")
    (tree.root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tree.root / "s"))
    for path, kind in {"pipe": "a pipe", "folder": "a folder", "s": "a socket"}.items():
        for work in (lambda path=path: tree.read(path), lambda path=path: tree.write(path, "x")):
            with pytest.raises(HandError, match=f"{path} is {kind}; give the path of a regular file"):
                work()
    assert stat.S_ISFIFO((tree.root / "pipe").stat().st_mode)


def test_a_file_in_a_folders_place_is_said(tree: Tree) -> None:
    with pytest.raises(HandError, match=r"a\.txt is no folder"):
        tree.read("a.txt/b")


def test_what_is_not_there_is_said(tree: Tree) -> None:
    for path in ("b.txt", "none/b.txt"):
        with pytest.raises(HandError, match=f"there is no file {path} in the work tree"):
            tree.read(path)
    with pytest.raises(HandError, match="cannot be used: No such file or directory; create it first"):
        Tree(tree.root / "none").read("x")


def test_sizes_are_bounded_both_ways(tree: Tree) -> None:
    (tree.root / "big").write_bytes(b"x" * 101)
    (tree.root / "full").write_bytes(b"x" * 100)
    assert tree.read("full").size == 100
    with pytest.raises(HandError, match="longer than 100 bytes"):
        tree.read("big")
    with pytest.raises(HandError, match="has 102 bytes; at most 100"):
        tree.write("a.txt", "é" * 51)
    assert tree.read("a.txt").text == "hello"


def test_a_huge_sparse_file_is_refused_without_reading_it(tree: Tree) -> None:
    with (tree.root / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(HandError, match="longer than 100 bytes"):
        tree.read("huge")


def test_what_is_not_utf_8_is_refused_with_the_place(tree: Tree) -> None:
    (tree.root / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(HandError, match=r"latin is not UTF-8 text \(byte 3 is 0xe9\)"):
        tree.read("latin")
    with pytest.raises(HandError, match="half of a surrogate pair"):
        tree.write("x", "a\ud83d")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tree_module.os, "fsync", full)
    with pytest.raises(HandError, match=r"a\.txt cannot be used: No space left on device"):
        tree.write("a.txt", "new")
    assert listing(tree) == {"root/a.txt": "hello", "secret": "secret"}


def test_a_replaced_file_keeps_its_rights_but_no_special_ones(tree: Tree) -> None:
    (tree.root / "a.txt").chmod(0o4750)
    tree.write("a.txt", "new")
    assert stat.S_IMODE((tree.root / "a.txt").stat().st_mode) == 0o750


def test_another_name_of_the_same_file_keeps_the_old_content(tree: Tree) -> None:
    (tree.root / "other").hardlink_to(tree.root.parent / "secret")
    tree.write("other", "new")
    assert (tree.root.parent / "secret").read_text() == "secret"


def test_a_command_may_name_only_what_really_is_inside(tree: Tree) -> None:
    (tree.root / "out").symlink_to("..")
    (tree.root / "in").symlink_to("a.txt")
    (tree.root / "gone").symlink_to("../nothing")
    for path in ("a.txt", ".", "in", "not-there", "not/there"):
        tree.require_inside(path)
    for path in ("out", "out/secret", "gone"):
        with pytest.raises(HandError, match="leads out of the work tree through a link"):
            tree.require_inside(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "", "root", "secret", "a.txt", "x", "/", "\\", "~", "%2e%2e"]), max_size=6))
def test_no_path_made_of_tricks_reaches_the_secret(tree: Tree, names: list[str]) -> None:
    try:
        tree.write("/".join(names), "mine")
        assert "secret" not in tree.read("/".join(names)).text
    except HandError:
        pass
    assert (tree.root.parent / "secret").read_text() == "secret"
    assert {path.name for path in tree.root.parent.iterdir()} == {"root", "secret"}
