"""The fixture's tools that take several rounds: they answer `input_required` until they know enough.

Above: `fixture`.  Beside: `fixture_tools`, in whose table they stand.  In the handshake era, which has no such results,
each asks the client by requests instead and needs one call.
"""

from __future__ import annotations

import json
from typing import Final

from fixture_calls import CAPABILITY_OF, Call, JsonObject, form, sampling, text
from fixture_tools import tool

NAME: Final = form("What is your name?", {"name": {"type": "string"}})
CONFIRM: Final = form("Please confirm", {"ok": {"type": "boolean"}})
ROOTS: Final[JsonObject] = {"method": "roots/list", "params": {}}


def name_of(answer: JsonObject) -> str:
    """The name in an elicitation's answer, or `stranger` for who declined."""
    return str((answer.get("content") or {}).get("name", "stranger"))


@tool("test_input_required_result_elicitation", "Asks for a name and greets")
async def elicitation(call: Call) -> JsonObject:
    answers = await call.ask({"user_name": NAME})
    return text(f"Hello, {name_of(answers['user_name'])}!")


@tool("test_input_required_result_sampling", "Asks the client's model for a capital")
async def sampled(call: Call) -> JsonObject:
    answers = await call.ask({"capital_question": sampling("What is the capital of France?")})
    return text(str(answers["capital_question"]["content"].get("text", "")))


@tool("test_input_required_result_list_roots", "Asks for the client's roots")
async def list_roots(call: Call) -> JsonObject:
    answers = await call.ask({"client_roots": ROOTS})
    return text(*[root["uri"] for root in answers["client_roots"]["roots"]] or ["no roots"])


@tool("test_input_required_result_request_state", "Asks, and wants its own state back")
async def request_state(call: Call) -> JsonObject:
    await call.ask({"confirm": CONFIRM}, state="asked once")
    return text("state-ok" if call.state == "asked once" or not call.stateless else "state-lost")


@tool("test_input_required_result_tampered_state", "Asks, and refuses a state that was touched")
async def tampered_state(call: Call) -> JsonObject:
    await call.ask({"confirm": CONFIRM}, state="untouched")
    return text("The state is as it was sent")


@tool("test_input_required_result_multiple_inputs", "Asks for three things at once")
async def multiple_inputs(call: Call) -> JsonObject:
    wanted = {"user_name": NAME, "greeting": sampling("Generate a greeting", 50), "client_roots": ROOTS}
    answers = await call.ask(wanted, state="three asked")
    greeting = answers["greeting"]["content"].get("text", "")
    return text(f"{greeting} {name_of(answers['user_name'])}, {len(answers['client_roots']['roots'])} roots")


@tool("test_input_required_result_multi_round", "Asks twice, one after the other")
async def multi_round(call: Call) -> JsonObject:
    first = {"step1": form("Step 1: What is your name?", {"name": {"type": "string"}})}
    second = {"step2": form("Step 2: What is your favorite color?", {"color": {"type": "string"}})}
    known: JsonObject = json.loads(call.state) if call.state else {}
    if "name" not in known:
        known = {"name": name_of((await call.ask(first, state=json.dumps({"round": 1})))["step1"])}
    answer = (await call.ask(second, state=json.dumps(known)))["step2"]
    return text(f"{known['name']} likes {(answer.get('content') or {}).get('color', 'nothing')}")


@tool("test_input_required_result_capabilities", "Asks only for what the client declares")
async def capabilities(call: Call) -> JsonObject:
    everything = {"user_name": NAME, "capital_question": sampling("What is the capital of France?"), "roots": ROOTS}
    possible = {key: ask for key, ask in everything.items() if CAPABILITY_OF[ask["method"]] in call.capabilities}
    if not possible:
        return text("Nothing can be asked of this client")
    return text(*sorted(await call.ask(possible)))


async def prompt_with_input(call: Call) -> JsonObject:
    """The prompt `test_input_required_result_prompt`, which asks for its context first."""
    wanted = form("What context should the prompt use?", {"context": {"type": "string"}})
    answer = (await call.ask({"user_context": wanted}))["user_context"]
    said = f"Use this context: {(answer.get('content') or {}).get('context', 'none')}"
    return {"messages": [{"role": "user", "content": {"type": "text", "text": said}}]}
