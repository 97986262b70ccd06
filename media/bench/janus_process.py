"""Runs the Janus of this computer on loopback, with settings of its own in a temporary folder."""

import asyncio
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from media.bench.engines import EngineMissingError

_START_S: Final = 20.0
_STOP_S: Final = 5.0
_SHIM: Final = Path(__file__).parent / "loopback_interface.c"

_CORE: Final = """\
general: {{
  configs_folder = "{folder}"
  debug_level = 3
  session_timeout = 60
  {event_loops}
}}
media: {{
  rtp_port_range = "20000-59999"
}}
nat: {{
  ice_lite = true
  full_trickle = false
}}
plugins: {{
  disable = "{other_plugins}"
}}
transports: {{
  disable = "{other_transports}"
}}
events: {{
  broadcast = false
}}
"""

_WEBSOCKET: Final = """\
general: {{
  json = "compact"
  ws = true
  ws_port = {port}
  ws_ip = "127.0.0.1"
  wss = false
}}
admin: {{
  admin_ws = false
}}
"""


class JanusProcess:
    """Owns one Janus. `event_loops` None: a thread per connection, which is Janus's default."""

    def __init__(self, *, event_loops: int | None) -> None:
        self._event_loops = event_loops
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        self.version = ""

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("Janus was not started; call start() first.")
        return self._process.pid

    async def start(self) -> None:
        """Start Janus and wait until its WebSocket answers. Raises EngineMissingError."""
        janus = shutil.which("janus")
        if janus is None:
            raise EngineMissingError("Janus is not installed; on Debian: apt install janus")
        compiler = shutil.which("cc")
        if compiler is None:
            raise EngineMissingError("Janus on loopback needs a C compiler; on Debian: apt install gcc libc6-dev")
        self.version = await asyncio.to_thread(_version, janus)
        self._folder = tempfile.TemporaryDirectory(prefix="bench-janus-")
        folder = Path(self._folder.name)
        self.port = _free_port()
        shim = await asyncio.to_thread(_prepare, folder, compiler, self.port, self._event_loops)
        with (folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                janus, "--configs-folder", str(folder), "--config", str(folder / "janus.jcfg"),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(shim), cwd=folder,
            )  # fmt: skip
        await self._listening(folder / "log")

    async def _listening(self, log: Path) -> None:
        try:
            async with asyncio.timeout(_START_S):
                while True:
                    if self._process is None or self._process.returncode is not None:
                        raise EngineMissingError(f"Janus ended as soon as it was started: {_last_lines(log)}")
                    with suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                        writer.close()
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise EngineMissingError(f"Janus did not open its WebSocket: {_last_lines(log)}") from None

    async def aclose(self) -> None:
        """End Janus. Safe to call twice."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()


def _version(janus: str) -> str:
    said = subprocess.run([janus, "--version"], capture_output=True, text=True, timeout=20, check=False)
    words = (said.stdout + said.stderr).split()
    return next((word.strip("()") for word in words if word.startswith("(") and "." in word), "unknown")


def _prepare(folder: Path, compiler: str, port: int, event_loops: int | None) -> Path:
    """Write the settings and compile the interface shim; return its path."""
    shim = folder / "loopback_interface.so"
    made = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(shim), str(_SHIM)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if made.returncode:
        raise EngineMissingError(f"The loopback shim of Janus does not compile: {made.stderr[-400:]}")
    core = _CORE.format(
        folder=folder,
        event_loops=f"event_loops = {event_loops}" if event_loops else "",
        other_plugins=_others("plugins", "libjanus_videoroom.so"),
        other_transports=_others("transports", "libjanus_websockets.so"),
    )
    (folder / "janus.jcfg").write_text(core)
    (folder / "janus.transport.websockets.jcfg").write_text(_WEBSOCKET.format(port=port))
    (folder / "janus.plugin.videoroom.jcfg").write_text("general: {\n}\n")
    return shim


def _others(kind: str, wanted: str) -> str:
    """Return the names of all installed Janus modules of a `kind` but `wanted`."""
    return ",".join(sorted({path.name for path in Path("/usr/lib").glob(f"*/janus/{kind}/*.so")} - {wanted}))


def _environment(shim: Path) -> Mapping[str, str]:
    return {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(shim), "LANG": "C"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_lines(log: Path) -> str:
    try:
        return " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    except OSError:
        return "no log"
