"""Every command a person can send, as a list; and the command behind each entry of a view."""

from collections.abc import Iterable, Iterator

from hearing_server.domain.attendance import Leave
from hearing_server.domain.commands import PersonCommand
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import Cancel, Close, OpenCheckIn, Recess, Resume, Start
from hearing_server.domain.links import RecordLinkReissued
from hearing_server.domain.muting import Mute, SetCamera, Unmute
from hearing_server.domain.permissions import Action
from hearing_server.domain.state import Person
from hearing_server.domain.talk import EndTalk, TalkTo
from hearing_server.domain.testimony import CallWitness, ReleaseWitness

UNTARGETED: tuple[PersonCommand, ...] = (
    OpenCheckIn(),
    Start(),
    Recess(),
    Resume(),
    Close(),
    Cancel(),
    SetCamera(is_on=True),
    SetCamera(is_on=False),
    EndTalk(),
    Leave(),
)


def targeted(person_id: PersonId) -> tuple[PersonCommand, ...]:
    return (
        CallWitness(person_id=person_id),
        ReleaseWitness(person_id=person_id),
        Mute(person_id=person_id),
        Mute(person_id=person_id, lock=True),
        Unmute(person_id=person_id),
        TalkTo(person_id=person_id),
        RecordLinkReissued(person_id=person_id),
    )


def every_command(targets: Iterable[PersonId]) -> Iterator[PersonCommand]:
    yield from UNTARGETED
    for person_id in targets:
        yield from targeted(person_id)


def command_for(action: Action, person_id: PersonId | None, viewer: Person) -> PersonCommand:
    """The command a browser sends when `viewer` presses the button of this entry."""
    target = viewer.person_id if person_id is None else person_id
    commands: dict[Action, PersonCommand] = {
        Action.OPEN_CHECK_IN: OpenCheckIn(),
        Action.START: Start(),
        Action.RECESS: Recess(),
        Action.RESUME: Resume(),
        Action.CLOSE: Close(),
        Action.CANCEL: Cancel(),
        Action.CALL_WITNESS: CallWitness(person_id=target),
        Action.RELEASE_WITNESS: ReleaseWitness(person_id=target),
        Action.MUTE_SELF: Mute(person_id=target),
        Action.UNMUTE_SELF: Unmute(person_id=target),
        Action.MUTE_OTHER: Mute(person_id=target),
        Action.MUTE_AND_LOCK: Mute(person_id=target, lock=True),
        Action.UNMUTE_OTHER: Unmute(person_id=target),
        Action.SET_CAMERA: SetCamera(is_on=not viewer.is_camera_on),
        Action.TALK_TO: TalkTo(person_id=target),
        Action.END_TALK: EndTalk(),
        Action.LEAVE: Leave(),
        Action.REISSUE_LINK: RecordLinkReissued(person_id=target),
    }
    return commands[action]
