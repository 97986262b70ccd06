"""Scripted people against a small court that speaks the wire protocol and takes their media with stock aiortc."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aioice.ice
import msgspec
import pytest
from aiohttp import web
from aiortc import MediaStreamTrack, RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from hearing_server.cli.actors import ActorLink, play
from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import HearingId, PersonId, SeatId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import Role
from hearing_server.domain.rooms import Location
from hearing_server.domain.views import HearingView, RecordingState, RecordingView, SeatView
from hearing_server.signalling import messages as wire
from hearing_server.signalling.codec import decode_message, encode_notice
from hearing_server.signalling.http import EnterReply, LinkRequest
from hearing_server.signalling.notices import CaseView, Goodbye, MediaState, Notice, Offer, Ok, View, Welcome

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def seat(name: str, role: Role, location: Location) -> SeatView:
    return SeatView(
        seat_id=SeatId(f"seat-{name}"),
        person_id=PersonId(name),
        role=role,
        side=None,
        represents=None,
        presence=Presence.PRESENT,
        presence_since=NOW,
        location=location,
        is_muted=False,
        is_muted_by_court=False,
        is_mute_locked=False,
        is_camera_on=True,
        testimony=None,
        admit_at=None,
        receiving=(),
        is_talking_with_clerk=False,
    )


@dataclass
class Guest:
    """One person's present connection, and what their media amounted to."""

    name: str
    socket: web.WebSocketResponse
    epoch: int = 0
    stock: RTCPeerConnection | None = None
    tracks: dict[str, MediaStreamTrack] = field(default_factory=dict)
    received: list[wire.Message] = field(default_factory=list)

    async def send(self, notice: Notice) -> None:
        await self.socket.send_str(encode_notice(notice))


