"""A private PostgreSQL cluster in a temporary folder, reached over its own Unix socket; nothing of it stays behind."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A test database may lose its last commits when the power goes; it must not when a process dies, and does not.
_OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=40 -c shared_buffers=16MB -k {socket_dir}"


class NoPostgresError(Exception):
    """PostgreSQL cannot be started here; the message says why."""


def find_programs() -> Path:
    """Return the folder with `initdb` and `pg_ctl`. Raises NoPostgresError."""
    on_path = shutil.which("initdb")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)  # Debian keeps them off the PATH
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise NoPostgresError("PostgreSQL is not installed (no initdb): apt install postgresql")


@contextmanager
def postgres_cluster() -> Iterator[str]:
    """Yield the URL of an empty database. Raises NoPostgresError."""
    programs = find_programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a Unix socket path has about 100 characters
    user, as_user = _server_user()
    if user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    data, log = folder / "data", folder / "log"
    control = [*as_user, str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
    try:
        _run([*as_user, str(programs / "initdb"), "-D", str(data), "-U", "court", "-A", "trust", "-E", "UTF8",
              "--locale=C", "--no-sync"])  # fmt: skip
        _run([*control, "-l", str(log), "-o", _OPTIONS.format(socket_dir=folder), "start"])
        try:
            yield f"postgresql+asyncpg://court@/postgres?host={folder}"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _server_user() -> tuple[pwd.struct_passwd | None, list[str]]:
    """PostgreSQL refuses to run as root: return another user and the command that becomes it."""
    if os.geteuid() != 0:
        return None, []
    if shutil.which("runuser") is None:
        raise NoPostgresError("PostgreSQL does not run as root, and there is no runuser to become somebody else")
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name), ["runuser", "-u", name, "--"]
        except KeyError:
            continue
    raise NoPostgresError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _run(command: list[str]) -> None:
    # To a file, not a pipe: the server that pg_ctl leaves running would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd="/",
            timeout=120,
            check=False,
        )
        output.seek(0)
        if done.returncode != 0:
            raise NoPostgresError(f"{Path(command[-1]).name}: {output.read().decode(errors='replace')[-500:]}")
