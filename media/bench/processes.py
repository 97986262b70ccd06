"""What the kernel knows of a process (proc(5)): processor time, memory, descriptors, threads, sockets. Linux only."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


def cpu_ns_by_thread(pids: Iterable[int]) -> dict[tuple[int, int], int]:
    """Return the processor time of every live thread of `pids`, in ns, by (process, thread).

    From schedstat: the ticks of /proc/PID/stat are too coarse for windows of seconds.
    """
    times: dict[tuple[int, int], int] = {}
    for pid in pids:
        for thread in _entries(_PROC / str(pid) / "task"):
            try:
                text = (_PROC / str(pid) / "task" / thread / "schedstat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # the thread has just ended
            times[pid, int(thread)] = int(text.split()[0])
    return times


def cpu_grown_s(before: dict[tuple[int, int], int], after: dict[tuple[int, int], int]) -> float:
    """Return by how many seconds the processor time of the threads in `after` has grown since `before`."""
    return sum(time - before.get(thread, 0) for thread, time in after.items()) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Sums over some processes."""

    rss_mib: float  # memory that several processes share counts in each
    pss_mib: float  # such memory counts in equal parts, so that the sum is what is really held
    descriptors: int
    threads: int
    processes: int


def footprint(pids: Iterable[int]) -> Footprint:
    """Return what `pids` hold now; processes that are gone hold nothing."""
    rss_kib = pss_kib = descriptors = threads = processes = 0
    for pid in pids:
        folder = _PROC / str(pid)
        status = _text(folder / "status")
        if not status:
            continue
        rss_kib += _number(status, "VmRSS:")
        threads += _number(status, "Threads:")
        pss_kib += _number(_text(folder / "smaps_rollup"), "Pss:")
        descriptors += len(_entries(folder / "fd"))
        processes += 1
    return Footprint(
        rss_mib=rss_kib / 1024,
        pss_mib=pss_kib / 1024,
        descriptors=descriptors,
        threads=threads,
        processes=processes,
    )


def udp_binds(pids: Iterable[int]) -> int:
    """Return to how many UDP addresses and ports the sockets of `pids` are bound: what a firewall would have to know.

    A socket that several processes hold counts once, and so do several sockets on one port.
    """
    bound: dict[str, tuple[str, str]] = {}  # inode -> address family and local address
    held: set[str] = set()
    for pid in pids:
        folder = _PROC / str(pid)
        for table in ("udp", "udp6"):
            try:
                lines = (folder / "net" / table).read_text().splitlines()[1:]
            except (FileNotFoundError, ProcessLookupError):
                continue
            for line in lines:
                fields = line.split()
                bound[fields[9]] = table, fields[1]
        for descriptor in _entries(folder / "fd"):
            try:
                target = os.readlink(folder / "fd" / descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                held.add(target[8:-1])
    return len({bound[inode] for inode in held & bound.keys()})


def has_loaded(pid: int, library: str) -> bool:
    """Return whether a shared library whose file name begins with `library` is loaded into `pid`."""
    lines = _text(_PROC / str(pid) / "maps").splitlines()
    return any(line.rsplit("/", 1)[-1].startswith(library) for line in lines)


def descendants(pid: int) -> set[int]:
    """Return the processes that `pid` started and those that they started in turn."""
    children: dict[int, list[int]] = {}
    for name in _entries(_PROC):
        if not name.isdigit():
            continue
        try:
            parent = int((_PROC / name / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended, or it is somebody else's
        return ""


def _number(text: str, label: str) -> int:
    """Return the first number of the line that begins with `label`; 0 without one."""
    line = next((line for line in text.splitlines() if line.startswith(label)), "")
    return int(line.split()[1]) if line else 0


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return []
