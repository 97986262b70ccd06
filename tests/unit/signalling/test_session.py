"""Authentication first, ids that increase."""

import pytest

from hearing_server.signalling.messages import Authenticate, EndTalk, Message
from hearing_server.signalling.session import OutOfPhase, Session, accept, authenticated

TOKEN = "t" * 43
OPEN = authenticated(Session())


@pytest.mark.parametrize(
    ("session", "message", "code"),
    [
        (Session(), EndTalk(id=1), "not_authenticated"),
        (Session(), Authenticate(id=1, token=TOKEN), None),
        (OPEN, EndTalk(id=1), None),
        (OPEN, Authenticate(id=1, token=TOKEN), "already_authenticated"),
        (authenticated(Session(last_id=4)), EndTalk(id=4), "stale_id"),
        (authenticated(Session(last_id=4)), EndTalk(id=3), "stale_id"),
        (authenticated(Session(last_id=4)), EndTalk(id=9), None),
    ],
)
def test_each_phase(session: Session, message: Message, code: str | None) -> None:
    answer = accept(session, message)
    if code is None:
        assert isinstance(answer, Session)
        assert answer.last_id == message.id
    else:
        assert isinstance(answer, OutOfPhase)
        assert answer.code == code
        assert answer.advice
