"""Scripted people for the demonstration: `python -m hearing_server.cli.actors --links-json FILE`.

They take personal links, sit in their seats over real peer connections, and speak in turn.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import typer
import uvloop

from hearing_server.cli.actor import Actor, SeatLostError
from hearing_server.cli.actor_director import Director
from hearing_server.cli.actor_script import Casting, Part
from hearing_server.domain.roles import Role

logger = logging.getLogger(__name__)

PAUSE_BETWEEN_TURNS_S = 1.5
_LOOPBACK = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1", "::1": "::1"}


class ActorLink(msgspec.Struct, frozen=True, kw_only=True):
    """One seat to fill. Other fields of the demonstration's JSON are ignored."""

    role: Role
    name: str
    link: str


class ActorFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `--links-json` reads: the line that `hearing demo --json` prints."""

    url: str
    people: tuple[ActorLink, ...]


def default_clip_folder() -> Path:
    """Return where encoded clips are kept between runs; removing the folder is safe."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "court-hearing" / "clips"


async def play(
    links: Sequence[ActorLink],
    url: str,
    *,
    insecure: bool = False,
    direct: bool = False,
    clip_folder: Path | None = None,
    addresses: Sequence[str] | None = None,
) -> None:
    """Let scripted people take `links` and stay until all their seats are gone, or until cancelled.

    Args:
        insecure: Accept any TLS certificate: for a self-signed one.
        direct: Let the presiding judge among them start the hearing, call the first witness and release the witness.
        clip_folder: Where clips are kept. None: they are made anew.
        addresses: Local addresses of the media sockets. None: loopback when `url` is on loopback, else all others.
    """
    host = urlsplit(url).hostname or ""
    if addresses is None and host in _LOOPBACK:
        addresses = [_LOOPBACK[host]]
    connector = aiohttp.TCPConnector(ssl=not insecure, limit=0)
    timeout = aiohttp.ClientTimeout(total=None, connect=10)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http, asyncio.TaskGroup() as group:
        seats: list[asyncio.Task[None]] = []
        actors: list[Actor] = []
        turns = group.create_task(_take_turns(actors))
        for number, link in enumerate(links):
            casting = Casting(link.role, link.name, number, clip_folder)
            leads = direct and link.role is Role.PRESIDING_JUDGE
            idle = await asyncio.to_thread(casting.idle)
            actor = Actor(
                http=http,
                url=url,
                link=link.link,
                part=Part(idle, ()),
                director=Director() if leads else None,
                addresses=addresses,
            )
            actors.append(actor)
            seats.append(group.create_task(_stay(actor)))
        rehearsal = group.create_task(_rehearse(list(zip(actors, links, strict=True)), clip_folder))
        if seats:
            await asyncio.wait(seats)
        turns.cancel()
        rehearsal.cancel()


async def _stay(actor: Actor) -> None:
    """One person who cannot stay does not end the others."""
    try:
        await actor.run()
    except (SeatLostError, TimeoutError) as error:
        logger.warning("a scripted person went home: %s", error)


async def _rehearse(cast: Sequence[tuple[Actor, ActorLink]], folder: Path | None) -> None:
    """Make what people say while they already sit there: encoding takes longer than entering."""
    for number, (actor, link) in enumerate(cast):
        lines = await asyncio.to_thread(Casting(link.role, link.name, number, folder).lines)
        actor.part = Part(actor.part.idle, lines)


async def _take_turns(actors: Sequence[Actor]) -> None:
    """Let those whom the court hears speak one after the other, a sentence each."""
    said: dict[int, int] = {}
    last = -1
    while True:
        order = [(last + 1 + step) % len(actors) for step in range(len(actors))]
        speaker = next((number for number in order if actors[number].may_speak), None)
        if speaker is None:
            await asyncio.sleep(0.5)
            continue
        last = speaker
        actor = actors[speaker]
        line = actor.part.lines[said.get(speaker, 0) % len(actor.part.lines)]
        said[speaker] = said.get(speaker, 0) + 1
        actor.peer.play(line)
        await asyncio.sleep(line.duration_s - 0.2)
        actor.peer.play(actor.part.idle)
        await asyncio.sleep(PAUSE_BETWEEN_TURNS_S)


def main(
    links_json: Annotated[str, typer.Option(help='File with {"url", "people": [{role, name, link}]}; "-": stdin.')],
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept a self-signed certificate.")] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="The presiding judge leads: starts, calls, releases.")
    ] = False,
    clips: Annotated[Path | None, typer.Option(help="Folder for encoded clips [the user's cache].")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, by ids.")] = False,
) -> None:
    """Fill seats of a hearing with scripted people."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, stream=sys.stderr)
    for noisy in ("aioice", "aiortc", "libav"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        raw = sys.stdin.buffer.read() if links_json == "-" else Path(links_json).read_bytes()
        file = msgspec.json.decode(raw, type=ActorFile)
    except (OSError, msgspec.DecodeError) as error:
        typer.echo(f"No links to use: {error}. Give the JSON that `hearing demo --json` prints.", err=True)
        raise typer.Exit(2) from None
    folder = clips or default_clip_folder()
    uvloop.run(_until_signalled(play(file.people, file.url, insecure=insecure, direct=direct, clip_folder=folder)))


async def _until_signalled(playing: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(playing)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    typer.run(main)
