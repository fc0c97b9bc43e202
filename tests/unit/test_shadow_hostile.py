"""What cannot be compared is never a pass and never a crash."""

from __future__ import annotations

import pytest

from orchestrator.domain.comparison import Answer, DifferenceClass, Kind, Sample, Verdict
from orchestrator.shadow.compare import compare
from orchestrator.shadow.profile import learn
from orchestrator.shadow.values import BYTES, Unreadable, read

GOOD = Sample(b'{"a": 1}')
BAD = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "cut": b'{"a": 1',
    "nothing": b"",
    "not UTF-8": b'{"a": "\xff"}',
    "half a pair of surrogates": b'{"a": "\\ud800"}',
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice, written otherwise": b'{"\\u0061": 1, "b": {"c": [], "c": 2}, "a": 2}',
    "a number beyond all floats": b'{"a": 1e999}',
}
BEYOND = {
    "20 MB": b'{"a": "' + b"x" * 20_000_000 + b'"}',
    "10,000 levels of lists": b"[" * 10_000 + b"]" * 10_000,
    "10,000 levels of maps": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "500 levels": b"[" * 500 + b"]" * 500,
}


@pytest.mark.requirement("SHADOW-4")
@pytest.mark.parametrize("name", BAD)
def test_a_body_that_readers_read_differently_is_a_class_and_no_pass(name: str) -> None:
    profile = learn("t", "f", [[GOOD, GOOD, Sample(BAD[name])]])
    assert profile.unread == 1
    new = compare(GOOD, Sample(BAD[name]), profile)
    assert (new.verdict, new.findings[0].kind) == (Verdict.DIFFERENT, Kind.UNREADABLE)
    for pair in ((Sample(BAD[name]), GOOD), (Sample(BAD[name]), Sample(BAD[name]))):
        old = compare(*pair, profile)
        assert (old.verdict, old.findings[0].difference_class) == (Verdict.INCOMPLETE, DifferenceClass.INCOMPLETE)


@pytest.mark.requirement("SHADOW-4")
@pytest.mark.parametrize("name", BEYOND)
def test_a_body_beyond_the_bounds_is_incomplete_on_either_side(name: str) -> None:
    body = Sample(BEYOND[name])
    for pair in ((GOOD, body), (body, GOOD), (body, body)):
        comparison = compare(*pair, None)
        assert (comparison.verdict, comparison.findings[0].kind) == (Verdict.INCOMPLETE, Kind.UNREADABLE)


@pytest.mark.requirement("SHADOW-4")
def test_a_body_that_was_cut_says_so_and_by_what_it_may_have_been() -> None:
    (found,) = compare(Sample(BAD["cut"]), Sample(BAD["cut"]), None).findings
    assert "no end" in found.rule
    assert "upgrade.answer_bytes" in found.rule


@pytest.mark.requirement("SHADOW-4")
def test_a_body_just_within_the_bounds_is_compared() -> None:
    text = b'{"a": "' + b"x" * (BYTES - 20) + b'%s"}'
    assert compare(Sample(text % b"y"), Sample(text % b"y"), None).verdict is Verdict.EQUAL
    assert compare(Sample(text % b"y"), Sample(text % b"z"), None).verdict is Verdict.DIFFERENT
    deep = b"[" * 100 + b"%s" + b"]" * 100
    assert compare(Sample(deep % b"1"), Sample(deep % b"2"), None).findings[0].kind is Kind.VALUE


@pytest.mark.requirement("SHADOW-4")
def test_integers_keep_all_digits() -> None:
    one, two = b'{"n": 123456789012345678901234567890}', b'{"n": 123456789012345678901234567891}'
    profile = learn("t", "f", [[Sample(one)] * 3])
    assert compare(Sample(one), Sample(one), profile).verdict is Verdict.EQUAL
    assert compare(Sample(one), Sample(two), profile).findings[0].kind is Kind.VALUE
    huge = [Sample(b'{"n": %d}' % (10**400 + at)) for at in range(6)]
    assert compare(huge[0], huge[1], learn("t", "f", [huge])).verdict is Verdict.EQUAL


