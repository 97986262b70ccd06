"""What people in the court see of the recording, and what the judge is told when the recorder dies."""

import os
import signal
from pathlib import Path

import psutil

from tests.e2e.conftest import RESULTS
from tests.e2e.courtroom import Courtroom, press, resume_if_interrupted, wait_for_view
from tests.e2e.media_checks import until


def recorder_of(data_dir: Path) -> psutil.Process | None:
    """The recorder that writes below `data_dir`, which is not shared with another service."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "media.recording.recorder" in command and any(str(data_dir) in part for part in command):
            return process
    return None


def test_the_judge_is_told_when_the_recorder_dies_and_when_it_is_back(courtroom: Courtroom) -> None:
    server = courtroom.server
    judge, party, witness = courtroom.join_all(
        server.person("presiding_judge"), server.person("party"), server.person("witness")
    )
    assert judge.get_by_test_id("recording").count() == 0, "control: before the court is called to order"
    press(judge, "start")
    for page in (judge, party):
        page.locator('[data-recording="recording"]').wait_for()
    assert witness.get_by_test_id("recording").count() == 0, "who waits alone is not recorded"
    until(judge, lambda: any(server.data_dir.glob("recordings/*/*/*.mkv")), what="a file is being written")
    judge.wait_for_timeout(1500)
    judge.screenshot(path=RESULTS / "recording-judge.png")

    recorder = recorder_of(server.data_dir)
    assert recorder is not None
    os.kill(recorder.pid, signal.SIGKILL)
    judge.get_by_test_id("banner:recording_recorder_not_responding").wait_for()
    judge.screenshot(path=RESULTS / "recording-problem-judge.png")
    assert party.get_by_test_id("banner:recording_recorder_not_responding").count() == 0
    wait_for_view(judge, lambda seen: seen["recording"]["problem_code"] is None, "the recorder is back")
    judge.get_by_test_id("banner:recording_recorder_not_responding").wait_for(state="detached")

    resume_if_interrupted(judge)
    press(judge, "recess")
    witness.locator('[data-recording="paused"]').wait_for()
