"""What lies on the disk says nothing to a thief, and nothing at all once it is erased."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import NewEvent, SeatGrant
from hearing_server.storage.stores import open_stores

HEARING = HearingId("h-1")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def on_disk(data_dir: Path) -> bytes:
    """Everything in the folder but the keys."""
    return b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file() and path.parent.name != "keys")


async def test_names_and_tokens_are_not_on_the_disk(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.contents.put(HEARING, "person.p-1.name", b"Zhang San of Hangzhou")
    seat = SeatGrant(hearing_id=HEARING, person_id=PersonId("p-1"))
    link = await stores.tokens.issue_link(seat, at=AT, expires_at=AT + timedelta(hours=1))
    _, resume = await stores.tokens.redeem_link(link, at=AT)
    await stores.events.append(HEARING, 0, [NewEvent(at=AT, actor="p-1", type="seen:on_disk", body={})])
    kept = on_disk(tmp_path)
    await stores.aclose()
    for secret in (b"Zhang San of Hangzhou", b"Zhang", link.encode(), resume.encode()):
        assert secret not in kept
    for public in (b"person.p-1.name", b"seen:on_disk"):
        assert public in kept, "the search would not have found anything"


async def test_an_erased_key_is_not_on_the_disk_any_more(tmp_path: Path) -> None:
    stores = await open_stores(tmp_path)
    await stores.contents.put(HEARING, "person.p-1.name", b"Zhang San")
    await stores.contents.put(HearingId("h-2"), "person.p-1.name", b"Li Si")
    async with stores.database.read() as connection:
        query = text("SELECT k.hearing_id, wrapped_key, ciphertext FROM data_key k JOIN content c USING (hearing_id)")
        rows = {row.hearing_id: row for row in await connection.execute(query)}
    assert rows["h-1"].wrapped_key in on_disk(tmp_path), "the search would not have found anything"
    assert rows["h-1"].ciphertext in on_disk(tmp_path)
    await stores.contents.erase(HEARING)
    assert rows["h-1"].wrapped_key not in on_disk(tmp_path)
    assert rows["h-1"].ciphertext not in on_disk(tmp_path)
    assert rows["h-2"].wrapped_key in on_disk(tmp_path)
    await stores.aclose()


async def test_keys_are_for_the_service_alone_and_stay_the_same(tmp_path: Path) -> None:
    data = tmp_path / "data"
    stores = await open_stores(data)
    await stores.contents.put(HEARING, "a", b"content")
    await stores.aclose()
    keys = {path.name: path.read_bytes() for path in (data / "keys").iterdir()}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (data / "keys").iterdir()}
    assert set(keys) == {"master.key", "checkpoint_signing.pem", "checkpoint_signing.pub.pem"}
    assert modes["master.key"] == modes["checkpoint_signing.pem"] == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == stat.S_IMODE((data / "keys").stat().st_mode) == 0o700
    stores = await open_stores(data)
    assert await stores.contents.get(HEARING, "a") == b"content"
    await stores.aclose()
    assert {path.name: path.read_bytes() for path in (data / "keys").iterdir()} == keys
