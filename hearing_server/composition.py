"""Builds every part of the service from a `Config`, and owns the order in which they start and stop."""

import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from hearing_server.clock import SystemClock
from hearing_server.config import Config
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.gateway.app import WebServer, make_app
from hearing_server.gateway.static_files import StaticFiles
from hearing_server.gateway.tls import self_signed, server_context
from hearing_server.gateway.websocket import Services
from hearing_server.jobs.composition import CompositionJobs, Progress, compose_recording
from hearing_server.network import local_addresses
from hearing_server.records.event_chain import ChainReport
from hearing_server.services.attendance_service import AttendanceService
from hearing_server.services.entry_service import EntryService
from hearing_server.services.event_bus import EventBus
from hearing_server.services.hearing_content import HearingContent
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.ingest_service import IngestService
from hearing_server.services.media_service import MediaService
from hearing_server.services.recording_service import RecordingService
from hearing_server.services.scheduling import NewHearing, schedule_hearing
from hearing_server.services.turn_credentials import TurnServers
from hearing_server.storage.data_folder import recorder_socket, recorder_socket_folder, recording_folder
from hearing_server.storage.log_verification import verify_kept_log
from hearing_server.storage.stores import open_stores
from media.engine import MediaEngine
from media.recording.client import RecorderProcess
from media.recording.compose_messages import Composed, NotComposed
from media.recording.interface import Recorder
from media.sfu.client import SfuEngine

logger = logging.getLogger(__name__)

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_EVERY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything but media and the web: enough to schedule hearings and make links."""

    hearings: HearingService
    attendance: AttendanceService
    entry: EntryService
    content: HearingContent
    bus: EventBus

    async def schedule(self, new: NewHearing) -> tuple[HearingId, tuple[PersonId, ...]]:
        """Raises InvalidScheduleError, StorageError."""
        return await schedule_hearing(new, hearings=self.hearings, content=self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running service."""

    config: Config
    url: str
    office: Office
    media: MediaService
    engine: MediaEngine


@asynccontextmanager
async def administration(config: Config) -> AsyncIterator[Office]:
    """Open the records without serving them. Raises StorageError when the database cannot be opened."""
    clock, bus = SystemClock(), EventBus()
    async with AsyncExitStack() as stack:
        stores = await open_stores(config.data_dir, config.database_url)
        stack.push_async_callback(stores.aclose)
        hearings = HearingService(
            events=stores.events,
            checkpoints=stores.checkpoints,
            audit=stores.audit,
            bus=bus,
            clock=clock,
        )
        stack.push_async_callback(hearings.aclose)
        attendance = AttendanceService(hearings=hearings, bus=bus)
        entry = EntryService(
            tokens=stores.tokens,
            hearings=hearings,
            attendance=attendance,
            clock=clock,
            public_url=public_url(config),
            link_valid_for=timedelta(hours=config.link_valid_h),
        )
        content = HearingContent(stores.contents)
        yield Office(hearings=hearings, attendance=attendance, entry=entry, content=content, bus=bus)


