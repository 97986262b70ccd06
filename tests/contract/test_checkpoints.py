"""What every store of checkpoints and of refusals does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import UnstorableError
from hearing_server.records.checkpoint import CheckpointProblem, checkpoint_problem
from tests.fakes.storage import AnyStores

pytest_plugins = ("tests.contract.storage_backends",)

AT = datetime(2026, 11, 22, 9, 0, 0, 1, tzinfo=UTC)
HEARING, OTHER = HearingId("h-1"), HearingId("h-2")


async def test_checkpoints_are_kept_smallest_first_and_signed(stores: AnyStores) -> None:
    later = await stores.checkpoints.sign(HEARING, 7, "b" * 64, AT + timedelta(minutes=1))
    earlier = await stores.checkpoints.sign(HEARING, 3, "a" * 64, AT)
    await stores.checkpoints.sign(OTHER, 1, "c" * 64, AT)
    assert await stores.checkpoints.read(HEARING) == (earlier, later)
    assert checkpoint_problem(earlier, {earlier.public_key}) is None
    assert later.public_key == earlier.public_key
    for changed in (replace(earlier, size=4), replace(earlier, head="b" * 64), replace(earlier, hearing_id=OTHER)):
        assert checkpoint_problem(changed, {earlier.public_key}) is CheckpointProblem.FORGED


async def test_a_hearing_without_checkpoints_has_none(stores: AnyStores) -> None:
    assert await stores.checkpoints.read(HEARING) == ()


async def test_refusals_are_kept_in_order(stores: AnyStores) -> None:
    who = PersonId("p-1")
    for number, code in enumerate(("role_may_not", "state_does_not_allow")):
        await stores.audit.record_refusal(HEARING, AT + timedelta(seconds=number), who, "call_witness", code)
    await stores.audit.record_refusal(OTHER, AT, who, "mute", "role_may_not")
    assert await stores.audit.refusals(HEARING) == (
        (AT, who, "call_witness", "role_may_not"),
        (AT + timedelta(seconds=1), who, "call_witness", "state_does_not_allow"),
    )


async def test_a_refusal_that_cannot_be_kept_is_refused(stores: AnyStores) -> None:
    for message_type in ("x\0", "\ud800", "x" * 201):
        with pytest.raises(UnstorableError):
            await stores.audit.record_refusal(HEARING, AT, PersonId("p-1"), message_type, "role_may_not")
    assert await stores.audit.refusals(HEARING) == ()
