"""A real coturn on loopback, for tests that have it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET = "a secret shared with the TURN server"
START_S = 30.0


@dataclass(frozen=True, slots=True)
class TurnServer:
    port: int  # TCP and UDP
    tls_port: int
    certificate: Path  # PEM, its own authority


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def turn_server(folder: Path) -> Iterator[TurnServer]:
    """Run a TURN server that knows SECRET. Skips the test where coturn is not installed."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed (apt-get install coturn)")
    certificate, key = _certificate(folder)
    server = TurnServer(_free_port(), _free_port(), certificate)
    options = [
        "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--allow-loopback-peers",
        f"--listening-port={server.port}", f"--tls-listening-port={server.tls_port}",
        f"--cert={certificate}", f"--pkey={key}", "--no-dtls",
        "--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=court.example", "--no-cli",
        f"--userdb={folder / 'turn.db'}", f"--pidfile={folder / 'turn.pid'}", "--log-file=stdout",
    ]  # fmt: skip
    process = subprocess.Popen([program, "-n", *options], stdout=subprocess.DEVNULL)
    try:
        _wait_for(server.port, process)
        _wait_for(server.tls_port, process)
        yield server
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert process.poll() is None, "coturn ended by itself"
            assert time.monotonic() < end, f"coturn does not listen on port {port} after {START_S:g} s"
            time.sleep(0.1)
        else:
            return


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "turn.pem", folder / "turn.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption()))
    return paths
