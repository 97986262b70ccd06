"""Who may do what, when, and the code given when they may not."""

from enum import StrEnum


class Action(StrEnum):
    OPEN_CHECK_IN = "open_check_in"
    START = "start"
    RECESS = "recess"
    RESUME = "resume"
    CLOSE = "close"
    CANCEL = "cancel"
    CALL_WITNESS = "call_witness"
    RELEASE_WITNESS = "release_witness"
    MUTE_SELF = "mute_self"
    UNMUTE_SELF = "unmute_self"
    MUTE_OTHER = "mute_other"
    MUTE_AND_LOCK = "mute_and_lock"
    UNMUTE_OTHER = "unmute_other"
    SET_CAMERA = "set_camera"
    TALK_TO = "talk_to"
    END_TALK = "end_talk"
    LEAVE = "leave"
    REISSUE_LINK = "reissue_link"


class ReasonCode(StrEnum):
    """Why something is refused. Stable; each has a text in every locale file."""

    NOT_YOUR_ROLE = "not_your_role"
    WRONG_STATE = "wrong_state"
    UNKNOWN_PERSON = "unknown_person"
    NOT_PRESENT = "not_present"
    NOT_A_WITNESS = "not_a_witness"
    WITNESS_NOT_PRESENT = "witness_not_present"
    WITNESS_ALREADY_CALLED = "witness_already_called"
    WITNESS_NOT_ON_STAND = "witness_not_on_stand"
    ANOTHER_WITNESS_ON_STAND = "another_witness_on_stand"
    ALREADY_MUTED = "already_muted"
    NOT_MUTED = "not_muted"
    MUTE_LOCKED = "mute_locked"
    MUTED_BY_SELF = "muted_by_self"
    NOT_IN_COURTROOM = "not_in_courtroom"
    NOT_WAITING = "not_waiting"
    ALREADY_TALKING = "already_talking"
    NOT_TALKING = "not_talking"
    NO_CHANGE = "no_change"
