"""Draws a person at a desk with a name plate: a picture that moves, is told apart at a glance and belongs to nobody."""

import math
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

_CHINESE_FONTS: Final = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/STHeiti Medium.ttc",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simsun.ttc",
)

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_person(
    text: str, colour: str, *, width: int, height: int, fps: float, openings: NDArray[np.float64]
) -> Iterator[NDArray[np.uint8]]:
    """Yield one RGB picture, shape (height, width, 3), per value of `openings`.

    Args:
        text: What the name plate says, at most two lines.
        colour: The wall behind, any colour name or "#rrggbb" that Pillow knows.
        openings: How far the mouth is open in each picture, 0.0 to 1.0.
    """
    wall = _rgb(colour)
    still = _backdrop(text, wall, width, height)
    for number, opening in enumerate(openings):
        picture = still.copy()
        _draw_figure(ImageDraw.Draw(picture), wall, width, height, number / fps, float(opening))
        yield np.asarray(_with_plate(picture, still))


def _backdrop(text: str, wall: Colour, width: int, height: int) -> Image.Image:
    shade = np.linspace(1.1, 0.7, height)[:, None, None] * np.array(wall, float)
    rows = np.broadcast_to(shade.clip(0, 255).astype(np.uint8), (height, width, 3))
    picture = Image.fromarray(np.ascontiguousarray(rows))
    draw = ImageDraw.Draw(picture)
    top = round(height * 0.78)
    draw.rectangle((0, top, width, height), fill=(62, 44, 32))
    draw.rectangle((width * 0.12, top + 2, width * 0.88, height - 3), fill=(245, 240, 225), outline=(120, 90, 50))
    lines = text.splitlines()[:2]
    size = max(8, round(height * (0.13 if len(lines) == 1 else 0.085)))
    room = width * 0.74
    font = _font(text, size)
    while size > 8 and max((draw.textlength(line, font) for line in lines), default=0) > room:
        size -= 1
        font = _font(text, size)
    middle = (top + height) / 2
    for number, line in enumerate(lines):
        offset = (number - (len(lines) - 1) / 2) * size * 1.1
        draw.text((width / 2, middle + offset), line, fill=(30, 26, 22), font=font, anchor="mm")
    return picture


def _draw_figure(draw: ImageDraw.ImageDraw, wall: Colour, width: int, height: int, at_s: float, opening: float) -> None:
    middle = width / 2 + math.sin(at_s * 1.1) * width * 0.012
    radius = height * 0.17
    eye_line = height * 0.33 + math.sin(at_s * 1.7) * height * 0.008
    skin, hair = (224, 182, 150), (45, 34, 28)
    robe = (max(0, wall[0] - 90), max(0, wall[1] - 90), max(0, wall[2] - 90))
    draw.ellipse(_box(middle, height * 0.86, radius * 2.3, height * 0.34), fill=robe)
    draw.rectangle((middle - radius * 0.4, height * 0.42, middle + radius * 0.4, height * 0.58), fill=skin)
    draw.ellipse(_box(middle, eye_line - radius * 0.12, radius * 1.06, radius * 1.28), fill=hair)
    draw.ellipse(_box(middle, eye_line + radius * 0.1, radius * 0.95, radius * 1.15), fill=skin)
    blink = 0.15 if (at_s + 1) % 3.7 < 0.15 else 1.0
    for side in (-1, 1):
        draw.ellipse(_box(middle + side * radius * 0.4, eye_line, radius * 0.13, radius * 0.13 * blink), fill=hair)
    mouth = _box(middle, eye_line + radius * 0.72, radius * 0.38, radius * (0.05 + 0.25 * opening))
    draw.ellipse(mouth, fill=(140, 50, 50))
    # A hand of a clock: a frozen picture is seen at once.
    angle, centre, length = at_s * math.tau / 4, (width * 0.9, height * 0.16), height * 0.09
    draw.ellipse(_box(*centre, length * 1.2, length * 1.2), fill=(250, 250, 245), outline=(60, 60, 60))
    tip = (centre[0] + length * math.sin(angle), centre[1] - length * math.cos(angle))
    draw.line((*centre, *tip), fill=(180, 30, 30), width=max(2, height // 90))


def _with_plate(picture: Image.Image, still: Image.Image) -> Image.Image:
    """Put the desk and its plate in front of the figure."""
    top = round(picture.height * 0.78)
    picture.paste(still.crop((0, top, picture.width, picture.height)), (0, top))
    return picture


def _box(x: float, y: float, half_width: float, half_height: float) -> tuple[float, float, float, float]:
    return (x - half_width, y - half_height, x + half_width, y + half_height)


def _rgb(colour: str) -> Colour:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def _font(text: str, size: int) -> Font:
    path = None if text.isascii() else _chinese_font()
    return ImageFont.truetype(path, size) if path is not None else ImageFont.load_default(size)


@cache
def _chinese_font() -> str | None:
    """Return a font file with Chinese glyphs; None when this computer has none: the plate then shows boxes."""
    for path in _CHINESE_FONTS:
        if Path(path).is_file():
            return path
    try:
        asked = ["fc-list", ":lang=zh", "--format=%{file}\n"]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True).stdout.split("\n")
    except (OSError, subprocess.SubprocessError):
        return None
    return next((path for path in found if path and Path(path).is_file()), None)
