"""The roofline as an SVG: FLOP a second over FLOP a byte, both axes in powers of ten, ceilings of the same run.

A kernel lies below the slope where its traffic limits it and below the flat part where its arithmetic does; the
distance to the line is what is left to gain. Written by hand: a drawing of lines, points and words needs no library.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .ceiling import Ceilings
from .judge import Judgement

WIDTH, HEIGHT = 1000, 640
LEFT, RIGHT, TOP, BOTTOM = 80, 260, 50, 60  # margins; the right one holds the names
COLOURS = {"350m": "#1f77b4", "7b": "#d62728"}


def points(judgements: Sequence[Judgement]) -> list[tuple[str, str, float, float]]:
    """(name, size, FLOP a byte, FLOP a second) of everything that was measured."""
    return [
        (j.result.workload.kernel, j.result.size, j.intensity, j.flops / (j.result.own.time.p50 * 1e-3))
        for j in judgements
        if j.result.own.time is not None and j.flops
    ]


def roofline(judgements: Sequence[Judgement], ceilings: Ceilings, title: str) -> str:
    """The plot as text of an SVG file."""
    found = points(judgements)
    ridge = ceilings.gemm / ceilings.copy
    xs = [x for _, _, x, _ in found] + [ridge]
    ys = [y for _, _, _, y in found] + [ceilings.gemm]
    left, right = math.floor(math.log10(min(xs))), math.ceil(math.log10(max(xs)) + 0.3)
    low, high = math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)) + 0.1)

    def x_of(value: float) -> float:
        return LEFT + (math.log10(value) - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="28" font-size="15">{escape(title)}</text>',
    ]
    for power in range(left, right + 1):
        x = x_of(10.0**power)
        lines.append(_line(x, TOP, x, HEIGHT - BOTTOM, "#dddddd"))
        lines.append(_text(x, HEIGHT - BOTTOM + 18, _power(power), "middle"))
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        lines.append(_line(LEFT, y, WIDTH - RIGHT, y, "#dddddd"))
        lines.append(_text(LEFT - 8, y + 4, _power(power), "end"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    lines.append(_text(middle, HEIGHT - 16, "FLOP a byte", "middle"))
    lines.append(f'<text transform="translate(20 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">FLOP a second</text>')

    # The slope begins where it enters the picture: at the left edge, or at the lower one.
    start = max(10.0**left, 10.0**low / ceilings.copy)
    roof = [(x_of(start), y_of(start * ceilings.copy)), (x_of(ridge), y_of(ceilings.gemm))]
    roof.append((x_of(10.0**right), y_of(ceilings.gemm)))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in roof)
    lines.append(f'<polyline class="roof" points="{path}" fill="none" stroke="black" stroke-width="2"/>')

    for number, (name, size, intensity, rate) in enumerate(found, 1):
        x, y = x_of(intensity), y_of(rate)
        colour = COLOURS.get(size.split(maxsplit=1)[0], "#555555")
        label = f"{number} {name}, {size}"
        lines.append(
            f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(label)}: '
            f"{rate:.3g} FLOP/s at {intensity:.3g} FLOP/byte</title></circle>"
        )
        lines.append(_text(x + 6, y - 5, str(number), "start"))
        row = TOP + 12 + (number - 1) * min(14.0, (HEIGHT - TOP - 20) / len(found))
        lines.append(_text(WIDTH - RIGHT + 14, row, label, "start", colour))
    return "\n".join([*lines, "</svg>", ""])


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, words: str, anchor: str, colour: str = "black") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def _power(power: int) -> str:
    return f"1e{power}" if not 0 <= power <= 3 else str(10**power)
