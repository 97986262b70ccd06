"""Speech for clips: espeak-ng where it is installed, a small formant synthesiser where it is not."""

import io
import shutil
import subprocess
import wave
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.replay.clip import AUDIO_CLOCK_HZ

Samples = NDArray[np.float32]

_LOUDNESS: Final = 0.12
"""Root mean square of the voiced parts: about -18 dBov, as a person close to a microphone."""

_VOWELS: Final = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480), (570, 840, 2410))
"""First three formants in Hz (Peterson and Barney 1952, table II, men)."""


def speak(text: str, *, pitch_hz: float = 120.0, has_espeak: bool | None = None) -> Samples:
    """Return `text` spoken: mono, 48 kHz, -1.0 to 1.0.

    `pitch_hz` (70 to 300) tells voices apart. Without espeak-ng the result sounds like speech but says nothing.
    """
    if has_espeak is None:
        has_espeak = shutil.which("espeak-ng") is not None
    samples = _espeak(text, pitch_hz) if has_espeak else None
    return _loud(samples if samples is not None else _babble(text, pitch_hz))


def _espeak(text: str, pitch_hz: float) -> Samples | None:
    voice = "en" if text.isascii() else "cmn"
    pitch = round(min(99.0, max(0.0, (pitch_hz - 70) / 2.3)))
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", "150", "--stdout", "--", text]
    try:
        spoken = subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
        with wave.open(io.BytesIO(spoken)) as file:
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    except (OSError, subprocess.SubprocessError, wave.Error, EOFError):
        return None
    samples = np.frombuffer(raw[: len(raw) // 2 * 2], np.int16).astype(np.float32) / 32768
    if not len(samples):
        return None
    at = np.arange(0, len(samples) - 1, rate / AUDIO_CLOCK_HZ)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _babble(text: str, pitch_hz: float) -> Samples:
    """One vowel-like syllable per letter group of `text`, with pauses: the rhythm of speech without words."""
    dice = np.random.default_rng(sum(text.encode()))
    count = max(4, len(text) if not text.isascii() else len(text) // 3)
    parts: list[NDArray[np.float64]] = []
    for number in range(count):
        parts.append(_syllable(dice, pitch_hz * (1.15 - 0.3 * (number % 8) / 8)))
        pause_s = 0.4 if number % 8 == 7 else dice.uniform(0.03, 0.07)
        parts.append(np.zeros(int(pause_s * AUDIO_CLOCK_HZ)))
    return np.concatenate(parts).astype(np.float32)


def _syllable(dice: np.random.Generator, pitch_hz: float) -> NDArray[np.float64]:
    length = int(dice.uniform(0.12, 0.22) * AUDIO_CLOCK_HZ)
    at = np.arange(length) / length
    pitch = pitch_hz * (1 + 0.08 * np.sin(np.pi * at + dice.uniform(0, 1)))
    phase = 2 * np.pi * np.cumsum(pitch) / AUDIO_CLOCK_HZ
    formants = _VOWELS[int(dice.integers(len(_VOWELS)))]
    sound = np.zeros(length)
    for harmonic in range(1, int(3500 / pitch_hz)):
        hz = harmonic * pitch_hz
        gain = sum(np.exp(-(((hz - formant) / 110) ** 2)) / (order + 1) for order, formant in enumerate(formants))
        sound += (gain + 0.02) / harmonic**0.5 * np.sin(harmonic * phase)
    result: NDArray[np.float64] = sound * np.minimum(1, np.minimum(at, 1 - at) * 8)
    return result


def _loud(samples: Samples) -> Samples:
    voiced = samples[np.abs(samples) > 0.02 * max(1e-9, float(np.abs(samples).max()))]
    rms = float(np.sqrt(np.mean(np.square(voiced)))) if len(voiced) else 0.0
    return np.asarray(np.clip(samples * (_LOUDNESS / max(rms, 1e-9)), -0.98, 0.98), np.float32)


def breathe(seconds: float, *, seed: int = 0) -> Samples:
    """Return the sound of a quiet room with somebody in it: noise at about -62 dBov that comes and goes."""
    count = int(seconds * AUDIO_CLOCK_HZ)
    noise = np.random.default_rng(seed).standard_normal(count + 64)
    soft = np.convolve(noise, np.ones(32) / 32, "same")[:count]
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * np.arange(count) / AUDIO_CLOCK_HZ / max(seconds / 2, 0.1))
    return np.asarray(0.0045 * soft * swell, np.float32)
