"""Tokens with gates: made where all are open, taken back when the flags decide otherwise, and nothing by accident."""

from __future__ import annotations

import hmac
from pathlib import Path

import jwt
import pytest
from gates_story import StoryClock, StoryFlags

from orchestrator.access.judge import Judge
from orchestrator.access.key import NAME, Purpose, key_for, load_key
from orchestrator.access.rules import Rules
from orchestrator.access.service import AccessService
from orchestrator.domain.access import AccessError, Caller, GatesDeniedError, TokenRefusedError
from orchestrator.domain.errors import SettingsError

KEY = b"k" * 32
OPERATOR = Caller("root (uid 0)", trusted=True)


class World:
    """One access room over flags of a story."""

    def __init__(self, rules: Rules | None = None, **flags: object) -> None:
        self.flags, self.clock = StoryFlags(**flags), StoryClock()
        self.judge = Judge(self.flags, rules or Rules())
        self.access = AccessService(self.judge, KEY, self.clock)

    def token(self, *gates: str, subject: str = "ann") -> str:
        """Have a token made."""
        return self.access.issue(OPERATOR, subject, {}, gates).token

    def signed(self, **claims: object) -> str:
        """Sign claims with the room's own key, as an older program may have."""
        return jwt.encode({"exp": self.clock.now + 60, **claims}, KEY, algorithm="HS256")


@pytest.mark.requirement("FLAG-60")
def test_a_token_carries_the_decisions_the_flags_version_and_its_end() -> None:
    world = World(beta={"ann"}, deploy=True)
    issued = world.access.issue(OPERATOR, "ann", {"team": "core"}, ["beta", "deploy"], 60)
    claims = jwt.decode(issued.token, KEY, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False})
    assert claims["gates"] == {"beta": True, "deploy": True}
    assert (claims["sub"], claims["flags_version"], claims["attributes"]) == ("ann", 1, {"team": "core"})
    assert claims["exp"] - claims["iat"] == 60
    assert world.access.caller(issued.token) == Caller(
        "ann", attributes={"team": "core"}, gates={"beta": True, "deploy": True}
    )


@pytest.mark.requirement("FLAG-60")
def test_a_token_with_a_closed_gate_is_not_made_and_every_closed_gate_is_named() -> None:
    world = World(beta={"bob"}, deploy=True)
    with pytest.raises(GatesDeniedError, match=r"closed to ann: beta: .*; gone: there is no such flag") as caught:
        world.access.issue(OPERATOR, "ann", {}, ["beta", "deploy", "gone"])
    assert set(caught.value.denied) == {"beta", "gone"}


@pytest.mark.requirement("FLAG-61")
@pytest.mark.parametrize("value", ["true", "1", 1, "on", None, [True], {"open": True}])
def test_nothing_but_true_itself_opens_a_gate(value: object) -> None:
    with pytest.raises(GatesDeniedError):
        World(beta=value).token("beta")


@pytest.mark.requirement("FLAG-60")
def test_a_life_longer_than_allowed_is_cut() -> None:
    world = World(Rules(ttl=100), beta=True)
    claims = world.access.issue(OPERATOR, "ann", {}, ["beta"], 1000).claims
    assert claims["exp"] - claims["iat"] == 100


@pytest.mark.requirement("FLAG-60")
def test_who_is_not_trusted_asks_for_itself_alone_with_the_attributes_of_its_token() -> None:
    world = World(beta=True)
    issued = world.access.issue(OPERATOR, "ann", {"team": "core"}, ["beta"])
    ann = world.access.caller(issued.token)
    assert ann is not None
    assert world.access.issue(ann, "ann", {}, ["beta"]).claims["attributes"] == {"team": "core"}
    with pytest.raises(AccessError, match="for itself alone, not for bob"):
        world.access.issue(ann, "bob", {}, ["beta"])
    with pytest.raises(AccessError, match="keeps the attributes"):
        world.access.issue(ann, "ann", {"team": "owners"}, ["beta"])


@pytest.mark.requirement("FLAG-62")
def test_a_token_is_revoked_when_a_later_version_decides_otherwise_for_its_subject() -> None:
    world = World(beta={"ann", "bob"})
    anns, bobs = world.token("beta"), world.token("beta", subject="bob")
    assert world.access.caller(anns) is not None
    world.flags.change(beta={"bob"})
    with pytest.raises(TokenRefusedError, match="revoked: beta is closed to ann"):
        world.access.caller(anns)
    assert world.access.caller(bobs) is not None


@pytest.mark.requirement("FLAG-62")
def test_the_flags_are_asked_again_only_when_their_version_has_moved() -> None:
    world = World(beta=True)
    token = world.token("beta")
    for _ in range(3):
        world.access.caller(token)
    assert len(world.flags.asked) == 2, "once to make it, once to look at it"
    world.flags.change(other=1)
    world.access.caller(token)
    world.access.caller(token)
    assert len(world.flags.asked) == 3


@pytest.mark.requirement("FLAG-62")
def test_a_revoked_token_stays_refused_however_often_it_is_shown() -> None:
    world = World(beta=True)
    token = world.token("beta")
    world.access.caller(token)
    world.flags.change(beta=False)
    for _ in range(2):
        with pytest.raises(TokenRefusedError):
            world.access.caller(token)


