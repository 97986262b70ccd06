"""What the kernel says about a process, checked on processes whose doings are known."""

import os
import socket
import subprocess
import sys
import time

import pytest

from media.bench.processes import cpu_grown_s, cpu_ns_by_thread, descendants, footprint, udp_binds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads proc(5)")

ME = os.getpid()


def test_processor_time_grows_with_work_and_hardly_with_sleep() -> None:
    before = cpu_ns_by_thread([ME])
    begun_s = time.thread_time()
    while time.thread_time() - begun_s < 0.05:
        pass
    after = cpu_ns_by_thread([ME])
    worked_s = cpu_grown_s(before, after)
    assert worked_s >= 0.04
    assert cpu_grown_s(after, after) == 0.0


def test_bound_udp_sockets_are_counted_once() -> None:
    before = udp_binds([ME])
    with socket.socket(type=socket.SOCK_DGRAM) as first, socket.socket(type=socket.SOCK_DGRAM) as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        again = os.dup(first.fileno())
        assert udp_binds([ME]) == before + 2
        os.close(again)
        with socket.socket(type=socket.SOCK_DGRAM) as third, socket.socket(type=socket.SOCK_DGRAM) as fourth:
            for one in (third, fourth):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            third.bind(("127.0.0.1", 0))
            fourth.bind(third.getsockname())
            assert udp_binds([ME]) == before + 3, "two on one port"
    assert udp_binds([ME]) == before


def test_descriptors_and_memory_are_seen() -> None:
    before = footprint([ME])
    read, write = os.pipe()
    held = footprint([ME])
    os.close(read)
    os.close(write)
    assert held.descriptors == before.descriptors + 2
    assert held.rss_mib >= held.pss_mib > 1
    assert held.threads >= 1
    assert footprint([2**22 + 1]).processes == 0, "a process that is gone holds nothing"


def test_children_and_their_children_are_found() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import subprocess; subprocess.run(['sleep', '30'])"], stdin=subprocess.DEVNULL
    ) as child:
        try:
            deadline_s = time.monotonic() + 20
            while len(found := descendants(ME) & ({child.pid} | descendants(child.pid))) < 2:
                assert time.monotonic() < deadline_s
                time.sleep(0.02)
            assert child.pid in found
            assert ME not in descendants(ME)
        finally:
            for pid in descendants(child.pid):
                os.kill(pid, 9)
            child.kill()
    assert child.pid not in descendants(ME)
