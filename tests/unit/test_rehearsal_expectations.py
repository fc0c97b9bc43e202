"""What a suite expects is looked for in what the answer says, and an answer is shown without a part of a secret."""

from __future__ import annotations

import json

import pytest

from orchestrator.rehearsal.detector import look
from orchestrator.rehearsal.expectations import HIDDEN, SHOWN, contains, unmet
from orchestrator.rehearsal.redact import Redactor
from orchestrator.rehearsal.samples import Answer, Part, Taken
from orchestrator.rehearsal.suite import Case, Expect

TOKEN = "sk-live-" + "Ab3dEf6hIj9lMn2pQr5t"


@pytest.mark.requirement("REH-11")
@pytest.mark.parametrize("wanted", ["Zürich", 'say "hi"', "two\nlines", "back\\slash", '"text":', "isError"])
def test_a_text_is_found_however_the_answer_spells_it(wanted: str) -> None:
    body = json.dumps({"content": [{"type": "text", "text": 'Zürich, say "hi"\ntwo\nlines back\\slash'}], "isError": 0})
    assert contains(body.encode(), wanted)


@pytest.mark.requirement("REH-11")
def test_what_is_not_said_is_not_found_and_neither_is_anything_in_what_cannot_be_read() -> None:
    assert not contains(b'{"a": "b"}', "ab")
    assert not contains(b"[" * 5000, "a")
    assert contains(b"no JSON \xff", "no JSON")


@pytest.mark.requirement("REH-9")
@pytest.mark.parametrize("at", [SHOWN - 40, SHOWN - 20, SHOWN - 9, HIDDEN - 12])
def test_an_answer_is_cut_after_secrets_were_taken_out(at: int) -> None:
    body = json.dumps({"x": "y " * (at // 2 - 4) + " " + TOKEN + " and more" * 99})
    case = Case(tool="t", name="t", expect=Expect(contains=["nowhere"]))
    sample = Taken("t", "t", Part.REHEARSAL, 0, 0, 0.0, 0.0, Answer.RESULT, body.encode())
    (found,) = unmet(case, [sample], Redactor(b"k").text)
    assert TOKEN[:9] not in found.rehearsal
    assert len(found.rehearsal) <= SHOWN
    assert look(found.rehearsal) == []