@pytest.mark.requirement("SHADOW-4")
def test_equal_bytes_that_cannot_be_relied_on_do_not_count_as_equal() -> None:
    assert isinstance(read(b'{"a":1,"a":1}'), Unreadable)
    assert read('{"é": "\\u00e9"}'.encode()) == {"é": "é"}
    assert read(b'{"a": 1E2, "b": "\\/"}') == {"a": 100.0, "b": "/"}


@pytest.mark.requirement("SHADOW-5")
@pytest.mark.parametrize(
    ("control", "rehearsal", "verdict", "kind"),
    [
        (Answer.RESULT, Answer.TIMEOUT, Verdict.DIFFERENT, Kind.TIMEOUT),
        (Answer.TIMEOUT, Answer.RESULT, Verdict.INCOMPLETE, Kind.TIMEOUT),
        (Answer.TIMEOUT, Answer.TIMEOUT, Verdict.INCOMPLETE, Kind.TIMEOUT),
        (Answer.RESULT, Answer.REFUSED, Verdict.DIFFERENT, Kind.REFUSED),
        (Answer.REFUSED, Answer.RESULT, Verdict.DIFFERENT, Kind.REFUSED),
        (Answer.REFUSED, Answer.REFUSED, Verdict.INCOMPLETE, Kind.REFUSED),
        (Answer.RESULT, Answer.ERROR, Verdict.DIFFERENT, Kind.ERROR),
        (Answer.ERROR, Answer.RESULT, Verdict.DIFFERENT, Kind.ERROR),
        (Answer.RESULT, Answer.LOST, Verdict.DIFFERENT, Kind.ERROR),
        (Answer.LOST, Answer.LOST, Verdict.INCOMPLETE, Kind.ERROR),
    ],
)
def test_answers_that_end_otherwise_are_told_apart(
    control: Answer, rehearsal: Answer, verdict: Verdict, kind: Kind
) -> None:
    body = b'{"code": -32000, "message": "no"}'
    comparison = compare(Sample(body, answer=control), Sample(body, answer=rehearsal), None)
    assert (comparison.verdict, comparison.findings[0].kind) == (verdict, kind)


@pytest.mark.requirement("SHADOW-5")
def test_two_errors_are_compared_like_results() -> None:
    one, two = (Sample(b'{"code": -1, "message": "%s"}' % word, answer=Answer.ERROR) for word in (b"no", b"never"))
    assert compare(one, one, None).verdict is Verdict.EQUAL
    assert [found.kind for found in compare(one, two, None).findings] == [Kind.ERROR]


@pytest.mark.requirement("SHADOW-5")
def test_a_tool_that_says_it_failed_is_an_error() -> None:
    good, bad = (Sample(b'{"content": [], "isError": %s}' % word) for word in (b"false", b"true"))
    assert compare(good, bad, learn("t", "f", [[good] * 3])).findings[0].kind is Kind.ERROR


@pytest.mark.requirement("SHADOW-4")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'"{\\"b\\":1}"', b'{"<json>":{"b":1}}'),
        (b'"x\\ny\\nz"', b'{"<lines>":["x","y","z"]}'),
        (b'"x\\ny\\nz"', b'{"<\\u006cines>":["x","y","z"]}'),
        (b'{"<json>":{"b":1}}', b'{"<map>":{"<json>":{"b":1}}}'),
    ],
)
def test_a_map_that_looks_like_an_opened_text_is_none(text: bytes, value: bytes) -> None:
    old, new = Sample(b'{"a":' + text + b"}"), Sample(b'{"a":' + value + b"}")
    assert compare(old, new, learn("t", "f", [[old, old]])).verdict is Verdict.DIFFERENT
    assert compare(new, new, None).verdict is Verdict.EQUAL
