"""`hearing schema`: what travels on the wire and who may do what, for tools."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from hearing_server.domain.permission_table import permission_rows
from hearing_server.gateway.openapi import openapi_document
from hearing_server.signalling.schema import wire_schema
from hearing_server.signalling.typescript import typescript

TYPESCRIPT_FILE = Path(__file__).parents[2] / "web_client" / "src" / "net" / "messages.gen.ts"


def schema(
    as_json: Annotated[bool, typer.Option("--json", help="On one line.")] = False,
    as_typescript: Annotated[bool, typer.Option("--typescript", help="Write the browser's message types.")] = False,
    check: Annotated[bool, typer.Option("--check", help="With --typescript: is the file current?")] = False,
) -> None:
    """Print the wire schema (default), or write or check the generated TypeScript types."""
    if not as_typescript:
        rows = [
            {
                "role": row.role,
                "action": row.action,
                "state": row.state,
                "allowed": row.allowed,
                "reason_code": row.reason_code,
            }
            for row in permission_rows()
        ]
        document = {**wire_schema(), "permissions": rows, "openapi": openapi_document()}
        json.dump(document, sys.stdout, indent=None if as_json else 2, ensure_ascii=False)
        print()
        return
    text = typescript()
    if not check:
        TYPESCRIPT_FILE.write_text(text, encoding="utf-8")
        return
    if not TYPESCRIPT_FILE.exists() or TYPESCRIPT_FILE.read_text(encoding="utf-8") != text:
        typer.echo(f"{TYPESCRIPT_FILE.name} is out of date: run `hearing schema --typescript`.", err=True)
        raise typer.Exit(1)
