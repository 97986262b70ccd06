"""`hearing admin`: what a court's administrator does at the machine itself."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from hearing_server.cli.serve import EXIT_COULD_NOT, configured
from hearing_server.composition import administration
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.scheduling import InvalidScheduleError
from hearing_server.ports import StorageError
from hearing_server.services.scheduling import InvitedPerson, NewHearing
from hearing_server.signalling.notices import CaseView

app = typer.Typer(help="Administration at the machine itself.", no_args_is_help=True)


class PersonFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role
    name: str
    side: Side | None = None
    represents: int | None = None  # counsel: place of the party in `people`, from 0


class HearingFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `create-hearing` reads."""

    case: CaseView
    people: tuple[PersonFile, ...]


@app.callback()
def admin() -> None:
    """Keeps `create-hearing` a command of its own while it is the only one."""


@app.command("create-hearing")
def create_hearing(
    file: Annotated[Path, typer.Argument(help="JSON: case {number, title, court_name}, people [{role, name, ...}].")],
    data: Annotated[Path | None, typer.Option(help="Data folder [HEARING_DATA_DIR, ./hearing-data].")] = None,
) -> None:
    """Schedule a hearing and print its personal links. The service picks it up at its next start."""
    try:
        asked = msgspec.json.decode(file.read_bytes(), type=HearingFile)
        document = asyncio.run(_create(asked, data))
    except (OSError, msgspec.DecodeError, InvalidScheduleError, StorageError, IndexError) as error:
        typer.echo(f"The hearing was not created: {error}", err=True)
        raise typer.Exit(EXIT_COULD_NOT) from None
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    print()


async def _create(asked: HearingFile, data: Path | None) -> dict[str, object]:
    people = tuple(
        InvitedPerson(role=one.role, name=one.name, side=one.side, represents=one.represents) for one in asked.people
    )
    async with administration(configured(data_dir=data)) as office:
        hearing_id, ids = await office.schedule(NewHearing(case=asked.case, people=people))
        links = [await office.entry.make_link(hearing_id, who) for who in ids]
    rows = [
        {"role": one.role.value, "name": one.name, "person_id": who, "link": link}
        for one, who, link in zip(asked.people, ids, links, strict=True)
    ]
    return {"hearing_id": hearing_id, "people": rows}
