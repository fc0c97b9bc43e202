"""Where requests may go, what a page's text is, and what an operator may set about the hands."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.reference.hands.addresses import is_allowed, resolved, target
from workers.reference.hands.chromium import executable, start_trouble
from workers.reference.hands.errors import HandError
from workers.reference.hands.gates import Further
from workers.reference.hands.settings import HandSettings
from workers.reference.hands.text import readable, tame

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd00::1",
    "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::1", "0.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]


@pytest.mark.requirement("HAND-4")
def test_private_addresses_are_out_of_bounds_however_they_are_wrapped() -> None:
    assert [text for text in PRIVATE if is_allowed(ipaddress.ip_address(text), ())] == []
    assert [text for text in PUBLIC if not is_allowed(ipaddress.ip_address(text), ())] == []


@pytest.mark.requirement("HAND-4")
def test_a_network_that_the_operator_names_may_be_reached() -> None:
    networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))
    assert is_allowed(ipaddress.ip_address("10.1.2.3"), networks)
    assert is_allowed(ipaddress.ip_address("fd00::5"), networks)
    assert is_allowed(ipaddress.ip_address("::ffff:10.1.2.3"), networks)
    assert not is_allowed(ipaddress.ip_address("10.2.0.1"), networks)


@pytest.mark.requirement("HAND-4")
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "017700000001", "localhost", "0", "::1", "::ffff:127.0.0.1"],
)
async def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(
        HandError, match="which is no public address; it can be allowed with SWITCHOVER_REFERENCE_NETWORKS="
    ):
        await resolved(host, 80, ())


@pytest.mark.requirement("HAND-4")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no web address"),
        ("example.org", "is no web address"),
        ("ftp://example.org/", "is no web address"),
        ("file:///etc/passwd", "is no web address"),
        ("javascript:alert(1)", "is no web address"),
        ("data:text/html,x", "is no web address"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://me:secret@example.org/", "names a user or a password"),
        ("http://example.org@10.0.0.1/", "names a user or a password"),
        ("http://exa mple.org/", "is no address"),
        ("http://example.org/\r\nX: y", "is no address"),
        ("http://example.org\\@10.0.0.1/", "is no address"),
        ("http://example.org:99999/", "is no address"),
        ("http://example.org/" + "x" * 2048, "at most 2048 are allowed"),
        ("http://[::1/", "is no address"),
    ],
)
def test_what_is_no_web_address_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(HandError, match=problem):
        target(text)


@pytest.mark.requirement("HAND-4")
def test_an_address_is_taken_apart_once_for_judging_and_connecting() -> None:
    assert [
        (place.host, place.port) for place in map(target, ("https://Example.org/x", "http://[::1]:81/", "http://a"))
    ] == [
        ("example.org", 443),
        ("::1", 81),
        ("a", 80),
    ]
    assert target("http://bücher.example/").host == "xn--bcher-kva.example"


@pytest.mark.requirement("HAND-4")
def test_readable_text_has_a_title_blocks_lists_and_no_scripts() -> None:
    page = (
        "<!doctype html><html><head><title>A &amp; b</title><style>p{}</style></head><body><h1>Hi"
        " <b>there</b></h1><!-- no -->"
        "<p>one  two<br>three</p><script>if (a<b) { x = '</p>' }</script>"
        "<ul><li>a</li><li>b</li></ul><pre>  x\n   y</pre><p>1 < 2"
    )
    assert readable(page) == ("A & b", "# Hi there\n\none two\nthree\n\n- a\n- b\n\n  x\n   y\n\n1 < 2")
    assert readable("<head><title>x</title><body>text") == ("x", "text"), "a head that is never closed"
    assert readable("no tags at all") == ("", "no tags at all")


@pytest.mark.requirement("HAND-4")
@pytest.mark.parametrize("piece", ["<!--", "<", "<a ", "</", "<?", "<!", "<![CDATA[", "<a b='", "--><!--", "<b>", "&"])
def test_hostile_html_reaches_the_parser_as_whole_tags_and_text_only(piece: str) -> None:
    tamed = tame(piece * (100_000 // len(piece)))
    assert not re.sub(r"</?[A-Za-z][^<>]{0,2000}>", "", tamed).count("<")
    assert isinstance(readable(piece * 1000), tuple)


@pytest.mark.requirement("HAND-4")
@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/!-a b&;='\"?[]", max_size=80))
def test_any_html_is_read_without_an_error(html: str) -> None:
    title, text = readable(html)
    assert isinstance(title, str)
    assert "\n\n\n" not in text


@pytest.mark.requirement("HAND-5")
def test_settings_are_read_from_the_environment() -> None:
    assert HandSettings.read({}) == HandSettings()
    given_settings = HandSettings.read(
        {
            "SWITCHOVER_CHROMIUM": "/opt/chromium",
            "SWITCHOVER_REFERENCE_BROWSERS": "3",
            "SWITCHOVER_REFERENCE_BROWSER_USER": "www-data",
            "SWITCHOVER_REFERENCE_NETWORKS": "127.0.0.0/8, ::1",
            "SWITCHOVER_REFERENCE_GATES": "ascii_only,read_only",
        }
    )
    assert given_settings == HandSettings(
        chromium="/opt/chromium",
        browsers=3,
        browser_user="www-data",
        networks=(ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")),
        further=Further(ascii_only=True, read_only=True),
    )


@pytest.mark.requirement("HAND-5")
@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("SWITCHOVER_REFERENCE_BROWSERS", "0", "must be a whole number from 1 to 8"),
        ("SWITCHOVER_REFERENCE_BROWSERS", "many", "must be a whole number from 1 to 8"),
        ("SWITCHOVER_REFERENCE_NETWORKS", "10.1.0.1/16", "holds '10.1.0.1/16', which is no network"),
        ("SWITCHOVER_REFERENCE_GATES", "all", "holds 'all'; it may hold ascii_only, no_quoted_operators, read_only"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(name: str, text: str, problem: str) -> None:
    with pytest.raises(HandError, match=f"{name} (is|holds).*") as error:
        HandSettings.read({name: text})
    assert problem in str(error.value)


@pytest.mark.requirement("HAND-5")
def test_a_missing_browser_is_said_with_how_to_get_one() -> None:
    with pytest.raises(
        HandError,
        match=r"no browser is installed .* on Debian run: apt-get install chromium, or set SWITCHOVER_CHROMIUM",
    ):
        executable(None, "/nonexistent")
    with pytest.raises(HandError, match="SWITCHOVER_CHROMIUM is '/nonexistent/chromium', which is no program"):
        executable("/nonexistent/chromium", "/usr/bin")


@pytest.mark.requirement("HAND-5")
def test_a_sandbox_that_cannot_be_had_is_said_and_not_left_out() -> None:
    said = "BrowserType.launch: Target closed\nFATAL:zygote_host_impl_linux.cc(128)] No usable sandbox! If you are"
    assert "keep SANDBOX_MODE at none" in start_trouble(said, sandboxed=True)
    assert start_trouble("boom\nmore", sandboxed=True) == "the browser did not start: boom"
    assert start_trouble("", sandboxed=False) == "the browser did not start: no reason given"
