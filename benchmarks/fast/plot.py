"""One picture: where the time of a click goes, and how it grows with the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.fast.pictures import SIZES
from benchmarks.fast.stats import Clicks, of, overhead

INK = "#7d8590"
"""Readable on white and on GitHub's dark background."""

PARTS = {
    "browser": "#33bbee",
    "comm": "#2f7fd0",
    "kernel": "#ee7733",
    "decoder": "#9aa4af",
    "paint": "#009988",
}
OURS, PEER = "#2f8fdd", "#ee7733"


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the picture as PNG with a transparent background."""
    mpl.use("Agg")
    style: dict[Any, str] = {
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    with plt.rc_context({**style, "axes.edgecolor": INK, "font.size": 10, "svg.fonttype": "none"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=[1.25, 1])
        _bars(left, found)
        _lines(right, found)
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout(w_pad=3)
        figure.savefig(path, dpi=170, transparent=True)
        plt.close(figure)


def _part(clicks: Clicks, part: str) -> float:
    value = of(clicks, part).median
    return value + (of(clicks, "queue").median if part == "kernel" and "queue" in clicks[0] else 0)


def _bars(axes: Axes, found: dict[str, Any]) -> None:
    """Stacked bars of one click on a 1080p photo."""
    sides = {
        "FastAPI +\nPNG in base64": found["peer"]["2 MP"],
        "sam2-widget": found["sizes"]["2 MP"],
    }
    if "held" in found:
        sides["sam2-widget,\nbutton held for 80 ms"] = found["held"]["2 MP"]
    for place, clicks in enumerate(sides.values()):
        left = 0.0
        for part, color in PARTS.items():
            width = _part(clicks, part)
            axes.barh(place, width, left=left, color=color, height=0.55, label=part)
            left += width
        axes.text(left, place, f"  {left:.0f} ms", va="center", fontweight="bold")
    axes.set_yticks(range(len(sides)), list(sides))
    axes.tick_params(axis="y", length=0)
    axes.set_title("One click on a 1080p photo, ms", loc="left", color=INK)
    axes.margins(x=0.14)
    axes.set_ylim(-0.5, len(sides) + 0.1)
    handles, labels = axes.get_legend_handles_labels()
    count = len(PARTS)
    axes.legend(
        handles[:count],
        labels[:count],
        ncols=count,
        frameon=False,
        loc="upper left",
        fontsize=9,
        columnspacing=1.1,
        handlelength=1,
        handletextpad=0.5,
    )


def _lines(axes: Axes, found: dict[str, Any]) -> None:
    """What a click costs beyond the model, by the size of the image."""
    for label, series, color in (
        ("sam2-widget", found["sizes"], OURS),
        ("FastAPI + PNG", found["peer"], PEER),
    ):
        names = [name for name in SIZES if name in series]
        pixels = [SIZES[name][0] * SIZES[name][1] / 1e6 for name in names]
        spreads = [overhead(series[name]) for name in names]
        medians = [each.median for each in spreads]
        low, high = [each.low for each in spreads], [each.high for each in spreads]
        axes.plot(pixels, medians, marker="o", color=color, linewidth=2)
        axes.fill_between(pixels, low, high, color=color, alpha=0.2, linewidth=0)
        axes.annotate(
            label,
            (pixels[-1], medians[-1]),
            (-14, 8),
            textcoords="offset points",
            ha="right",
            color=color,
            fontweight="bold",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.margins(y=0.2)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xticks([0.3, 2, 8, 48, 100], ["0.3", "2", "8", "48", "100"])
    axes.minorticks_off()
    axes.grid(axis="y", color=INK, alpha=0.25)
    axes.set_xlabel("megapixels")
    axes.set_title("Beyond the model, ms a click", loc="left", color=INK, pad=14)
