"""Finding the line of each key in a TOML text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.settings.lines import Place, find_lines, line_of

TEXT = '''\
# comment [not.a.table]
top = 1
a.b.c = "x # no comment"   # comment
a."d.e" = 'y'

[t] # comment
text = """
[not.a.table]
key = "quoted \\""" inside"
""""
literal = \'\'\'
x = 1\'\'\'
when = 1979-05-27 07:32:00
list = [
  1, # one
  [2, 3],
  { in = "line",
    other = 2 },
]
inline = { x = 1, y.z = { deep = [] } }
[ t . "sub table" ]
k = true
[[many]]
one = 1
[[many]]
one = 2
'''.replace("    other = 2 },", "other = 2 },").replace('"line",\n', '"line", ')


def test_each_kind_of_key_is_found_on_its_line() -> None:
    found = find_lines(TEXT)
    numbers = {line.partition(" ")[0]: number for number, line in enumerate(TEXT.splitlines(), 1)}
    assert found[("top",)] == 2
    assert found[("a",)] == found[("a", "b", "c")] == 3
    assert found[("a", "d.e")] == 4
    assert found[("t",)] == numbers["[t]"]
    assert found[("t", "literal")] == numbers["literal"]
    assert found[("t", "when")] == numbers["when"]
    assert found[("t", "list", 1, 0)] == numbers["list"] + 2
    assert found[("t", "list", 2, "other")] == numbers["list"] + 3
    assert found[("t", "inline", "y", "z", "deep")] == numbers["inline"]
    assert found[("t", "sub table", "k")] == numbers["k"]
    assert found[("many", "one")] == numbers["one"] - 2
    assert ("not",) not in found


def test_a_place_that_is_not_there_goes_by_the_table_around_it() -> None:
    found = find_lines("[a]\nb = 1")
    assert line_of(found, ("a", "b", "c", 0)) == 2
    assert line_of(found, ("a", "x")) == 1
    assert line_of(found, ("x",)) is None


def test_text_nested_too_deeply_to_follow_gives_what_was_found_before() -> None:
    found = find_lines("a = 1\nb = " + "[" * 5000 + "]" * 5000)
    assert found[("a",)] == 1
    assert found[("b",)] == 2


def test_windows_line_ends_count_once() -> None:
    assert find_lines("a = 1\r\n\r\nb = '''\r\n'''\r\nc = 1\r\n")[("c",)] == 5


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1"])
def test_a_short_text_ends(text: str) -> None:
    assert set(find_lines(text)) == ({("a",)} if "=" in text else set())


BARE = st.text("abcdefgh_-0123456789", min_size=1, max_size=4)
KEYS = st.one_of(BARE, st.text(max_size=4).filter(lambda text: not any(0xD800 <= ord(one) < 0xE000 for one in text)))
SCALARS = st.one_of(
    st.integers(-(10**9), 10**9),
    st.booleans(),
    st.floats(allow_nan=False),
    st.text("ab'\"\\#[]{}=,.\n\t é🙂", max_size=12),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.data())
def test_every_place_of_any_document_is_found_on_the_line_it_was_written(document: dict, data: st.DataObject) -> None:
    writer = Toml(data)
    for key, value in document.items():
        writer.gap()
        writer.pair((), key, value)
        writer.put("\n")
    assert tomllib.loads(writer.text) == document
    assert find_lines(writer.text) == writer.lines


class Toml:
    """Writes TOML in ever different ways and remembers the line of every place."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self.text = ""
        self.lines: dict[Place, int] = {}

    def put(self, text: str) -> None:
        self.text += text

    def choose(self, *options: str) -> str:
        return self._data.draw(st.sampled_from(options))

    def gap(self) -> None:
        self.put(self.choose("", "\n", "  ", "# comment ' \" [x] = {\n", "\t\n\n"))

    def pair(self, around: Place, key: str, value: Any) -> None:
        place = (*around, key)
        self.lines[place] = self.text.count("\n") + 1
        self.put(quoted(key) + self.choose("=", " = ", "\t="))
        self.value(place, value)

    def value(self, place: Place, value: Any) -> None:
        if isinstance(value, dict):
            self.put("{")
            for comma, (key, inner) in zip(commas(), value.items(), strict=False):
                self.put(comma + " ")
                self.pair(place, key, inner)
            self.put("}")
        elif isinstance(value, list):
            self.put("[")
            for comma, (index, inner) in zip(commas(), enumerate(value), strict=False):
                self.put(comma)
                self.gap()
                self.lines[(*place, index)] = self.text.count("\n") + 1
                self.value((*place, index), inner)
            self.put(self.choose("", "\n", ", # end\n" if value else "") + "]")
        else:
            self.put(self.scalar(value))

    def scalar(self, value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if not isinstance(value, str):
            return repr(value)
        styles = [quoted(value, always=True), '"""\n' + escaped(value, keep="\n") + '"""']
        if "'" not in value:
            styles.append("'''\n" + value + "'''")
            if "\n" not in value:
                styles.append(f"'{value}'")
        return self.choose(*styles)


def commas() -> Iterator[str]:
    yield ""
    while True:
        yield ","


def quoted(text: str, *, always: bool = False) -> str:
    bare = text and all(one in "abcdefgh_-0123456789" for one in text)
    return text if bare and not always else f'"{escaped(text)}"'


def escaped(text: str, keep: str = "") -> str:
    return "".join(one if (one.isalnum() or one in keep) else f"\\U{ord(one):08x}" for one in text)
