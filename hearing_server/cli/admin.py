"""`hearing admin`: what a court's administrator does at the machine itself."""

import asyncio
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from hearing_server.cli.serve import EXIT_COULD_NOT, configured
from hearing_server.composition import administration, compose_kept_recording
from hearing_server.domain.ids import HearingId
from hearing_server.domain.roles import Role, Side
from hearing_server.domain.scheduling import InvalidScheduleError
from hearing_server.jobs.composition import ComposeFailedError, NotClosedError
from hearing_server.ports import StorageError
from hearing_server.services.hearing_service import UnknownHearingError
from hearing_server.services.scheduling import InvitedPerson, NewHearing
from hearing_server.signalling.notices import CaseView
from media.recording.compose_messages import Composed, Composing, NotComposed

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


EXIT_FOUND_WANTING = 1


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


@app.command("compose-recording")
def compose_recording(
    hearing_id: Annotated[str, typer.Argument(help="The closed hearing whose recording is composed.")],
    data: Annotated[Path | None, typer.Option(help="Data folder [HEARING_DATA_DIR, ./hearing-data].")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Make one file for each seat out of its segments, which stay as they are. May be stopped and run again.

    The service does this by itself when a hearing is closed. Exit code 0: all files are there. 1: a seat's segments
    are not what the log says, and it has none. 2: it could not be done.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("Composing", total=None)

            def show(progress: Composing) -> None:
                bar.update(task, completed=progress.done_bytes, total=progress.all_bytes)

            results = asyncio.run(
                compose_kept_recording(configured(data_dir=data), HearingId(hearing_id), on_progress=show)
            )
    except UnknownHearingError:
        typer.echo(f"No hearing has the id {hearing_id}; look at the ids in the links.", err=True)
        raise typer.Exit(EXIT_COULD_NOT) from None
    except (NotClosedError, ComposeFailedError, StorageError, OSError) as error:
        typer.echo(f"The recording was not composed: {error}", err=True)
        raise typer.Exit(EXIT_COULD_NOT) from None
    document = _as_document(hearing_id, results)
    if as_json:
        json.dump(document, sys.stdout)
        print()
    else:
        for one in results:
            print(f"{one.seat}: {one.file if isinstance(one, Composed) else one.advice}")
        print(f"{sum(isinstance(one, Composed) for one in results)} of {len(results)} seats composed.")
    if not document["ok"]:
        raise typer.Exit(EXIT_FOUND_WANTING)


def _as_document(hearing_id: str, results: Sequence[Composed | NotComposed]) -> dict[str, object]:
    """Return what `--json` prints."""
    seats: list[dict[str, object]] = []
    for one in results:
        if isinstance(one, Composed):
            starts_at = one.starts_at.isoformat()
            file = {"file": one.file, "sha256": one.sha256, "bytes": one.size_bytes, "starts_at": starts_at}
            seats.append({"seat_id": one.seat, **file, "problem": None})
        else:
            problem = {"code": one.code, "segment": one.number, "advice": one.advice}
            seats.append({"seat_id": one.seat, "file": None, "problem": problem})
    return {"hearing_id": hearing_id, "ok": all(isinstance(one, Composed) for one in results), "seats": seats}
