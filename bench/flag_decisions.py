"""How often a second one process evaluates a flag: ours and the clients of others, on the same flag.

    .venv-bench/bin/python bench/flag_decisions.py [--rounds N] [--count N]

Below `bench.flags`, which runs it with the Python that has the others installed; it needs nothing but them and the kit.
Everybody has the same two flags: `PROMPT_MODE`, which is on for all, and `NEW_ENGINE`, which is off for 20 denied keys,
on for 20 allowed ones, on for whoever has the plan "pro", and on for a quarter of all other keys.  Before anything is
measured each is asked about keys of every kind, and left out with a word when its answers differ.

Rates are per second of the process's own processor time.  The last line is JSON: `{"plain": {name: [rate, ...]},
"targeted": {...}}`, a rate a round.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "workers" / "kit")]

DENIED = [f"denied-{number}" for number in range(20)]
ALLOWED = [f"allowed-{number}" for number in range(20)]
PERCENT = 25
SHARE = (0.2, 0.3)
"""What part of many keys a quarter may turn out to be."""
Subject = tuple[str, dict[str, str]]
SUBJECTS: list[Subject] = [
    *((key, {"plan": "free"}) for key in (*DENIED, *ALLOWED)),
    *((f"user-{number}", {"plan": "pro" if number % 10 == 0 else "free"}) for number in range(960)),
]
"""Whom is asked about, in turns: a thousand keys, a tenth of them by the rule."""


class Contender(NamedTuple):
    """One library, ready to be asked.

    Attributes:
        plain: asks the plain flag so many times.
        targeted: asks the targeted flag about each subject.
        answer: asks the targeted flag about one subject.
    """

    plain: Callable[[int], None]
    targeted: Callable[[Sequence[Any]], None]
    answer: Callable[[Any], bool]
    subjects: Sequence[Any] = SUBJECTS


def switchover(directory: Path) -> Contender:
    """The kit on a page, without a thread, so that finding out whether the daemon lives is in the figures."""
    from switchover_kit import Flags  # noqa: PLC0415 - each contender brings its own library
    from switchover_kit.page import PageWriter  # noqa: PLC0415

    base = {"type": "bool", "values": None, "default": False, "safe": False, "on": True, "kill_switch": False}
    base |= {"salt": "bench", "hash_version": 1, "env": None, "prerequisites": []}
    targeting = {
        "deny": DENIED,
        "allow": {"value": True, "keys": ALLOWED},
        "rules": [{"name": "pro", "when": [{"attribute": "plan", "op": "eq", "value": "pro"}], "value": True}],
        "percentage": {"value": True, "percent": PERCENT},
    }
    plain_flag = {**base, "value": True, "targeting": None}
    flags_now = {"PROMPT_MODE": plain_flag, "NEW_ENGINE": {**base, "value": False, "targeting": targeting}}
    document = {"format": 1, "flags_version": 1, "flags": flags_now}
    writer = PageWriter.create(directory / "live", json.dumps(document).encode(), version=1)
    flags = Flags(directory / "live", push=False)

    def plain(count: int) -> None:
        writer.beat()
        value = flags.value
        for _ in repeat(None, count):
            value("PROMPT_MODE", False)  # noqa: FBT003

    def targeted(subjects: Sequence[Subject]) -> None:
        writer.beat()
        decide = flags.decide
        for key, attributes in subjects:
            decide("NEW_ENGINE", key, attributes)

    return Contender(plain, targeted, lambda subject: flags.is_open("NEW_ENGINE", *subject))


def openfeature(_: Path) -> Contender:
    """openfeature-sdk with its in-memory provider, whose flags are decided by a function: the same steps, by hand."""
    from openfeature import api  # noqa: PLC0415
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415
    from openfeature.flag_evaluation import FlagResolutionDetails  # noqa: PLC0415
    from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider  # noqa: PLC0415

    denied, allowed = frozenset(DENIED), frozenset(ALLOWED)
    on, off = FlagResolutionDetails(value=True, variant="on"), FlagResolutionDetails(value=False, variant="off")

    def engine(_: Any, context: EvaluationContext) -> FlagResolutionDetails[bool]:
        key = context.targeting_key or ""
        if key in denied:
            return off
        if key in allowed or context.attributes.get("plan") == "pro":
            return on
        return on if zlib.crc32(key.encode()) % 100 < PERCENT else off

    variants = {"on": True, "off": False}
    targeted_flag = InMemoryFlag("off", variants, context_evaluator=engine)
    api.set_provider(InMemoryProvider({"PROMPT_MODE": InMemoryFlag("on", variants), "NEW_ENGINE": targeted_flag}))
    client = api.get_client()

    def plain(count: int) -> None:
        value = client.get_boolean_value
        for _ in repeat(None, count):
            value("PROMPT_MODE", False)  # noqa: FBT003

    def targeted(contexts: Sequence[EvaluationContext]) -> None:
        value = client.get_boolean_value
        for context in contexts:
            value("NEW_ENGINE", False, context)  # noqa: FBT003

    contexts = [EvaluationContext(key, attributes) for key, attributes in SUBJECTS]
    return Contender(plain, targeted, lambda one: client.get_boolean_value("NEW_ENGINE", False, one), contexts)  # noqa: FBT003


def unleash(directory: Path) -> Contender:
    """UnleashClient with its features given at the start, asking no server."""
    from UnleashClient import UnleashClient  # noqa: PLC0415
    from UnleashClient.cache import FileCache  # noqa: PLC0415

    rollout = {"stickiness": "userId", "groupId": "bench"}
    not_denied = {"contextName": "userId", "operator": "NOT_IN", "values": DENIED}
    pro = {"contextName": "plan", "operator": "IN", "values": ["pro"]}
    strategies: list[dict[str, Any]] = [
        {"name": "userWithId", "parameters": {"userIds": ",".join(ALLOWED)}, "constraints": [not_denied]},
        {"name": "flexibleRollout", "parameters": {**rollout, "rollout": "100"}, "constraints": [not_denied, pro]},
        {"name": "flexibleRollout", "parameters": {**rollout, "rollout": str(PERCENT)}, "constraints": [not_denied]},
    ]
    features = [
        {"name": "PROMPT_MODE", "enabled": True, "strategies": [{"name": "default", "parameters": {}}]},
        {"name": "NEW_ENGINE", "enabled": True, "strategies": strategies},
    ]
    cache = FileCache("bench", directory=str(directory))
    cache.bootstrap_from_dict({"version": 2, "features": features})
    client = UnleashClient(
        "http://127.0.0.1:9/api", "bench", cache=cache, disable_metrics=True, disable_registration=True
    )
    client.initialize_client(fetch_toggles=False)

    def plain(count: int) -> None:
        enabled = client.is_enabled
        for _ in repeat(None, count):
            enabled("PROMPT_MODE")

    def targeted(contexts: Sequence[dict[str, Any]]) -> None:
        enabled = client.is_enabled
        for context in contexts:
            enabled("NEW_ENGINE", context)

    contexts = [{"userId": key, "properties": attributes} for key, attributes in SUBJECTS]
    return Contender(plain, targeted, lambda context: client.is_enabled("NEW_ENGINE", context), contexts)


def growthbook(_: Path) -> Contender:
    """GrowthBook with a client ready for each subject, as a web server has one for each request, made beforehand."""
    from growthbook import GrowthBook  # noqa: PLC0415

    rules = [
        {"condition": {"id": {"$in": DENIED}}, "force": False},
        {"condition": {"id": {"$in": ALLOWED}}, "force": True},
        {"condition": {"plan": "pro"}, "force": True},
        {"force": True, "coverage": PERCENT / 100, "hashAttribute": "id"},
    ]
    features = {"PROMPT_MODE": {"defaultValue": True}, "NEW_ENGINE": {"defaultValue": False, "rules": rules}}
    clients = [GrowthBook(attributes={"id": key, **more}, features=features) for key, more in SUBJECTS]

    def plain(count: int) -> None:
        is_on = clients[0].is_on
        for _ in repeat(None, count):
            is_on("PROMPT_MODE")

    def targeted(asked: Sequence[Any]) -> None:
        for client in asked:
            client.is_on("NEW_ENGINE")

    return Contender(plain, targeted, lambda client: bool(client.is_on("NEW_ENGINE")), clients)


CONTENDERS: dict[str, Callable[[Path], Contender]] = {
    "switchover": switchover,
    "openfeature": openfeature,
    "unleash": unleash,
    "growthbook": growthbook,
}


def wrong(contender: Contender) -> str | None:
    """Say what is wrong with a contender's answers, None for nothing: all must decide the same."""
    answers = [contender.answer(subject) for subject in contender.subjects]
    known = len(DENIED) + len(ALLOWED)
    if answers[:known] != [False] * len(DENIED) + [True] * len(ALLOWED):
        return "it does not follow the lists"
    others = list(zip(SUBJECTS[known:], answers[known:], strict=True))
    if not all(answer for (_, attributes), answer in others if attributes["plan"] == "pro"):
        return "it does not follow the rule"
    free = [answer for (_, attributes), answer in others if attributes["plan"] != "pro"]
    share = sum(free) / len(free)
    return None if SHARE[0] <= share <= SHARE[1] else f"its quarter is {share:.0%}"


