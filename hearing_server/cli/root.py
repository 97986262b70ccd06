"""The `hearing` command: one file a subcommand. Exit codes: 0 good, 1 found wanting, 2 could not do it."""

import typer

from hearing_server.cli import admin, bench, demo, log, serve
from hearing_server.cli.schema import schema

app = typer.Typer(
    help="Remote court hearings: serve them, try them, check their record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(schema)
app.add_typer(log.app, name="log")
app.add_typer(admin.app, name="admin")
app.add_typer(bench.app, name="bench")
