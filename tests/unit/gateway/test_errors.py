"""Every error has a stable code and advice; an unknown one says nothing of its cause."""

import inspect

import pytest

import media.engine
from hearing_server import ports
from hearing_server.domain.permissions import ReasonCode, Refusal
from hearing_server.gateway.errors import error_text, refusal_text
from hearing_server.services.attendance_service import EntryRefusedError
from hearing_server.services.hearing_service import UnknownHearingError
from hearing_server.services.media_service import StreamNotAllowedError
from hearing_server.signalling.codec import BadMessageError

KNOWN = [
    error
    for module in (media.engine, ports)
    for _, error in inspect.getmembers(module, inspect.isclass)
    if issubclass(error, Exception) and error is not ports.LinkRefusedError
] + [UnknownHearingError, StreamNotAllowedError]


@pytest.mark.parametrize("kind", KNOWN, ids=lambda kind: kind.__name__)
def test_every_error_of_a_port_has_an_answer(kind: type[Exception]) -> None:
    text = error_text(kind("secret detail"))
    assert text.code != "internal_error"
    assert "secret" not in text.message
    assert 400 <= text.status < 600


@pytest.mark.parametrize("code", ["link_unknown", "link_used", "link_expired", "link_revoked"])
def test_links(code: str) -> None:
    assert error_text(ports.LinkRefusedError(code)).code == code


def test_others() -> None:
    assert error_text(BadMessageError("malformed_message", "Send JSON.")).message == "Send JSON."
    assert error_text(EntryRefusedError(ReasonCode.WRONG_STATE)).code == "wrong_state"
    unknown = error_text(RuntimeError("a name, a secret"))
    assert (unknown.code, unknown.status) == ("internal_error", 500)
    assert "secret" not in unknown.message


def test_refusals_carry_their_parameters() -> None:
    text = refusal_text(Refusal(code=ReasonCode.WRONG_STATE, parameters={"state": "recess"}))
    assert (text.code, text.parameters) == ("wrong_state", {"state": "recess"})
