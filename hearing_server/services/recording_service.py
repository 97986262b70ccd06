"""One recorder for every hearing whose court can be called to order (庭审录音录像规定 art. 3: the whole hearing)."""

import asyncio
from collections.abc import Callable

from hearing_server.domain.hearing import Hearing
from hearing_server.domain.ids import HearingId
from hearing_server.services.event_bus import EventBus, HearingChanged
from hearing_server.services.hearing_recording import HearingRecording
from hearing_server.services.hearing_service import HearingService
from hearing_server.services.media_service import MediaService
from hearing_server.services.recording_plan import may_lack_its_end, needs_recorder
from media.recording.interface import Recorder


class RecordingService:
    """Begins and follows the recordings. `make_recorder` makes one that is not started yet.

    `has_files`: whether something was recorded of a hearing. `on_over` is called when a recording has ended with its
    hearing, and the log has all of it.
    """

    def __init__(
        self,
        *,
        hearings: HearingService,
        media: MediaService,
        bus: EventBus,
        make_recorder: Callable[[HearingId], Recorder],
        has_files: Callable[[HearingId], bool] = lambda hearing_id: False,
        on_over: Callable[[HearingId], None] = lambda hearing_id: None,
    ) -> None:
        self._hearings = hearings
        self._media = media
        self._make_recorder = make_recorder
        self._has_files = has_files
        self._on_over = on_over
        self._recordings: dict[HearingId, HearingRecording] = {}
        self._is_open = False
        bus.subscribe(self._on_change)

    def start(self) -> None:
        """Begin, also with hearings that were in session, or had just been closed, when the service went down."""
        self._is_open = True
        for hearing_id in self._hearings.hearing_ids():
            hearing = self._hearings.hearing(hearing_id)
            self._look_at(hearing)
            if may_lack_its_end(hearing) and self._has_files(hearing_id):
                self._begin(hearing_id)

    async def aclose(self) -> None:
        """End all files. Safe to call twice."""
        self._is_open = False
        recordings, self._recordings = list(self._recordings.values()), {}
        await asyncio.gather(*(recording.aclose() for recording in recordings))

    def _on_change(self, change: HearingChanged) -> None:
        if self._is_open:
            self._look_at(change.after)

    def _look_at(self, hearing: Hearing) -> None:
        recording = self._recordings.get(hearing.hearing_id)
        if recording is not None:
            recording.wake()
        elif needs_recorder(hearing):
            self._begin(hearing.hearing_id)

    def _begin(self, hearing_id: HearingId) -> None:
        self._recordings[hearing_id] = HearingRecording(
            hearing_id,
            self._make_recorder(hearing_id),
            hearings=self._hearings,
            media=self._media,
            on_over=self._on_over,
        )
