"""Write the TypeScript types of every message and notice, so that the browser cannot drift from the server."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hearing_server.signalling.http import EnterReply, ErrorReply, PeekReply
from hearing_server.signalling.messages import CLIENT_MESSAGES
from hearing_server.signalling.notices import SERVER_NOTICES

Schema = Mapping[str, Any]
_PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_HEADER = (
    "// Generated from hearing_server/signalling by `hearing schema --typescript`. Do not edit.\n"
    "// Date-times are ISO 8601 strings in UTC.\n"
)


def typescript() -> str:
    """Return the whole file: one exported type per struct and enum, and the two unions."""
    types = (*CLIENT_MESSAGES, *SERVER_NOTICES, PeekReply, EnterReply, ErrorReply)
    _, components = msgspec.json.schema_components(types, ref_template="#/{name}")
    blocks = [_HEADER]
    blocks += [_declaration(name, schema) for name, schema in sorted(components.items())]
    blocks.append(_union("ClientMessage", [message.__name__ for message in CLIENT_MESSAGES]))
    blocks.append(_union("ServerNotice", [notice.__name__ for notice in SERVER_NOTICES]))
    return "\n".join(blocks)


def _union(name: str, members: Sequence[str]) -> str:
    lines = "".join(f"\n  | {member}" for member in members)
    return f"export type {name} ={lines};\n"


def _declaration(name: str, schema: Schema) -> str:
    if "properties" not in schema:
        return f"export type {name} = {_type(schema)};\n"
    required = set(schema.get("required", ()))
    lines = [f"export interface {name} {{"]
    for key, value in schema["properties"].items():
        # A tag is always on the wire, whether or not the schema calls it required.
        optional = "" if key in required or key == "type" else "?"
        lines.append(f"  {key}{optional}: {_type(value)};")
    lines.append("}\n")
    return "\n".join(lines)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix("#/")
    if "enum" in schema:
        return " | ".join("null" if value is None else f'"{value}"' for value in schema["enum"])
    if "const" in schema:
        return f'"{schema["const"]}"'
    if "anyOf" in schema:
        return " | ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        item = _type(schema.get("items", {}))
        return f"readonly ({item})[]" if "|" in item else f"readonly {item}[]"
    if schema.get("type") == "object":
        return f"Readonly<Record<string, {_type(schema.get('additionalProperties', {}))}>>"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_PRIMITIVES[one] for one in kind)
    return _PRIMITIVES.get(str(kind), "unknown")
