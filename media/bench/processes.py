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
    """Sums over some processes. Memory shared between them counts in each."""

    rss_mib: float
    descriptors: int
    threads: int
    processes: int


def footprint(pids: Iterable[int]) -> Footprint:
    """Return what `pids` hold now; processes that are gone hold nothing."""
    rss_kib = descriptors = threads = processes = 0
    for pid in pids:
        folder = _PROC / str(pid)
        try:
            status = (folder / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        rss_kib += int(fields.get("VmRSS", "0 kB").split()[0])
        threads += int(fields.get("Threads", "0"))
        descriptors += len(_entries(folder / "fd"))
        processes += 1
    return Footprint(rss_mib=rss_kib / 1024, descriptors=descriptors, threads=threads, processes=processes)


def udp_binds(pids: Iterable[int]) -> int:
    """Return how many bound UDP sockets `pids` hold; a socket that several hold counts once."""
    inodes: set[str] = set()
    held: set[str] = set()
    for pid in pids:
        folder = _PROC / str(pid)
        for table in ("udp", "udp6"):
            try:
                lines = (folder / "net" / table).read_text().splitlines()[1:]
            except (FileNotFoundError, ProcessLookupError):
                continue
            inodes.update(line.split()[9] for line in lines)
        for descriptor in _entries(folder / "fd"):
            try:
                target = os.readlink(folder / "fd" / descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                held.add(target[8:-1])
    return len(inodes & held)


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


def _entries(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return []
