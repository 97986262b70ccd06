"""`hearing bench`: what the media engine costs on this computer, and whether it stays flat."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from hearing_server.cli.actors import default_clip_folder
from hearing_server.cli.serve import EXIT_COULD_NOT, configured, set_up_logging
from hearing_server.composition import our_relay
from media.bench.chart import line_of
from media.bench.engines import BenchmarkError
from media.bench.forwarding import COMPARATORS, ForwardingBenchmark, OnProgress
from media.bench.hearings import HearingsBenchmark
from media.bench.own_engine import MakeEngine
from media.bench.soak import SoakBenchmark
from media.engine import MediaEngine, MediaError

EXIT_FOUND_WANTING = 1

PURE_VARIABLE = "HEARING_PURE_RELAY"
"""1 keeps the relay from using compiled code although it was built."""

Document = dict[str, Any]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Clips = Annotated[Path | None, typer.Option(help="Folder for encoded clips [the user's cache].")]
Against = Annotated[str, typer.Option(help=f"Engines to compare with, of: {', '.join(COMPARATORS)}.")]
FastPath = Annotated[
    bool | None,
    typer.Option("--compiled/--pure", help="The compiled fast path or pure Python [compiled where it was built]."),
]

app = typer.Typer(
    help="Benchmarks. Figures of different runs do not compare; ratios within one do.", no_args_is_help=True
)


@app.command()
def media(
    senders: Annotated[int, typer.Option(min=1, help="People who send.")] = 8,
    receivers: Annotated[int, typer.Option(min=1, help="Receivers of each; senders - 1: all to all others.")] = 7,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of one measurement.")] = 5,
    passes: Annotated[int, typer.Option(min=1, help="Measurements of each engine.")] = 3,
    against: Against = "janus,relay",
    compiled: FastPath = None,
    clips: Clips = None,
    as_json: Json = False,
) -> None:
    """Forward 720p video and sound over real DTLS-SRTP: cost of a packet, added latency, loss."""
    benchmark = ForwardingBenchmark(
        senders=senders,
        receivers=receivers,
        seconds=seconds,
        passes=passes,
        against=_names(against, tuple(COMPARATORS)),
        clip_folder=clips or default_clip_folder(),
    )
    document = _run(lambda progress: benchmark.run(_maker(compiled), progress))
    _print(document, as_json, _media_in_words)
    if compiled and not document["compiled"]:
        typer.echo(
            "The compiled fast path was not used: build it with a C compiler present, as README.md tells.", err=True
        )
        raise typer.Exit(EXIT_COULD_NOT)


@app.command()
def hearings(
    count: Annotated[int, typer.Option(min=1, help="Hearings at once.")] = 50,
    people: Annotated[int, typer.Option(min=2, help="People in each.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of the measurement.")] = 10,
    against: Against = "",
    rooms_per_process: Annotated[
        int | None, typer.Option(min=1, help="Hearings that share a relay process [as configured].")
    ] = None,
    compiled: FastPath = None,
    clips: Clips = None,
    as_json: Json = False,
) -> None:
    """Run many small hearings at once: who is starved, added latency, processor, memory, sockets."""
    benchmark = HearingsBenchmark(
        count=count,
        people=people,
        seconds=seconds,
        against=_names(against, ("janus",)),
        clip_folder=clips or default_clip_folder(),
    )
    document = _run(lambda progress: benchmark.run(_maker(compiled, rooms_per_process), progress))
    _print(document, as_json, _hearings_in_words)


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long.")] = 30,
    count: Annotated[int, typer.Option("--hearings", min=1, help="Hearings at once.")] = 2,
    people: Annotated[int, typer.Option(min=2, help="Seats in each.")] = 4,
    seed: Annotated[int, typer.Option(help="The same seed gives the same course of events.")] = 1,
    compiled: FastPath = None,
    clips: Clips = None,
    as_json: Json = False,
) -> None:
    """Let people join, leave, mute and reconnect at random: memory, descriptors and threads must stay flat.

    Exit code 1: they did not, or somebody could not connect. Memory is judged in runs of five minutes and more.
    """
    benchmark = SoakBenchmark(
        minutes=minutes, hearings=count, people=people, seed=seed, clip_folder=clips or default_clip_folder()
    )
    document = _run(lambda progress: benchmark.run(_maker(compiled), progress))
    for name in ("rss_mib", "descriptors", "threads", "binds", "people", "client_tasks"):
        typer.echo(line_of(name, [sample[name] for sample in document["samples"]]), err=True)
    _print(document, as_json, _soak_in_words)
    if document["is_flat"] is False:
        raise typer.Exit(EXIT_FOUND_WANTING)


def _maker(compiled: bool | None, rooms_per_process: int | None = None) -> MakeEngine:
    """Return what makes the engine. Its processes read from the environment whether they may use compiled code."""
    if compiled is not None:
        os.environ[PURE_VARIABLE] = "0" if compiled else "1"

    def make(folder: Path) -> MediaEngine:
        return our_relay(configured(host="127.0.0.1", data_dir=folder, media_rooms_per_process=rooms_per_process))

    return make


def _names(text: str, known: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in known]
    if unknown:
        typer.echo(f"Cannot compare with {', '.join(unknown)}. Possible: {', '.join(known)}.", err=True)
        raise typer.Exit(EXIT_COULD_NOT)
    return names


def _run(work: Callable[[OnProgress], Awaitable[Document]]) -> Document:
    set_up_logging(verbose=False)
    logging.getLogger("media.sfu").setLevel(logging.ERROR)  # people who vanish are part of the benchmark

    async def main(progress: OnProgress) -> Document:
        return await work(progress)

    try:
        with _progress_bar() as progress:
            return asyncio.run(main(progress))
    except (BenchmarkError, MediaError, OSError) as error:
        typer.echo(f"The benchmark could not be run: {error}", err=True)
        raise typer.Exit(EXIT_COULD_NOT) from None


@contextmanager
def _progress_bar() -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=1.0)

        def progress(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share)

        yield progress


def _print(document: Document, as_json: bool, in_words: Callable[[Document], str]) -> None:
    if as_json:
        json.dump(document, sys.stdout)
        print()
    else:
        print(in_words(document))


def _figure(value: float | None, unit: str = "", digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"


def _media_in_words(document: Document) -> str:
    lines = [f"{'engine':20} {'us/packet':>10} {'core':>8} {'p50 ms':>8} {'p99 ms':>8} {'loss':>8} passes"]
    for name, row in document["engines"].items():
        loss = None if row["loss_ratio"] is None else 100 * row["loss_ratio"]
        lines.append(
            f"{name:20} {_figure(row['us_per_packet']):>10} {_figure(row['percent_of_core'], ' %', 1):>8}"
            f" {_figure(row['latency_p50_ms']):>8} {_figure(row['latency_p99_ms']):>8} {_figure(loss, ' %'):>8}"
            f" {row['passes']}"
        )
    for other in ("janus", "janus_event_loops", "relay"):
        lines.append(f"cost of a packet, as a share of {other}'s: {_figure(document[f'ratio_to_{other}'])}")
    lines.append(f"compiled fast path: {'yes' if document['compiled'] else 'no'}")
    return "\n".join(lines)


def _hearings_in_words(document: Document) -> str:
    def row(name: str, one: Document) -> str:
        return (
            f"{name}: {one.get('starved', '-')} starved streams, p95 {_figure(one.get('latency_p95_ms'))} ms,"
            f" {_figure(one.get('cpu_percent'), ' %', 1)} of a core, {_figure(one.get('rss_mib'), ' MiB', 0)},"
            f" {one.get('binds', '-')} UDP sockets; the load sent {_figure(one.get('sent_ratio'))} of what was due"
        )

    others = [row("janus", document["janus"])] if document["janus"] else []
    return "\n".join([row("hearing", document), *others])


_VERDICTS: Final = {True: "Flat.", False: "NOT flat.", None: "Too short to judge memory; all else is flat."}


def _soak_in_words(document: Document) -> str:
    grown = document["growth"]
    return (
        f"{_VERDICTS[document['is_flat']]} After {document['warm_up_s']:.0f} s of warm-up:"
        f" memory {100 * grown['rss_ratio']:+.1f} %,"
        f" descriptors {grown['descriptors']:+.0f}, threads {grown['threads']:+.0f}, sockets {grown['binds']:+.0f};"
        f" {sum(document['actions'].values())} actions, {sum(document['failures'].values())} failures."
    )
