"""A real `hearing demo` in a process of its own, which the tests may kill."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

START_S = 60.0
HEARING = [sys.executable, "-m", "hearing_server"]


@dataclass(frozen=True, slots=True)
class Person:
    role: str
    name: str
    link: str
    person_id: str
    seat_id: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class DemoServer:
    """Started on creation; `start` comes back on the same port with the same data.

    `settings`: environment variables of the service.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self._environment = {**os.environ, **settings}
        self.data_dir = folder / "data"
        self.log = folder / "server.log"
        self._output = folder / "server.json"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the service and wait for its line of links."""
        command = [*HEARING, "demo", "--json", "--verbose"]
        command += ["--port", str(self._port), "--data", str(self.data_dir)]
        with self._output.open("wb") as output, self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=log, env=self._environment
            )
        end = time.monotonic() + START_S
        while not (line := self._output.read_bytes()).endswith(b"\n"):
            assert self._process.poll() is None, f"hearing demo ended by itself:\n{self.log_end()}"
            assert time.monotonic() < end, f"hearing demo printed no links in {START_S:g} s:\n{self.log_end()}"
            time.sleep(0.05)
        self._take(json.loads(line.splitlines()[0]))

    def _take(self, started: dict[str, Any]) -> None:
        self.url: str = started["url"]
        self.hearing_id: str = started["hearing_id"]
        self.people = [Person(**{key: one[key] for key in Person.__slots__}) for one in started["people"]]

    def person(self, role: str, which: int = 0) -> Person:
        return [one for one in self.people if one.role == role][which]

    def kill(self) -> None:
        """`kill -9`: the service gets no chance to say or save anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)

    def stop(self) -> None:
        """End the service; safe to call when it is dead already."""
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"hearing demo did not end on SIGTERM:\n{self.log_end()}") from None

    def kill_media(self) -> None:
        """`kill -9` of the process that carries the one courtroom: the oldest, the spare was started after it."""
        assert self._process is not None
        relays = [one for one in psutil.Process(self._process.pid).children() if "media.sfu.worker" in one.cmdline()]
        min(relays, key=psutil.Process.create_time).kill()

    def relay_packets(self, direction: str, person: Person) -> int:
        """RTP packets the relay counted for this seat. `direction`: `sent` (to the seat) or `received` (from it)."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as reply:
            text = reply.read().decode()
        name = f"hearing_relay_{direction}_packets"
        count = re.search(
            rf'^{name}\S*\{{[^}}]*seat_id="{re.escape(person.seat_id)}"[^}}]*\}} (\S+)$', text, re.MULTILINE
        )
        return int(float(count.group(1))) if count else 0

    def verify_log(self) -> dict[str, Any]:
        """What `hearing log verify` says of the hearing."""
        command = [*HEARING, "log", "verify", self.hearing_id, "--json"]
        environment = {**os.environ, "HEARING_DATA_DIR": str(self.data_dir)}
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False, timeout=60
        )
        assert done.returncode in (0, 1), done.stderr.decode()
        verdict: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return verdict

    def log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])
