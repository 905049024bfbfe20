"""What pydantic found wrong in a document, as one sentence.

ValidationError --first_fault--> "decisions[3].kind is 'typo': it must be .."
"""

from __future__ import annotations

from typing import Any

SHOWN_CHARACTERS = 80
_WORDS = {"model_type": "it must be an object", "string_too_short": "it must not be empty"}
"""Kinds of pydantic's faults in words that fit our sentences."""


def first_fault(error: Any) -> str:
    """Return the first fault of a `pydantic.ValidationError` as one sentence that names the place."""
    fault = error.errors(include_url=False, include_context=False)[0]
    place = ""
    for part in fault["loc"]:
        word = part if isinstance(part, int) or part.isidentifier() else short(part)
        place += f"[{word}]" if isinstance(part, int) else f".{word}" if place else str(word)
    place = place if len(place) <= SHOWN_CHARACTERS else f"{place[:SHOWN_CHARACTERS]}.."
    if fault["type"] == "missing":
        return f"{place} is missing."
    said = _WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if not place:
        return f"{said[:1].upper()}{said[1:]}."
    value = fault["input"].get("id") if isinstance(fault["input"], dict) else fault["input"]
    return f"{place} is {short(value)}: {said}."


def short(value: object, characters: int = SHOWN_CHARACTERS) -> str:
    """Return a value as it stands in a sentence, the end of one of more characters left out."""
    try:
        shown = repr(value)
    except (RecursionError, ValueError):  # nested too deeply, a number of thousands of digits
        return f"a {type(value).__name__}"
    return shown if len(shown) <= characters else f"{shown[: characters - 3]}..."
