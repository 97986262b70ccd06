"""What every command has in common. Commands of people ask for something; commands of the system report or remind."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from hearing_server.domain.ids import PersonId
from hearing_server.domain.permissions import Action, Request

SYSTEM = PersonId("system")
"""The actor of everything nobody asked for. Nobody in a hearing has this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    type: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCommand(Command):
    """Only `SYSTEM` may give it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonCommand(Command, ABC):
    """Somebody in the hearing asks for something."""

    @abstractmethod
    def request(self, by: PersonId) -> Request:
        """What it asks for, when `by` gives it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainCommand(PersonCommand):
    """Asks for `action`, which concerns the hearing or the person who asks."""

    action: ClassVar[Action]

    def request(self, by: PersonId) -> Request:
        return Request(action=self.action, person_id=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetedCommand(PersonCommand):
    """Asks for `action`, which concerns `person_id`."""

    action: ClassVar[Action]
    person_id: PersonId

    def request(self, by: PersonId) -> Request:
        return Request(action=self.action, person_id=self.person_id)
