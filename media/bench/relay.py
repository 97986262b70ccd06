"""A stock aiortc MediaRelay as a server, to compare with. Run with `python -m media.bench.relay`.

Stock in every respect: aiortc's peer connections, jitter buffers, decoders and encoders, as its examples use them.
"""

import logging
import os
from collections.abc import Mapping
from typing import Any, Final

import aioice.ice
import aiortc.codecs.vpx
import uvloop
from aiortc import MediaStreamTrack, RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay

from media.bench.child import serve

_BITRATE: Final = 1_200_000
"""What every receiver's encoder makes of a picture: the load's own bitrate, so that packets compare."""


class Relay:
    """Owns the peer connections. It offers both, as the engine under test does."""

    def __init__(self) -> None:
        self._relay = MediaRelay()
        self._connections: dict[tuple[str, str], RTCPeerConnection] = {}
        self._tracks: dict[str, list[MediaStreamTrack]] = {}

    async def offer_uplink(self, peer: str) -> Mapping[str, Any]:
        connection = self._open(peer, "uplink")
        tracks = self._tracks[peer] = []
        connection.on("track", tracks.append)
        for kind in ("audio", "video"):
            connection.addTransceiver(kind, direction="recvonly")
        return await _offer(connection)

    async def offer_downlink(self, peer: str, sources: list[str]) -> Mapping[str, Any]:
        connection = self._open(peer, "downlink")
        for source in sources:
            for track in self._tracks[source]:
                connection.addTransceiver(self._relay.subscribe(track), direction="sendonly")
        return await _offer(connection)

    async def answer(self, peer: str, connection: str, sdp: str) -> Mapping[str, Any]:
        await self._connections[peer, connection].setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        return {}

    def _open(self, peer: str, connection: str) -> RTCPeerConnection:
        settings = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        opened = self._connections[peer, connection] = RTCPeerConnection(settings)
        return opened


async def _offer(connection: RTCPeerConnection) -> Mapping[str, Any]:
    await connection.setLocalDescription(await connection.createOffer())
    return {"sdp": connection.localDescription.sdp}


async def main() -> None:
    relay = Relay()
    await serve({request.__name__: request for request in (relay.offer_uplink, relay.offer_downlink, relay.answer)})
    os._exit(0)  # under a load that it cannot bear, closing would take minutes


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # it skips loopback
    aiortc.codecs.vpx.DEFAULT_BITRATE = _BITRATE
    uvloop.run(main())
