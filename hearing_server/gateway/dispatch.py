"""Which part of the service answers which message."""

from collections.abc import Callable, Mapping

from hearing_server.domain import attendance, lifecycle, muting, talk, testimony
from hearing_server.domain.hearing import Command
from hearing_server.domain.ids import PersonId
from hearing_server.signalling import messages as wire

COMMANDS: Mapping[type[wire.Message], Callable[..., Command]] = {
    wire.OpenCheckIn: lambda _: lifecycle.OpenCheckIn(),
    wire.Start: lambda _: lifecycle.Start(),
    wire.Recess: lambda _: lifecycle.Recess(),
    wire.Resume: lambda _: lifecycle.Resume(),
    wire.Close: lambda _: lifecycle.Close(),
    wire.Cancel: lambda _: lifecycle.Cancel(),
    wire.CallWitness: lambda message: testimony.CallWitness(person_id=PersonId(message.person_id)),
    wire.ReleaseWitness: lambda message: testimony.ReleaseWitness(person_id=PersonId(message.person_id)),
    wire.Mute: lambda message: muting.Mute(person_id=PersonId(message.person_id), lock=message.lock),
    wire.Unmute: lambda message: muting.Unmute(person_id=PersonId(message.person_id)),
    wire.SetCamera: lambda message: muting.SetCamera(is_on=message.is_on),
    wire.TalkTo: lambda message: talk.TalkTo(person_id=PersonId(message.person_id)),
    wire.EndTalk: lambda _: talk.EndTalk(),
    wire.Leave: lambda _: attendance.Leave(),
}
"""Messages that become a command to the hearing. A test holds this against `wire.Command`."""
