"""`hearing demo`: a sample court on this machine, with a personal link for every seat."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from hearing_server.cli.sample import SAMPLE_HEARING
from hearing_server.cli.serve import configured, run, run_until_stopped, set_up_logging
from hearing_server.composition import Service
from hearing_server.domain.hearing import Hearing
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import Role
from hearing_server.domain.settings import Settings

_TABLE_WIDTH = 130
_OVER = frozenset({HearingState.CLOSED, HearingState.CANCELLED})


def demo(
    port: Annotated[int, typer.Option(help="TCP port.")] = 8080,
    data: Annotated[
        Path | None, typer.Option(help="Keep the data here; default: a folder that goes at the end.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for other machines (with --tls).")
    ] = "127.0.0.1",
    tls: Annotated[
        bool, typer.Option("--tls", help="Self-signed certificate: cameras on other machines need it.")
    ] = False,
    actors: Annotated[bool, typer.Option("--actors", help="Scripted people take every seat but yours.")] = False,
    seat: Annotated[str, typer.Option(help="With --actors: the role you play yourself.")] = Role.PRESIDING_JUDGE.value,
    as_json: Annotated[bool, typer.Option("--json", help="First line: one JSON object with every link.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, by ids.")] = False,
) -> None:
    """Hold a sample hearing: two judges, clerk, two parties, counsel, two witnesses, observer."""
    set_up_logging(verbose=verbose)
    if actors and seat not in set(Role):
        raise typer.BadParameter(f"one of {', '.join(Role)}", param_hint="--seat")
    with _data_dir(data) as directory:
        config = configured(port=port, host=host, data_dir=directory, tls_self_signed=tls)

        async def started(service: Service, stack: AsyncExitStack) -> None:
            hearing = await _sample_hearing(service)
            people = await _people(service, hearing)
            await _show(service, hearing, people, as_json=as_json)
            if actors:
                await _start_actors(stack, service, people, Role(seat))

        run(lambda: run_until_stopped(config, started))


@contextmanager
def _data_dir(given: Path | None) -> Iterator[Path]:
    """The folder for the demonstration's data: `given`, or one that is removed at the end."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="hearing-demo-") as temporary:
        yield Path(temporary)


async def _sample_hearing(service: Service) -> Hearing:
    """The sample hearing of this data folder, if it is not over, else a new one whose check-in opens now."""
    for hearing_id in reversed(service.office.hearings.hearing_ids()):
        hearing = service.office.hearings.hearing(hearing_id)
        if hearing.state not in _OVER:
            return hearing
    new = replace(SAMPLE_HEARING, settings=Settings(check_in_opens_at=service.office.hearings.now()))
    hearing_id, _ = await service.office.schedule(new)
    return service.office.hearings.hearing(hearing_id)


async def _people(service: Service, hearing: Hearing) -> list[dict[str, str]]:
    words = await service.office.content.words(hearing.hearing_id, tuple(hearing.people))
    return [
        {
            "role": person.role.value,
            "name": words.names[person.person_id],
            "link": await service.office.entry.make_link(hearing.hearing_id, person.person_id),
            "person_id": person.person_id,
            "seat_id": person.seat_id,
        }
        for person in hearing.people.values()
    ]


async def _show(service: Service, hearing: Hearing, people: Sequence[Mapping[str, str]], *, as_json: bool) -> None:
    words = await service.office.content.words(hearing.hearing_id, tuple(hearing.people))
    if as_json:
        document = {
            "url": service.url,
            "hearing_id": hearing.hearing_id,
            "case_number": words.case.number,
            "people": list(people),
        }
        print(json.dumps(document, ensure_ascii=False), flush=True)
        return
    table = Table(title=f"{words.case.court_name} · {words.case.number}", title_justify="left", box=SIMPLE_HEAD)
    for heading in ("Role", "Name", "Personal link (works once)"):
        table.add_column(heading, no_wrap=True)
    for person in people:
        table.add_row(person["role"].replace("_", " "), person["name"], person["link"])
    # Never narrower than the links: a link that is broken into two lines can be neither clicked nor copied.
    console = Console(width=max(Console().width, _TABLE_WIDTH))
    console.print(table)
    console.print("Open each link in its own tab. Ctrl-C ends the demonstration.")


async def _start_actors(
    stack: AsyncExitStack, service: Service, people: Sequence[Mapping[str, str]], role: Role
) -> None:
    """Let scripted people take every seat but the first of `role`, from a process of their own."""
    yours = next((person for person in people if person["role"] == role), None)
    links = json.dumps({"url": service.url, "people": [person for person in people if person is not yours]})
    options = ["--insecure"] if service.url.startswith("https:") else []
    if role is not Role.PRESIDING_JUDGE:
        options.append("--direct")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hearing_server.cli.actors", "--links-json", "-", *options, stdin=asyncio.subprocess.PIPE
    )
    stack.push_async_callback(_stop, process)
    assert process.stdin is not None, "asked for above"
    process.stdin.write(links.encode())
    await process.stdin.drain()
    process.stdin.close()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
