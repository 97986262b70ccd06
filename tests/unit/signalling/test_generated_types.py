"""The browser's types are those of the server."""

from hearing_server.cli.schema import TYPESCRIPT_FILE
from hearing_server.signalling.messages import CLIENT_MESSAGES
from hearing_server.signalling.notices import SERVER_NOTICES
from hearing_server.signalling.schema import wire_schema
from hearing_server.signalling.typescript import typescript


def test_the_generated_file_is_current() -> None:
    assert TYPESCRIPT_FILE.read_text(encoding="utf-8") == typescript(), "run `hearing schema --typescript`"


def test_every_message_and_notice_has_a_type() -> None:
    text = typescript()
    for struct in (*CLIENT_MESSAGES, *SERVER_NOTICES):
        assert f"export interface {struct.__name__} {{" in text


def test_the_schema_lists_every_message_and_notice() -> None:
    schema = wire_schema()
    assert len(schema["messages"]) == len(CLIENT_MESSAGES)
    assert len(schema["notices"]) == len(SERVER_NOTICES)
    assert schema["messages"]["mute"]["properties"]["person_id"]["maxLength"] == 64
