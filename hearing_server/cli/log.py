"""`hearing log`: check the record of a hearing."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hearing_server.cli.serve import EXIT_COULD_NOT, configured
from hearing_server.composition import verify_log
from hearing_server.domain.ids import HearingId
from hearing_server.ports import StorageError
from hearing_server.records.checkpoint import CheckpointProblem
from hearing_server.records.event_chain import ChainProblem, ChainReport, Problem

EXIT_FOUND_WANTING = 1

EXPLANATIONS: Mapping[Problem, str] = {
    ChainProblem.ALTERED: "is not what was logged: it was changed or replaced",
    ChainProblem.OUT_OF_ORDER: "is not in its place: another event of this log stands there",
    ChainProblem.MISSING: "is missing, though later ones are there",
    ChainProblem.CUT_OFF: "and what followed it are missing: the end of the log was cut off",
    ChainProblem.REWRITTEN: "is not the one that was there when the checkpoint was signed: the log was written anew",
    ChainProblem.UNREADABLE: "cannot be read as an event",
    CheckpointProblem.FORGED: "has a checkpoint whose signature does not fit",
    CheckpointProblem.UNTRUSTED: "has a checkpoint that was signed with another key than the court's",
}

app = typer.Typer(help="The event log of a hearing.", no_args_is_help=True)


@app.callback()
def log() -> None:
    """Keeps `verify` a command of its own while it is the only one."""


@app.command()
def verify(
    hearing_id: Annotated[str, typer.Argument(help="The hearing whose log is checked.")],
    data: Annotated[Path | None, typer.Option(help="Data folder [HEARING_DATA_DIR, ./hearing-data].")] = None,
    key: Annotated[Path | None, typer.Option(help="The court's public key (PEM), kept elsewhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Find the first altered, reordered or missing event of a hearing. Works while the service runs, and offline.

    Exit code 0: the log is whole. 1: it is not. 2: it could not be checked.
    """
    config = configured(data_dir=data)
    typer.echo(f"Checking the log of {hearing_id} ...", err=True)
    try:
        report = asyncio.run(verify_log(config, HearingId(hearing_id), trusted_key_file=key))
    except StorageError as error:
        typer.echo(f"The log could not be checked: {error}", err=True)
        raise typer.Exit(EXIT_COULD_NOT) from None
    if as_json:
        json.dump(as_document(report), sys.stdout)
        print()
    else:
        print(in_words(report))
    if not report.ok:
        raise typer.Exit(EXIT_FOUND_WANTING)


def as_document(report: ChainReport) -> dict[str, object]:
    """Return what `--json` prints."""
    bad = None if report.first_bad is None else {"seq": report.first_bad[0], "problem": report.first_bad[1].value}
    return {"ok": report.ok, "events": report.events, "head": report.head, "first_bad": bad}


def in_words(report: ChainReport) -> str:
    """Return the report for people."""
    if report.first_bad is None:
        return f"The log is whole: {report.events} events, head {report.head}."
    seq, problem = report.first_bad
    return f"The log has been tampered with or damaged: event {seq} {EXPLANATIONS[problem]}."