@pytest.mark.requirement("FLAG-60")
def test_an_expired_token_is_refused_also_when_it_was_looked_at_before() -> None:
    world = World(beta=True)
    token = world.access.issue(OPERATOR, "ann", {}, ["beta"], 60).token
    assert world.access.caller(token) is not None
    world.clock.now += 60
    with pytest.raises(TokenRefusedError, match="expired"):
        world.access.caller(token)


@pytest.mark.requirement("FLAG-60")
def test_what_was_not_signed_here_is_nobodys() -> None:
    world = World(beta=True)
    token = world.token("beta")
    head, body, signature = token.split(".")
    strange = jwt.encode({"sub": "ann", "exp": world.clock.now + 60}, b"x" * 32, algorithm="HS256")
    unsigned = jwt.encode({"sub": "ann", "exp": world.clock.now + 60}, "", algorithm="none")
    for other in (strange, unsigned, f"{head}.{body}.{signature[::-1]}", "a.b.c", "..", "\udcff.\udcff.x"):
        assert world.access.caller(other) is None


@pytest.mark.requirement("FLAG-63")
def test_an_older_token_with_an_accepted_claim_opens_every_gate_and_only_where_that_is_configured() -> None:
    plain, legacy = World(), World(Rules(admin_claims=("is_admin",)))
    token = plain.signed(sub="root", is_admin=True)
    with pytest.raises(TokenRefusedError, match="no decisions of ours"):
        plain.access.caller(token)
    caller = legacy.access.caller(token)
    assert caller is not None
    assert caller.admin == "is_admin"
    assert legacy.judge.judge("whatever", caller).open


@pytest.mark.requirement("FLAG-63", "FLAG-61")
@pytest.mark.parametrize("claim", ["true", 1, "yes", None])
def test_an_older_claim_counts_only_when_it_is_true_itself(claim: object) -> None:
    world = World(Rules(admin_claims=("is_admin",)))
    with pytest.raises(TokenRefusedError):
        world.access.caller(world.signed(sub="root", is_admin=claim))


@pytest.mark.requirement("FLAG-63")
@pytest.mark.parametrize("claims", [{"is_admin": True}, {"sub": "", "is_admin": True}, {"sub": 7, "is_admin": True}])
def test_an_older_token_names_somebody(claims: dict[str, object]) -> None:
    world = World(Rules(admin_claims=("is_admin",)))
    with pytest.raises(TokenRefusedError, match="names nobody"):
        world.access.caller(world.signed(**claims))


@pytest.mark.requirement("FLAG-63")
def test_a_token_without_an_end_is_refused() -> None:
    world = World(Rules(admin_claims=("is_admin",)))
    endless = jwt.encode({"sub": "root", "is_admin": True}, KEY, algorithm="HS256")
    with pytest.raises(TokenRefusedError, match="no end"):
        world.access.caller(endless)


@pytest.mark.requirement("FLAG-64")
def test_only_a_development_daemon_opens_a_gate_whose_flag_is_missing() -> None:
    assert World(Rules(development=True)).token("not-made-yet")
    with pytest.raises(GatesDeniedError):
        World().token("not-made-yet")
    with pytest.raises(GatesDeniedError):
        World(Rules(development=True), there=False).token("there")


@pytest.mark.requirement("FLAG-60")
def test_a_ticket_opens_the_stream_alone_stays_the_same_for_an_hour_and_ends() -> None:
    world = World(beta=True)
    ticket = world.access.ticket(Caller("ann"))
    world.clock.now = (world.clock.now // 3600) * 3600
    early = world.access.ticket(Caller("ann"))
    world.clock.now += 3599
    assert world.access.ticket(Caller("ann")) == early
    assert world.access.admits(early) == "ann"
    with pytest.raises(TokenRefusedError, match="ticket"):
        world.access.caller(ticket)
    assert world.access.admits(world.token("beta")) is None
    world.clock.now += 3 * 3600
    assert world.access.admits(early) is None


@pytest.mark.requirement("FLAG-60")
def test_a_key_is_made_once_for_its_owners_eyes_and_a_short_one_is_refused(tmp_path: Path) -> None:
    key = load_key(None, tmp_path)
    assert load_key(None, tmp_path) == key
    assert len(key) >= 32
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    own = tmp_path / "own"
    own.write_bytes(b"short\n")
    with pytest.raises(SettingsError, match="write at least 32"):
        load_key(own, tmp_path)
    with pytest.raises(SettingsError, match="cannot be used"):
        load_key(tmp_path / "none", tmp_path)


@pytest.mark.requirement("REH-9", "REH-19")
def test_each_purpose_has_a_key_of_its_own_that_is_the_same_tomorrow() -> None:
    made = {purpose: key_for(purpose, KEY) for purpose in Purpose}
    assert len({KEY, *made.values()}) == len(Purpose) + 1
    assert made == {purpose: key_for(purpose, KEY) for purpose in Purpose}
    assert made[Purpose.REHEARSAL] == hmac.new(KEY, b"what a rehearsal leaves", "sha256").digest()
