"""Measure all, write the table and the picture.

    python -m benchmarks.fast [--quick] [--write]

`--write` puts the table into docs/fast.md, and the picture beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.fast import objects, peer, plot, report, start, stats
from benchmarks.fast.browser import open_page
from benchmarks.fast.ours import ROOT, STOCK, Ours, lab
from benchmarks.fast.pictures import SIZES

RESULTS = ROOT / "benchmarks" / "results"
KEPT = RESULTS / "fast.json"
PICTURE = ROOT / "docs" / "fast.png"
HELD = 80
"""Milliseconds for which a quick hand holds the button down."""

IMPORTS = {
    "sam2_widget": "import sam2_widget",
    # What is used of it comes with its first use.
    "SegmentWidget": "from sam2_widget import SegmentWidget",
    "numpy": "import numpy",
}

PEER_SIZES = ("0.3 MP", "2 MP", "8 MP", "48 MP", "100 MP")
LARGE = 20_000_000
"""Pixels from which on the peer takes seconds: fewer clicks will do."""


STARTED = perf_counter()


def say(text: str) -> None:
    """Tell what is being done."""
    print(f"[{perf_counter() - STARTED:5.0f} s] {text}", file=sys.stderr, flush=True)


def measure(*, quick: bool) -> dict[str, Any]:
    """All figures; raw clicks, so that the table can be made anew from them."""
    count = 6 if quick else 22
    found: dict[str, Any] = {
        "machine": machine(count),
        "sizes": {},
        "peer": {},
        "decoder": {},
        "encoding": {},
    }
    with lab() as (base, folder):
        for name in ("2 MP", "48 MP") if quick else SIZES:
            _one_size(found, base, folder, name, count)
        say("sam2-widget, 1 to 500 objects")
        if quick:
            found |= objects.measure(base, folder, counts=(1, 100), clicks_each=count)
        else:
            found |= objects.measure(base, folder)
        _keep(found)
        _frames(found, base, folder, quick=quick)
    say("sam2-widget, 2 MP, a server without our extension")
    with lab(STOCK) as (base, folder), open_page() as page:
        ours = Ours(page, base, folder, SIZES["2 MP"])
        found["stock"] = ours.clicks(count)
        ours.close()
    _keep(found)
    say("a fresh kernel")
    with lab() as (base, folder):
        found["start"] = start.measure(base, folder, 3 if quick else start.REPEATS)
    _keep(found)
    with peer.server() as base:
        for name in found["sizes"]:
            say(f"the usual design, {name}")
            pixels = SIZES[name][0] * SIZES[name][1]
            clicks = count if pixels < LARGE else max(count // 2, 6)
            with open_page() as page:
                asked = (page, base, SIZES[name], found["canvas"][name], clicks)
                found["peer"][name] = peer.clicks(*asked)
                if name in found["held"]:
                    found["peer"][f"{name}, button held"] = peer.clicks(*asked, held=HELD)
    found["import"] = {name: _import_seconds(code) for name, code in IMPORTS.items()}
    if "ANYBIOIMAGE_PYTHON" in os.environ:
        _keep(found)
        found["anybioimage"] = _anybioimage(os.environ["ANYBIOIMAGE_PYTHON"])
    return found


def _keep(found: dict[str, Any]) -> None:
    """Keep what was measured: `--again` makes the table of it, if a later part fails, too."""
    KEPT.write_text(json.dumps(found))


def _one_size(found: dict[str, Any], base: str, folder: Path, name: str, count: int) -> None:
    say(f"sam2-widget, {name}")
    with open_page() as page:
        ours = Ours(page, base, folder, SIZES[name])
        found.setdefault("canvas", {})[name] = ours.canvas
        clicks = found["sizes"][name] = ours.clicks(count)
        say(f"  {report.parts_line(clicks)}")
        if name == "2 MP":
            found["decoder"]["quiet"] = {"clicks": clicks, "bare": ours.bare_decoder()}
            held = _held(found, ours, name, count)
            found["decoder"]["held"] = {"clicks": held, "bare": ours.bare_decoder()}
            with stats.busy():
                busy = ours.clicks(count, seed=8)
                found["decoder"]["busy"] = {"clicks": busy, "bare": ours.bare_decoder()}
        if name == "48 MP":
            _held(found, ours, name, count)
        if name in ("2 MP", "48 MP"):
            found["encoding"][name] = ours.encoding()
        ours.close()


def _held(found: dict[str, Any], ours: Ours, name: str, count: int) -> list[dict[str, float]]:
    held = found.setdefault("held", {})[name] = ours.clicks(count, seed=9, held=HELD)
    say(f"  button held: {report.parts_line(held)}")
    return held


def _frames(found: dict[str, Any], base: str, folder: Path, *, quick: bool) -> None:
    say("frames with many objects on 48 MP")
    with open_page() as page:
        ours = Ours(page, base, folder, SIZES["48 MP"])
        found["frames_objects"] = 40 if quick else 500
        ours.fill(found["frames_objects"])
        ours.widget.stage.scroll_into_view_if_needed()
        page.wait_for_timeout(3000)
        # Again, when the sharp tiles of these places are there.
        kinds = {"rest": 0, "pointer": 80, "zoom": 2.5, "zoom, again": 2.5, "nearer": 120}
        kinds |= {"pan": 100, "pan, again": 100}
        counts = {"nearer": 12}
        found["frames"] = {
            name: ours.frames(name.partition(",")[0], counts.get(name, 120), step)
            for name, step in kinds.items()
        }
        # Only the way to where the pan begins.
        del found["frames"]["nearer"]
        ours.close()


def _import_seconds(statement: str) -> float:
    """Median seconds of an import in a fresh interpreter, without the interpreter's own start."""
    code = f"from time import perf_counter as t; a = t(); {statement}; print(t() - a)"
    times = [
        float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)) for _ in range(5)
    ]
    return stats.spread(times).median


def _anybioimage(python: str) -> dict[str, Any]:
    script = Path(__file__).with_name("anybioimage_masks.py")
    found: dict[str, Any] = json.loads(subprocess.check_output([python, "-I", str(script)]))
    return found


def machine(count: int) -> str:
    """What it was measured on."""
    lines = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in lines.splitlines() if "model name" in line]
    cpu = names[0] if names else platform.processor()
    return (
        f"{cpu}, {os.cpu_count()} cores, one OpenMP thread, no GPU (headless Chromium has none "
        f"either); torch {torch.__version__}, the bundled model. Medians of "
        f"{count - stats.WARM_UP} clicks (in brackets the quartiles), after {stats.WARM_UP} to "
        "warm up."
    )


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fast", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few clicks: does it all run?")
    parser.add_argument("--write", action="store_true", help="into docs/fast.md and docs/fast.png")
    parser.add_argument("--again", action="store_true", help="only the table, from the last run")
    options = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    found = json.loads(KEPT.read_text()) if options.again else measure(quick=options.quick)
    _keep(found)
    table = report.markdown(found)
    (RESULTS / "fast.md").write_text(table + "\n", encoding="utf-8")
    plot.draw(found, PICTURE if options.write else RESULTS / "fast.png")
    if options.write:
        report.update_page(report.markdown(found, asked=True))
    print(table)


if __name__ == "__main__":
    main()
