"""Join the schema that the signature gives with the one that a person has refined."""

from typing import Any


def merge_schema(inferred: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    """The signature decides which arguments there are, their types, order and which are required; the given schema
    adds titles, descriptions, formats, limits and the like to arguments of the same type."""
    theirs = (given or {}).get("properties")
    if not isinstance(theirs, dict):
        return inferred
    properties: dict[str, Any] = {}
    for name, ours in inferred.get("properties", {}).items():
        refined = theirs.get(name)
        properties[name] = ours
        if isinstance(refined, dict) and ("type" not in ours or refined.get("type") == ours["type"]):
            properties[name] = {**refined, **ours}
            if refined.get("description"):
                properties[name]["description"] = refined["description"]
    return {**inferred, "properties": properties}
