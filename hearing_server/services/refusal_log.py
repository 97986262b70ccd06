"""Refusals go to the audit log, at most a few a second from one person; the rest is counted."""

import logging
from collections import Counter
from datetime import datetime

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.ports import AuditLog, StorageError

logger = logging.getLogger(__name__)

_PER_PERSON = RateLimitItemPerSecond(5)


class RefusalLog:
    """Never fails and never blocks a hearing: a refusal that cannot be written is counted and logged for operators."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self.not_recorded: Counter[str] = Counter()  # reason -> count

    async def record(self, hearing_id: HearingId, at: datetime, by: PersonId, message_type: str, code: str) -> None:
        if not self._limiter.hit(_PER_PERSON, hearing_id, by):
            self.not_recorded["rate_limited"] += 1
            return
        try:
            await self._audit.record_refusal(hearing_id, at, by, message_type, code)
        except StorageError:
            self.not_recorded["storage_failed"] += 1
            logger.warning("a refusal could not be recorded", extra={"hearing_id": hearing_id, "person_id": by})
