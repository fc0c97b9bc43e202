"""What the bridge's ends hand on of bytes that are no line a daemon takes."""

from __future__ import annotations

import pytest

from orchestrator.bridge.ends import NOT_UTF8, _Reader


@pytest.mark.requirement("CONN-1")
def test_a_line_that_is_not_utf8_is_handed_on_as_one_that_is_no_json() -> None:
    lines: list[bytes] = []
    reader = _Reader(lines.extend)
    data = b'{"x":"\xff"}\n{"id":1}\n'
    reader.get_buffer(-1)[: len(data)] = data
    reader.buffer_updated(len(data))
    assert lines == [NOT_UTF8, b'{"id":1}']
