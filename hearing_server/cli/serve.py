"""`hearing serve`: run the service with the court's own settings."""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from hearing_server.composition import Service, running_service
from hearing_server.config import Config
from hearing_server.gateway.static_files import ClientNotBuiltError
from hearing_server.ports import StorageError

EXIT_COULD_NOT = 2


def set_up_logging(*, verbose: bool) -> None:
    """Logs go to standard error; libraries below warnings stay silent (aiortc's debug log would print SDP)."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    for name in ("hearing_server", "media"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)


async def run_until_stopped(config: Config, started: Callable[[Service, AsyncExitStack], Awaitable[None]]) -> None:
    """Run the service until SIGINT or SIGTERM. `started` is awaited once it is up; its stack closes first."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running_service(config) as service, AsyncExitStack() as stack:
        await started(service, stack)
        await stop.wait()


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` on uvloop; what keeps the service from starting becomes one line and exit code 2."""

    async def awaited() -> None:
        await main()

    try:
        uvloop.run(awaited())
    except ClientNotBuiltError as error:
        fail(str(error))
    except StorageError as error:
        fail(f"The database cannot be used: {error}")
    except OSError as error:
        fail(f"The service cannot start: {error.strerror or error} {error.filename or ''}".strip())


def fail(message: str) -> None:
    typer.echo(message, err=True)
    sys.exit(EXIT_COULD_NOT)


def serve(
    port: Annotated[int | None, typer.Option(help="TCP port [HEARING_PORT, 8080].")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [HEARING_HOST, 127.0.0.1].")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder [HEARING_DATA_DIR, ./hearing-data].")] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Use a self-signed certificate.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens, by ids.")] = False,
) -> None:
    """Run the service. Every other setting comes from HEARING_... variables."""
    set_up_logging(verbose=verbose)
    config = configured(port=port, host=host, data_dir=data, tls_self_signed=tls or None)

    async def started(service: Service, stack: AsyncExitStack) -> None:
        typer.echo(f"Serving on {service.url}", err=True)

    run(lambda: run_until_stopped(config, started))


def configured(**options: object) -> Config:
    """Return the settings of the environment, with the options that were given."""
    given = {name: value for name, value in options.items() if value is not None}
    return Config(**given)  # type: ignore[arg-type]  # pydantic checks the values
