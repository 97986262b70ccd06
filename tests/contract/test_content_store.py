"""What every content store does."""

import pytest

from hearing_server.domain.ids import HearingId
from hearing_server.ports import ContentErasedError, ContentStore, UnstorableError
from tests.fakes.storage import AnyStores

pytest_plugins = ("tests.contract.storage_backends",)

HEARING, OTHER = HearingId("h-1"), HearingId("h-2")


@pytest.fixture
def contents(stores: AnyStores) -> ContentStore:
    return stores.contents


async def test_content_comes_back_and_fits_its_commitment(contents: ContentStore) -> None:
    for name, content in (("empty", b""), ("text", "证人 张三".encode()), ("binary", bytes(range(256)) * 400)):
        commitment = await contents.put(HEARING, name, content)
        assert await contents.get(HEARING, name) == content
        assert await contents.matches(HEARING, name, commitment)


async def test_what_was_never_stored_is_none_and_matches_nothing(contents: ContentStore) -> None:
    commitment = await contents.put(HEARING, "a", b"content")
    assert await contents.get(HEARING, "b") is None
    assert await contents.get(OTHER, "a") is None
    assert not await contents.matches(HEARING, "b", commitment)
    assert not await contents.matches(OTHER, "a", commitment)
    assert await contents.matches(HEARING, "a", commitment)


async def test_equal_contents_have_different_commitments(contents: ContentStore) -> None:
    first = await contents.put(HEARING, "a", b"Zhang San")
    second = await contents.put(HEARING, "b", b"Zhang San")
    assert first != second
    assert not await contents.matches(HEARING, "b", first)


async def test_a_later_content_replaces_the_earlier_one(contents: ContentStore) -> None:
    first = await contents.put(HEARING, "a", b"old")
    second = await contents.put(HEARING, "a", b"new")
    assert await contents.get(HEARING, "a") == b"new"
    assert await contents.matches(HEARING, "a", second)
    assert not await contents.matches(HEARING, "a", first)


async def test_nonsense_is_no_commitment(contents: ContentStore) -> None:
    await contents.put(HEARING, "a", b"content")
    for commitment in ("", "0" * 64, "\ud800", "\0"):
        assert not await contents.matches(HEARING, "a", commitment)


async def test_erased_content_is_gone_and_that_of_others_is_not(contents: ContentStore) -> None:
    erased = await contents.put(HEARING, "a", b"mine")
    kept = await contents.put(OTHER, "a", b"theirs")
    await contents.erase(HEARING)
    await contents.erase(HEARING)
    assert await contents.get(HEARING, "a") is None
    assert not await contents.matches(HEARING, "a", erased)
    assert await contents.get(OTHER, "a") == b"theirs"
    assert await contents.matches(OTHER, "a", kept)


async def test_nothing_is_added_after_an_erasure(contents: ContentStore) -> None:
    await contents.put(HEARING, "a", b"mine")
    await contents.erase(HEARING)
    with pytest.raises(ContentErasedError):
        await contents.put(HEARING, "a", b"again")
    assert await contents.get(HEARING, "a") is None


async def test_erasing_where_nothing_is_does_nothing(contents: ContentStore) -> None:
    await contents.erase(HEARING)
    await contents.put(HEARING, "a", b"content")
    assert await contents.get(HEARING, "a") == b"content"


async def test_what_cannot_be_kept_is_refused(contents: ContentStore) -> None:
    for hearing_id, name, content in (
        ("h", "n\0", b""),
        ("h", "\ud800", b""),
        ("h", "n" * 201, b""),
        ("h" * 65, "n", b""),
        ("h", "n", bytes(2**24 + 1)),
    ):
        with pytest.raises(UnstorableError):
            await contents.put(HearingId(hearing_id), name, content)
    await contents.put(HearingId("h" * 64), "n" * 200, b"")
