"""Says what is wrong with a request, and what is wanted instead.

Above: `app`.  Below: nothing; what pydantic found is read as it tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_origin

WANTED: Final[Mapping[str, str]] = {
    "missing": "it is missing",
    "model_type": "a JSON object is wanted",
    "model_attributes_type": "a JSON object is wanted",
    "dict_type": "a JSON object is wanted",
    "list_type": "a list is wanted",
    "string_type": "a text is wanted",
    "int_type": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "int_parsing_size": "a smaller whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "finite_number": "a finite number is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "greater_than_equal": "{ge} or more is wanted",
    "greater_than": "more than {gt} is wanted",
    "less_than_equal": "{le} or less is wanted",
    "less_than": "less than {lt} is wanted",
    "string_too_short": "{min_length} characters or more are wanted",
    "string_too_long": "{max_length} characters or fewer are wanted",
    "too_short": "{min_length} or more are wanted, and these are {actual_length}",
    "too_long": "{max_length} or fewer are wanted",
    "enum": "one of {expected} is wanted",
    "literal_error": "one of {expected} is wanted",
    "value_error": "{error}",
}
"""What is wanted where pydantic finds this; its own words are kept for what is not here."""
OBJECT: Final = 'a JSON object is wanted, such as {} or {"reason": "why"}'
LIST: Final = "a JSON list is wanted, such as [{...}, {...}]"


def refusal(problem: Mapping[str, Any], body: object = None) -> str:
    """Say where something is wrong, and what is wanted there.

    Args:
        problem: one of pydantic's errors; its place begins with the part of the request.
        body: the type of a whole body, None where the route has none.
    """
    place = ".".join(str(part) for part in problem["loc"][1:])
    if problem["type"] == "json_invalid":
        return "the body is no JSON, and JSON is wanted"
    if problem["type"] == "missing" and not place:
        return f"body: {LIST if get_origin(body) is list else OBJECT}"
    return f"{place or 'body'}: {_wanted(problem)}"


def _wanted(problem: Mapping[str, Any]) -> str:
    """Say what is wanted; of a text that has another form what it is."""
    context = problem.get("ctx", {})
    if problem["type"] == "string_pattern_mismatch":
        return f"{str(problem['input'])!r} does not fit {context['pattern']}"
    known = WANTED.get(problem["type"])
    return str(problem["msg"]) if known is None else known.format_map(context)
