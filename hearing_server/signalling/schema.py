"""JSON Schema of everything on the wire, for tools that test or generate clients."""

from typing import Any

import msgspec

from hearing_server.signalling.messages import CLIENT_MESSAGES
from hearing_server.signalling.notices import SERVER_NOTICES


def wire_schema() -> dict[str, Any]:
    """Return `messages` and `notices` (name -> JSON Schema) and the `components` they refer to."""
    types = (*CLIENT_MESSAGES, *SERVER_NOTICES)
    _, components = msgspec.json.schema_components(types, ref_template="#/components/{name}")
    return {
        "messages": {_tag(one): components[one.__name__] for one in CLIENT_MESSAGES},
        "notices": {_tag(one): components[one.__name__] for one in SERVER_NOTICES},
        "components": components,
    }


def _tag(struct: type[msgspec.Struct]) -> str:
    return str(struct.__struct_config__.tag)
