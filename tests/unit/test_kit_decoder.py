"""One document decoded after the other: the same as each by itself, and what did not change is not decoded again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from switchover_kit import document
from switchover_kit.decoder import Decoder
from switchover_kit.document import Document, DocumentError

pytestmark = pytest.mark.requirement("FLAG-10")

KEYS = ("A", "AB", "ä", 'q"', "B{}")
VALUES: tuple[Any, ...] = (1, 12, "x", "},", 'ö"', None, [], {}, {"A": 1}, {"A": {"B": [1, "]"]}}, {"value": "on"})
flags_of_a_document = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES))


def payload(version: int, flags: Mapping[str, Any], **how: Any) -> bytes:
    """Return a document as the daemon writes it, or `how` else."""
    whole = {"format": 1, "flags_version": version, "flags": flags}
    return json.dumps(whole, **{"ensure_ascii": False, "separators": (",", ":"), **how}).encode()


def read_by(reader: Any, content: bytes) -> tuple[Document, list[str]] | str:
    """Return what a reader makes of a payload, the order of flags included."""
    try:
        found: Document = reader(content)
    except DocumentError as error:
        return str(error)
    return found, list(found.flags)


@settings(max_examples=150)
@given(st.lists(flags_of_a_document, max_size=8))
def test_documents_in_a_row_are_read_as_each_is_by_itself(row: list[dict[str, Any]]) -> None:
    decoder = Decoder()
    for version, flags in enumerate(row):
        content = payload(version, flags)
        assert read_by(decoder.read, content) == read_by(document.read, content)


@settings(max_examples=300)
@given(flags_of_a_document, st.data())
def test_bytes_that_are_put_in_or_taken_out_make_what_they_make_of_a_document_by_itself(
    flags: dict[str, Any], data: st.DataObject
) -> None:
    decoder, content = Decoder(), payload(1, flags)
    decoder.read(content)
    begin = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(begin, len(content)))
    pieces = st.sampled_from(
        [b"", b",", b"}", b'"', b'"A":1', b'"A":1,', b',"A":2', b"1", b"\xc3", b"NaN", b" ", b":{}"]
    )
    damaged = content[:begin] + data.draw(pieces) + content[end:]
    assert read_by(decoder.read, damaged) == read_by(document.read, damaged)
    assert read_by(decoder.read, content) == read_by(document.read, content)


@pytest.mark.parametrize("key", ["A", "ä", "B"])
@pytest.mark.parametrize("value", ["x", "much longer than before", ""])
def test_a_change_of_one_flag_leaves_the_others_the_objects_that_they_are(key: str, value: str) -> None:
    decoder = Decoder()
    flags = {name: {"value": "before", "of": name} for name in ("A", "ä", "B")}
    before = decoder.read(payload(1, flags)).flags
    for version, changed in ((2, value), (3, "after"), (4, value)):
        after = decoder.read(payload(version, flags | {key: {"value": changed}})).flags
        assert after[key] == {"value": changed}
        assert [name for name in flags if after[name] is not before[name]] == [key]
    assert before == flags


def test_a_new_version_of_the_same_flags_is_decoded_no_further() -> None:
    decoder = Decoder()
    before, after = (decoder.read(payload(version, {"A": {"value": "on"}})) for version in (1, 2))
    assert (before.flags_version, after.flags_version) == (1, 2)
    assert after.flags is before.flags


@pytest.mark.parametrize("how", [{"separators": None}, {"indent": 1}, {"sort_keys": True}, {"ensure_ascii": True}])
def test_a_document_that_is_written_otherwise_is_read_all_the_same(how: dict[str, Any]) -> None:
    decoder = Decoder()
    for version, value in ((1, "ö"), (2, "x")):
        assert decoder.read(payload(version, {"A": 1, "ä": value}, **how)) == Document(version, {"A": 1, "ä": value})