def rate(work: Callable[[], None], count: int) -> float:
    """Return how many of `count` evaluations one second of processor time does."""
    begin = time.process_time()
    work()
    return count / (time.process_time() - begin)


def measure(contenders: dict[str, Contender], rounds: int, count: int) -> dict[str, dict[str, list[float]]]:
    """Measure in rounds, everybody once in each, after one that counts for nothing."""
    rates: dict[str, dict[str, list[float]]] = {"plain": defaultdict(list), "targeted": defaultdict(list)}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            own = count if name == "switchover" else count // 20  # they need as long for fewer
            repeats = max(1, own // 10 // len(contender.subjects))
            many = list(contender.subjects) * repeats
            gc.collect()
            found = rate(lambda own=own, ask=contender.plain: ask(own), own)
            targeted = rate(lambda many=many, ask=contender.targeted: ask(many), len(many))
            if number:
                rates["plain"][name].append(found)
                rates["targeted"][name].append(targeted)
    return rates


def main() -> None:
    """Measure who is there, and print."""
    parser = argparse.ArgumentParser(description="Measure evaluations in one process.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2_000_000, help="plain evaluations of the kit in a round")
    options = parser.parse_args()
    contenders: dict[str, Contender] = {}
    with tempfile.TemporaryDirectory(prefix="sb-") as name:
        for contender, make in CONTENDERS.items():
            directory = Path(name) / contender
            directory.mkdir()
            try:
                made = make(directory)
            except ImportError as error:
                print(f"  left out: {contender}: {error}; run `make bench-setup`")
                continue
            if trouble := wrong(made):
                print(f"  left out: {contender}: {trouble}")
                continue
            contenders[contender] = made
        print(json.dumps(measure(contenders, options.rounds, options.count)), flush=True)
    # A client of others may keep threads and timers; nothing is left to be waited for.
    sys.stdout.flush()


if __name__ == "__main__":
    main()
