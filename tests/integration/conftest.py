"""A real service on real sockets with SQLite; the relay is a fake where a test does not look at media."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from hearing_server.cli.sample import SAMPLE_HEARING
from hearing_server.composition import Service, running_service
from hearing_server.config import Config
from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.domain.settings import Settings
from media.engine import MediaEngine
from media.recording.interface import Recorder
from tests.fakes.media_engine import FakeMediaEngine
from tests.fakes.recorder import FakeRecorder
from tests.integration.wire_client import WireClient


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Court:
    """A running service with one sample hearing in check-in, and its people by role."""

    service: Service
    http: aiohttp.ClientSession
    hearing_id: HearingId
    people: dict[str, list[PersonId]]
    stack: AsyncExitStack
    tokens: dict[PersonId, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.service.url

    async def token(self, person_id: PersonId) -> str:
        """The person's resume token, made from a personal link at the first call."""
        if person_id not in self.tokens:
            link = await self.service.office.entry.make_link(self.hearing_id, person_id)
            async with self.http.post(f"{self.url}/api/enter", json={"link_token": link.split("#")[1]}) as answer:
                assert answer.status == 200, await answer.text()
                self.tokens[person_id] = (await answer.json())["resume_token"]
        return self.tokens[person_id]

    async def another_hearing(self, stack: AsyncExitStack, *, call_notice_s: int = 0) -> "Court":
        """A fresh sample hearing on the same service; its tabs close with `stack`."""
        return await _sample_court(self.service, self.http, stack, call_notice_s)

    async def socket(self) -> WireClient:
        return await self.stack.enter_async_context(WireClient(self.http, self.url))

    async def join(self, role: str, number: int = 0) -> WireClient:
        """A tab with a seat."""
        client = await self.socket()
        answer = await client.ask("authenticate", token=await self.token(self.people[role][number]))
        assert answer["type"] == "ok", answer
        await client.until(lambda: client.view is not None)
        return client


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(data_dir=tmp_path / "data", port=free_port())


def _fake_relay(config: Config) -> MediaEngine:
    return FakeMediaEngine()


def _fake_recorder(config: Config, hearing_id: HearingId) -> Recorder:
    return FakeRecorder()


async def open_court(
    config: Config,
    stack: AsyncExitStack,
    *,
    call_notice_s: int = 0,
    make_engine: Callable[[Config], MediaEngine] | None = _fake_relay,
    make_recorder: Callable[[Config, HearingId], Recorder] | None = _fake_recorder,
) -> Court:
    """Start a service and schedule the sample hearing. None: our own relay, our own recorder."""
    service = await stack.enter_async_context(
        running_service(config, make_engine=make_engine, make_recorder=make_recorder)
    )
    http = await stack.enter_async_context(aiohttp.ClientSession())
    return await _sample_court(service, http, stack, call_notice_s)


async def _sample_court(
    service: Service, http: aiohttp.ClientSession, stack: AsyncExitStack, call_notice_s: int
) -> Court:
    settings = Settings(check_in_opens_at=datetime.now(UTC), call_notice_s=call_notice_s)
    hearing_id, ids = await service.office.schedule(replace(SAMPLE_HEARING, settings=settings))
    people: dict[str, list[PersonId]] = {}
    for person, who in zip(SAMPLE_HEARING.people, ids, strict=True):
        people.setdefault(person.role.value, []).append(who)
    return Court(service, http, hearing_id, people, stack)


@pytest.fixture
async def court(config: Config) -> AsyncIterator[Court]:
    async with AsyncExitStack() as stack:
        yield await open_court(config, stack)