@asynccontextmanager
async def running_service(
    config: Config,
    *,
    make_engine: Callable[[Config], MediaEngine] | None = None,
    make_recorder: Callable[[Config, HearingId], Recorder] | None = None,
) -> AsyncIterator[Service]:
    """Start everything, yield, stop everything in the opposite order.

    `make_engine`: another media engine than our own relay. `make_recorder`: another recorder than our own.

    Raises OSError when the address is taken or recorders cannot be spoken to, StorageError when the database cannot be
    opened.
    """
    static_files = StaticFiles()
    recorder_socket_folder()  # rather no service than a court that cannot be recorded
    async with AsyncExitStack() as stack:
        office = await stack.enter_async_context(administration(config))
        engine = (make_engine or our_relay)(config)
        stack.push_async_callback(engine.aclose)
        media = MediaService(
            engine=engine,
            hearings=office.hearings,
            attendance=office.attendance,
            bus=office.bus,
            turn=TurnServers(config.turn_urls, config.turn_secret.get_secret_value()),
        )
        media.start()
        stack.push_async_callback(media.aclose)
        # Before anybody can connect: deadlines of the log run on, and whoever was here is lost until they return.
        await office.hearings.restore()
        await office.attendance.mark_everyone_lost()
        composition = CompositionJobs(hearings=office.hearings, folder_of=partial(recording_folder, config.data_dir))
        composition.start()
        stack.push_async_callback(composition.aclose)
        recording = RecordingService(
            hearings=office.hearings,
            media=media,
            bus=office.bus,
            make_recorder=partial(make_recorder or our_recorder, config),
            has_files=lambda hearing_id: any(recording_folder(config.data_dir, hearing_id).glob("*/*.mkv")),
            on_over=composition.add,
        )
        recording.start()
        stack.push_async_callback(recording.aclose)
        ingest = IngestService(entry=office.entry, hearings=office.hearings, attendance=office.attendance, media=media)
        stack.push_async_callback(ingest.aclose)
        services = Services(
            hearings=office.hearings,
            attendance=office.attendance,
            entry=office.entry,
            media=media,
            ingest=ingest,
            content=office.content,
        )
        url = public_url(config)
        app = make_app(services, static_files, allowed_origins=frozenset({*config.allowed_origins, url}))
        server = WebServer(app, host=config.host, port=config.port, tls=tls_context(config))
        stack.push_async_callback(server.aclose)
        await server.start()
        stack.push_async_callback(office.attendance.aclose)
        logger.info("service started", extra={"url": url})
        yield Service(config=config, url=url, office=office, media=media, engine=engine)


async def compose_kept_recording(
    config: Config, hearing_id: HearingId, *, on_progress: Progress
) -> tuple[Composed | NotComposed, ...]:
    """Make one file for each seat of a closed hearing, whether the service runs or not, and log what came of it.

    Raises UnknownHearingError, NotClosedError, ComposeFailedError, StorageError.
    """
    async with administration(config) as office:
        folder = recording_folder(config.data_dir, hearing_id)
        return await compose_recording(hearing_id, folder, hearings=office.hearings, on_progress=on_progress)


async def verify_log(config: Config, hearing_id: HearingId, *, trusted_key_file: Path | None = None) -> ChainReport:
    """Check a hearing's kept log; nothing is started or written.

    `trusted_key_file`: the court's public key (PEM); default: the one in the data folder.

    Raises UnknownLogError, StorageError when it cannot be checked.
    """
    return await verify_kept_log(
        hearing_id, data_dir=config.data_dir, database_url=config.database_url, trusted_key_file=trusted_key_file
    )


def our_relay(config: Config) -> MediaEngine:
    return SfuEngine(
        addresses=media_addresses(config),
        advertise=config.media_advertise,
        port_range=config.media_ports,
        rooms_per_process=config.media_rooms_per_process,
    )


def our_recorder(config: Config, hearing_id: HearingId) -> Recorder:
    return RecorderProcess(recording_folder(config.data_dir, hearing_id), recorder_socket(config.data_dir, hearing_id))


def uses_tls(config: Config) -> bool:
    return config.tls_self_signed or config.tls_cert is not None


def public_url(config: Config) -> str:
    """Return how people reach the service, without a slash at the end."""
    if config.public_url is not None:
        return config.public_url.rstrip("/")
    host = config.host
    if host in _EVERY_ADDRESS:
        host = next(iter(address for address in local_addresses() if address not in _LOOPBACK), "127.0.0.1")
    if ":" in host:
        host = f"[{host}]"
    return f"{'https' if uses_tls(config) else 'http'}://{host}:{config.port}"


def media_addresses(config: Config) -> tuple[str, ...]:
    """Return the local addresses on which the relay receives media."""
    if config.media_addresses:
        return config.media_addresses
    if config.host in _LOOPBACK:
        return ("127.0.0.1",)
    if config.host in _EVERY_ADDRESS:
        return (*local_addresses(), "127.0.0.1")
    return (config.host,)


def tls_context(config: Config) -> ssl.SSLContext | None:
    """Raises OSError, ssl.SSLError when the court's own certificate cannot be read."""
    if config.tls_cert is not None:
        return server_context(config.tls_cert, config.tls_key or config.tls_cert)
    if not config.tls_self_signed:
        return None
    hosts = sorted({"localhost", "127.0.0.1", *media_addresses(config)})
    return server_context(*self_signed(config.data_dir / "tls", hosts))
