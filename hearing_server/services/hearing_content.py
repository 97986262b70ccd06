"""The words that belong to a hearing (names, case title) and never enter the log: stored encrypted, read once."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from hearing_server.domain.ids import HearingId, PersonId
from hearing_server.domain.scheduling import ContentCommitment
from hearing_server.ports import ContentStore
from hearing_server.signalling.notices import CaseView

_CASE_FIELDS = ("number", "title", "court_name")


@dataclass(frozen=True, slots=True)
class HearingWords:
    case: CaseView
    names: Mapping[PersonId, str]


class HearingContent:
    """Reads each hearing's words from the content store once and keeps them in memory."""

    def __init__(self, contents: ContentStore) -> None:
        self._contents = contents
        self._words: dict[HearingId, HearingWords] = {}
        self._lock = asyncio.Lock()

    async def store(self, hearing_id: HearingId, words: HearingWords) -> tuple[ContentCommitment, ...]:
        """Encrypt `words` and return the salted commitment to each of them, for the log."""
        texts = {f"case.{field}": getattr(words.case, field) for field in _CASE_FIELDS}
        texts |= {_name_of(who): name for who, name in words.names.items()}
        commitments = [
            ContentCommitment(name=name, commitment=await self._contents.put(hearing_id, name, text.encode()))
            for name, text in texts.items()
        ]
        self._words[hearing_id] = words
        return tuple(commitments)

    async def words(self, hearing_id: HearingId, people: tuple[PersonId, ...]) -> HearingWords:
        """Return the hearing's words. What has been erased lawfully is an empty text."""
        async with self._lock:
            if (known := self._words.get(hearing_id)) is not None:
                return known
            number, title, court_name = [await self._get(hearing_id, f"case.{field}") for field in _CASE_FIELDS]
            names = {who: await self._get(hearing_id, _name_of(who)) for who in people}
            words = HearingWords(CaseView(number=number, title=title, court_name=court_name), names)
            self._words[hearing_id] = words
            return words

    async def _get(self, hearing_id: HearingId, name: str) -> str:
        content = await self._contents.get(hearing_id, name)
        return "" if content is None else content.decode()


def _name_of(person_id: PersonId) -> str:
    return f"person.{person_id}.name"
