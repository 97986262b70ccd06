"""A bad network between one page and the relay: datagrams of both peer connections get lost, in both directions."""

import random
import selectors
import socket
import threading
from types import TracebackType
from typing import Self

from playwright.sync_api import Page

# The page is told ports of the line instead of the relay's, and tells nobody its own addresses, so that there is no
# other way. `lossyLine` is the port of the line for a port of the relay.
_DETOUR = """
(() => {
  const setRemote = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
    const lines = [];
    for (const line of description.sdp.split("\\r\\n")) {
      const words = line.split(" ");
      if (line.startsWith("a=candidate:")) words[5] = await window.lossyLine(Number(words[5]));
      lines.push(words.join(" "));
    }
    return setRemote.call(this, { type: description.type, sdp: lines.join("\\r\\n") });
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    const message = typeof data === "string" ? JSON.parse(data) : {};
    if (message.type === "candidate") message.candidate = "";
    if (message.type === "answer") message.sdp = message.sdp.replace(/^a=candidate:.*\\r\\n/gm, "");
    return send.call(this, message.type ? JSON.stringify(message) : data);
  };
})();
"""


class LossyLine:
    """Owns a thread and its sockets. `ratio`: the share of datagrams lost from now on, 0 to 1."""

    def __init__(self, *, seed: int) -> None:
        self.ratio = 0.0
        self.lost = self.carried = 0
        self._chance = random.Random(seed)
        self._selector = selectors.DefaultSelector()
        self._fronts: dict[int, int] = {}  # port of the relay -> port of the line
        self._browsers: dict[socket.socket, tuple[str, int]] = {}  # front -> where the page sent from last
        self._is_closing = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="lossy line", daemon=True)

    def detour(self, page: Page) -> None:
        """Make `page`, which is not open yet, use the line."""
        page.expose_function("lossyLine", self._open)
        page.add_init_script(_DETOUR)

    def _open(self, relay_port: int) -> int:
        with self._lock:
            if relay_port not in self._fronts:
                front, back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
                front.bind(("127.0.0.1", 0))
                back.connect(("127.0.0.1", relay_port))
                for one in (front, back):
                    one.setblocking(False)
                self._selector.register(front, selectors.EVENT_READ, (back, True))
                self._selector.register(back, selectors.EVENT_READ, (front, False))
                self._fronts[relay_port] = front.getsockname()[1]
            return self._fronts[relay_port]

    def _run(self) -> None:
        while not self._is_closing:
            for key, _ in self._selector.select(timeout=0.1):
                other, is_front = key.data
                assert isinstance(key.fileobj, socket.socket)
                try:
                    self._carry(key.fileobj, other, is_front=is_front)
                except OSError:  # the relay has closed the port
                    continue

    def _carry(self, here: socket.socket, other: socket.socket, *, is_front: bool) -> None:
        data, sender = here.recvfrom(2048)
        if is_front:
            self._browsers[here] = sender
        if self._chance.random() < self.ratio:
            self.lost += 1
            return
        self.carried += 1
        if is_front:
            other.send(data)
        elif (browser := self._browsers.get(other)) is not None:
            other.sendto(data, browser)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closing = True
        self._thread.join(10)
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()
