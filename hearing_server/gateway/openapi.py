"""OpenAPI 3.1 of the HTTP interface, from the same structs that the routes decode and encode."""

from typing import Any

import msgspec

from hearing_server.signalling.http import EnterReply, ErrorReply, HealthReply, LinkRequest, PeekReply

_ERROR_STATUSES = ("400", "403", "404", "409", "410", "413", "415", "429")


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _post(summary: str, request: str, reply: str) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "Done.", "content": _json(reply)}}
    for status in _ERROR_STATUSES:
        responses[status] = {"description": "Refused; `code` says why.", "content": _json("ErrorReply")}
    body = {"required": True, "content": _json(request)}
    return {"post": {"summary": summary, "requestBody": body, "responses": responses}}


def _get(summary: str, reply: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": "Answer.", "content": _json(reply)}}}}


def _whip() -> dict[str, Any]:
    sdp = {"application/sdp": {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {
        "201": {
            "description": "The answer. DELETE the URL in Location to leave.",
            "headers": {"Location": {"schema": {"type": "string"}}},
            "content": sdp,
        }
    }
    for status in ("400", "401", "403", "409", "410", "413", "415", "429", "503"):
        responses[status] = {"description": "Refused; `code` says why.", "content": _json("ErrorReply")}
    return {
        "post": {
            "summary": "Publish into the seat of a personal link (WHIP, RFC 9725); the link is used up.",
            "security": [{"personalLink": []}],
            "requestBody": {"required": True, "content": sdp},
            "responses": responses,
        }
    }


def _whip_session() -> dict[str, Any]:
    return {
        "parameters": [{"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "delete": {
            "summary": "End a publisher's session: its person leaves.",
            "responses": {
                "200": {"description": "Ended."},
                "404": {"description": "No such session.", "content": _json("ErrorReply")},
            },
        },
    }


def openapi_document() -> dict[str, Any]:
    """Return the document; static, it depends on no configuration."""
    structs = (LinkRequest, PeekReply, EnterReply, ErrorReply, HealthReply)
    _, components = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Court hearing service", "version": "1"},
        "paths": {
            "/api/peek": _post("What a personal link opens; it is not used up.", "LinkRequest", "PeekReply"),
            "/api/enter": _post("Use a personal link up for a resume token.", "LinkRequest", "EnterReply"),
            "/whip": _whip(),
            "/whip/{session_id}": _whip_session(),
            "/healthz": _get("Whether the process answers.", "HealthReply"),
            "/readyz": _get("Whether hearings can be served.", "HealthReply"),
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"personalLink": {"type": "http", "scheme": "bearer"}},
        },
    }
