"""How a scripted presiding judge leads the demonstration: pure, from views and the time."""

from dataclasses import dataclass

from hearing_server.domain.attendance import Presence
from hearing_server.domain.ids import PersonId
from hearing_server.domain.lifecycle import HearingState
from hearing_server.domain.roles import Role
from hearing_server.domain.testimony import TestimonyState
from hearing_server.domain.views import HearingView

START_AFTER_S = 5.0
WAIT_FOR_ABSENT_S = 120.0
CALL_AFTER_S = 20.0
RELEASE_AFTER_S = 60.0
RESUME_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class Step:
    """What to send now: the type of a message, and whom it concerns."""

    type: str
    person_id: PersonId | None = None


class Director:
    """Starts the hearing when all are there, calls the first witness, releases the witness, resumes after a fault.

    Each step is proposed once; `retry` allows a refused one again.
    """

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._done: set[str] = set()

    def next_step(self, view: HearingView, now_s: float) -> Step | None:
        """Return what to do at `now_s` (monotonic seconds), given what the judge sees."""
        step = self._due(view, now_s)
        if step is None or step.type in self._done:
            return None
        if step.type != "resume":
            self._done.add(step.type)
        else:
            self._since.pop("interrupted", None)
        return step

    def retry(self, step: Step) -> None:
        """The server refused `step`: propose it again when it is due."""
        self._done.discard(step.type)

    def _due(self, view: HearingView, now_s: float) -> Step | None:
        if view.state is HearingState.CHECK_IN:
            waited_s = self._for(now_s, "check_in", True)
            all_here = all(seat.presence is Presence.PRESENT for seat in view.seats) or waited_s > WAIT_FOR_ABSENT_S
            return Step("start") if self._for(now_s, "all_here", all_here) >= START_AFTER_S else None
        if self._for(now_s, "interrupted", view.state is HearingState.INTERRUPTED) >= RESUME_AFTER_S:
            return Step("resume")
        if view.state is not HearingState.IN_SESSION:
            return None
        in_session_s = self._for(now_s, "in_session", True)
        return self._witness_step(view, now_s, in_session_s)

    def _witness_step(self, view: HearingView, now_s: float, in_session_s: float) -> Step | None:
        witnesses = [seat for seat in view.seats if seat.role is Role.WITNESS]
        testifying = next((seat for seat in witnesses if seat.testimony is TestimonyState.TESTIFYING), None)
        if self._for(now_s, "testifying", testifying is not None) >= RELEASE_AFTER_S and testifying is not None:
            return Step("release_witness", testifying.person_id)
        waiting = (
            seat for seat in witnesses if seat.testimony is TestimonyState.WAITING and seat.presence is Presence.PRESENT
        )
        first = next(waiting, None)
        if testifying is None and first is not None and in_session_s >= CALL_AFTER_S:
            return Step("call_witness", first.person_id)
        return None

    def _for(self, now_s: float, what: str, holds: bool) -> float:
        """Return for how long `what` has held, and -1.0 when it does not."""
        if not holds:
            self._since.pop(what, None)
            return -1.0
        return now_s - self._since.setdefault(what, now_s)
