"""Small charts of figures over time, as text. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_STEPS: Final = "▁▂▃▄▅▆▇█"


def line_of(name: str, values: Sequence[float], *, width: int = 60) -> str:
    """Return one line: `name`, the course of `values` from their least to their greatest, and both of these.

    More than `width` values are drawn as the means of equal stretches.
    """
    if not values:
        return f"{name:>12}  no samples"
    least, greatest = min(values), max(values)
    marks = "".join(_mark(value, least, greatest) for value in _shortened(values, width))
    return f"{name:>12}  {marks}  {least:.6g} to {greatest:.6g}"


def _mark(value: float, least: float, greatest: float) -> str:
    if greatest == least:
        return _STEPS[0]
    return _STEPS[min(len(_STEPS) - 1, int((value - least) / (greatest - least) * len(_STEPS)))]


def _shortened(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    cuts = [round(place * len(values) / width) for place in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(cuts) if b > a]