class SmallCourt:
    """Enter, authenticate, media: nothing else. Links are "link-NAME", resume tokens "resume-token-of-NAME"."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.guests: list[Guest] = []
        self.location = Location.COURTROOM
        self.state = HearingState.IN_SESSION
        self._stock: list[RTCPeerConnection] = []

    async def start(self) -> str:
        app = web.Application()
        app.add_routes([web.post("/api/enter", self.enter), web.get("/ws", self.websocket)])
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def aclose(self) -> None:
        for guest in self.guests:
            await guest.socket.close()
        for stock in self._stock:
            await stock.close()
        await self._runner.cleanup()

    async def enter(self, request: web.Request) -> web.Response:
        token = msgspec.json.decode(await request.read(), type=LinkRequest).link_token
        self.entries.append(token)
        name = token.removeprefix("link-")
        if not token.startswith("link-") or self.entries.count(token) > 1:
            return web.json_response({"code": "link_used", "message": "used"}, status=410)
        reply = EnterReply(
            resume_token=f"resume-token-of-{name}", hearing_id="h", person_id=name, seat_id=f"seat-{name}", role="party"
        )
        return web.Response(body=msgspec.json.encode(reply), content_type="application/json")

    async def websocket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        guest: Guest | None = None
        async for frame in socket:
            message = decode_message(frame.data)
            if isinstance(message, wire.Authenticate):
                guest = Guest(message.token.removeprefix("resume-token-of-"), socket)
                self.guests.append(guest)
                await self._welcome(guest, message.id)
            elif guest is not None:
                guest.received.append(message)
                await self._take(guest, message)
        return socket

    async def _welcome(self, guest: Guest, message_id: int) -> None:
        await guest.send(Ok(id=message_id))
        who = guest.name
        await guest.send(Welcome(hearing_id="h", person_id=who, seat_id=f"seat-{who}", role="party", server_time=NOW))
        await guest.send(self.view_of(guest))

    def view_of(self, guest: Guest) -> View:
        role = Role.PRESIDING_JUDGE if guest.name == "judge" else Role.PARTY
        view = HearingView(
            hearing_id=HearingId("h"),
            seq=1,
            state=self.state,
            state_since=NOW,
            opened_at=NOW,
            me=seat(guest.name, role, self.location),
            seats=(),
            actions=(),
            recording=RecordingView(state=RecordingState.OFF, since=None, problem_code=None, problem_seat_id=None),
        )
        case = CaseView(number="1", title="t", court_name="c")
        return View(view=view, names={}, case=case, server_time=NOW)

    async def _take(self, guest: Guest, message: wire.Message) -> None:
        if isinstance(message, wire.OpenMedia):
            await self._offer(guest)
            await guest.send(Ok(id=message.id))
        elif isinstance(message, wire.Answer) and message.epoch == guest.epoch and guest.stock is not None:
            await guest.stock.setRemoteDescription(RTCSessionDescription(message.sdp, "answer"))
            await guest.send(Ok(id=message.id))

    async def _offer(self, guest: Guest) -> None:
        guest.epoch += 1
        guest.tracks = {}
        guest.stock = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._stock.append(guest.stock)
        tracks = guest.tracks
        guest.stock.on("track", lambda track: tracks.__setitem__(track.kind, track))
        guest.stock.addTransceiver("audio", "recvonly")
        guest.stock.addTransceiver("video", "recvonly")
        await guest.stock.setLocalDescription(await guest.stock.createOffer())
        sdp = guest.stock.localDescription.sdp
        await guest.send(Offer(connection="uplink", epoch=guest.epoch, negotiation=1, sdp=sdp))

    async def guest(self, name: str, count: int = 1) -> Guest:
        """Wait for the `count`-th connection of `name`."""
        await until(lambda: len([g for g in self.guests if g.name == name]) >= count)
        return [g for g in self.guests if g.name == name][count - 1]


async def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what another process does has no event here)
            await asyncio.sleep(0.05)


async def sees(guest: Guest) -> None:
    """Wait until the pictures of the guest are decoded."""
    await until(lambda: "video" in guest.tracks)
    async with asyncio.timeout(40):
        picture = await guest.tracks["video"].recv()
    assert (picture.width, picture.height) == (320, 180)


async def loudness(guest: Guest, packets: int = 25) -> int:
    """Return the loudest sample of half a second."""
    async with asyncio.timeout(40):
        frames = [await guest.tracks["audio"].recv() for _ in range(packets)]
    return max(int(abs(frame.to_ndarray()).max()) for frame in frames)


@pytest.fixture
async def court(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[SmallCourt, str]]:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    small = SmallCourt()
    url = await small.start()
    yield small, url
    await small.aclose()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


def link(url: str, name: str, role: Role = Role.PARTY) -> ActorLink:
    return ActorLink(role=role, name=name, link=f"{url}/#link-{name}")


async def test_actors_take_their_seats_return_after_faults_and_go_home(
    court: tuple[SmallCourt, str], clips: Path
) -> None:
    small, url = court
    playing = asyncio.create_task(play([link(url, "li"), link(url, "wang")], url, clip_folder=clips))
    li, wang = await small.guest("li"), await small.guest("wang")
    await sees(li)
    await sees(wang)

    await li.socket.close()  # the connection breaks: the resume token opens the seat again
    again = await small.guest("li", 2)
    await sees(again)
    assert small.entries.count("link-li") == 1

    await again.send(MediaState(state="failed", connection="uplink"))
    await until(lambda: again.epoch == 2)
    await sees(again)

    assert not playing.done()
    await again.send(Goodbye(code="hearing_over"))
    await wang.send(Goodbye(code="revoked"))
    async with asyncio.timeout(20):
        await playing


async def test_people_whom_the_court_hears_speak_in_turn(court: tuple[SmallCourt, str], clips: Path) -> None:
    small, url = court
    small.location = Location.WAITING_ROOM
    playing = asyncio.create_task(play([link(url, "li")], url, clip_folder=clips))
    try:
        li = await small.guest("li")
        await sees(li)
        assert await loudness(li, packets=100) < 1500, "who is not in the courtroom is quiet"
        small.location = Location.COURTROOM
        await li.send(small.view_of(li))
        async with asyncio.timeout(40):
            while await loudness(li) < 3000:
                pass
    finally:
        playing.cancel()
        await asyncio.wait([playing])


async def test_a_judge_who_directs_sends_the_commands(court: tuple[SmallCourt, str], clips: Path) -> None:
    small, url = court
    small.state = HearingState.CHECK_IN
    links = [link(url, "judge", Role.PRESIDING_JUDGE)]
    playing = asyncio.create_task(play(links, url, clip_folder=clips, direct=True))
    try:
        judge = await small.guest("judge")
        await until(lambda: any(isinstance(message, wire.Start) for message in judge.received))
        numbers = [message.id for message in judge.received]
        assert numbers == sorted(set(numbers))
    finally:
        playing.cancel()
        await asyncio.wait([playing])


async def test_a_used_link_sends_one_person_home_and_not_the_others(
    court: tuple[SmallCourt, str], clips: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small, url = court
    bad = ActorLink(role=Role.PARTY, name="zhao", link=f"{url}/#worn-out")
    playing = asyncio.create_task(play([bad, link(url, "li")], url, clip_folder=clips))
    li = await small.guest("li")
    await sees(li)
    assert "print new links" in caplog.text
    await li.send(Goodbye(code="left"))
    async with asyncio.timeout(20):
        await playing


async def test_the_command_reads_the_links_and_stops_when_told(court: tuple[SmallCourt, str], clips: Path) -> None:
    small, url = court
    people = [{"role": "party", "name": "li", "link": f"{url}/#link-li", "person_id": "p", "seat_id": "s"}]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hearing_server.cli.actors", "--links-json", "-", "--clips", str(clips),
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ},
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(json.dumps({"url": url, "people": people}).encode())
    process.stdin.close()
    try:
        await sees(await small.guest("li"))
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert errors == b""
