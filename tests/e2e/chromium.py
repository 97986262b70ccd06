"""How the tests start Chromium: its flags, and where it is."""

import os
import shutil
from pathlib import Path

# Only the fake-device flags change what is tested. The rest keeps a browser without a network quiet, and keeps pages
# in the background at full speed: every page but one is in the background here.
FLAGS = (
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns,MediaRouter,OptimizationHints,Translate,DialMediaRouteProvider",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-domain-reliability",
    "--disable-client-side-phishing-detection",
    "--disable-breakpad",
    "--no-pings",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_NAMES = ("/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find_chromium() -> str | None:
    """Return the Chromium of HEARING_CHROMIUM, else the machine's."""
    named = os.environ.get("HEARING_CHROMIUM")
    return named or next((found for name in _NAMES if (found := shutil.which(name))), None)


def flags(video: Path | None = None, audio: Path | None = None) -> list[str]:
    """`video` (MJPEG) and `audio` (48 kHz WAV) become camera and microphone; without them, Chromium's test pattern."""
    files = [f"--use-file-for-fake-video-capture={video}"] if video else []
    return [*FLAGS, *files, *([f"--use-file-for-fake-audio-capture={audio}"] if audio else [])]
