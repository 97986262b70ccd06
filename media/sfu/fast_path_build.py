"""Compiles the fast path. Needs nothing of the project, so that a package build can run it as a file.

`python media/sfu/fast_path_build.py --describe` writes fast_path_ffi.py anew after a change of fast_path.h.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_SOURCE = Path(__file__).with_name("fast_path.c")
_HEADER = Path(__file__).with_name("fast_path.h")
_LIBRARY = Path(__file__).with_name("_fast_path.so")
_DESCRIPTION = Path(__file__).with_name("fast_path_ffi.py")


def build(source: Path = _SOURCE, library: Path = _LIBRARY) -> bool:
    """Compile `source` into `library`; False, and no library, where there is no compiler or it cannot.

    An up-to-date library is kept. The relay does the same in Python without it.
    """
    inputs = [source, *source.parent.glob("*.h")]
    if library.exists() and library.stat().st_mtime >= max(path.stat().st_mtime for path in inputs):
        return True
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        return False
    made = library.with_suffix(f".{os.getpid()}.tmp")
    command = [compiler, "-O2", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-shared", "-fPIC"]
    try:
        done = subprocess.run([*command, "-o", str(made), str(source)], capture_output=True, timeout=120, check=False)
        if done.returncode != 0:
            return False
        made.replace(library)  # a process that has the old one loaded keeps it
    except (OSError, subprocess.TimeoutExpired):
        return False
    finally:
        made.unlink(missing_ok=True)
    return True


def describe(header: Path = _HEADER, target: Path = _DESCRIPTION) -> None:
    """Write what cffi makes of `header`, so that no relay process needs a C parser: 180 ms and 6 MiB each."""
    from cffi import FFI  # noqa: PLC0415 - a package build has no cffi

    ffi = FFI()
    ffi.cdef(header.read_text("utf-8"))
    ffi.set_source(target.stem, None)
    ffi.emit_python_code(str(target))


if __name__ == "__main__":
    if sys.argv[1:] == ["--describe"]:
        describe()
    elif not build():
        sys.exit(1)
