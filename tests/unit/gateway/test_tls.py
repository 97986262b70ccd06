"""The self-signed certificate: made once, kept, made again for other hosts."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hearing_server.gateway.tls import self_signed, server_context


def test_a_certificate_is_made_kept_and_renewed(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    certificate, key = self_signed(tmp_path, ["127.0.0.1", "court.example"], now=now)
    first = certificate.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    assert self_signed(tmp_path, ["court.example", "127.0.0.1"], now=now)[0].read_bytes() == first
    assert self_signed(tmp_path, ["127.0.0.1"], now=now)[0].read_bytes() != first
    second = certificate.read_bytes()
    assert self_signed(tmp_path, ["127.0.0.1"], now=now + timedelta(days=380))[0].read_bytes() != second
    context = server_context(certificate, key)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_broken_file_is_replaced(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, ["127.0.0.1"])
    certificate.write_text("not a certificate")
    server_context(*self_signed(tmp_path, ["127.0.0.1"]))
    assert key.exists()
