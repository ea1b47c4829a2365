"""Tracking: its time and memory beside those of sam2's own video predictor, on the same frames.

    python -m benchmarks.tracking [--frames 16] [--objects 2] [--side 1024] [--quick]

The true architecture of SAM 2.1 tiny with random weights on the CPU; each program runs in a process
of its own. Where memory is looked at over many frames and objects, the fake tracker stands in for
the model, whose memory per track is bounded by construction and tested (tests/model).
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image
from sam2.build_sam import build_sam2, build_sam2_video_predictor

from sam2_widget import (
    Box,
    ImageStack,
    ObjectPrompts,
    Prompts,
    SegmentWidget,
    StackPrompts,
    configure,
    load_image,
    track,
)
from sam2_widget.annotation.stack_objects import objects_of
from sam2_widget.models.recovery import Plan
from sam2_widget.models.sam2.tracking import Sam2Tracker
from sam2_widget.results.tracking import StackTracker
from sam2_widget.testing import FakeTrackingPredictor

SIZE = (1280, 720)
"""Width and height of the frames in pixels."""

MODULES = (
    "image_encoder",
    "memory_attention",
    "memory_encoder",
    "sam_mask_decoder",
    "sam_prompt_encoder",
    "obj_ptr_proj",
)
"""The model's own parts, whose time is not ours."""

MANY_FRAMES, MANY_OBJECTS = 5000, 20
WARM_UP = 100
"""Frames after which memory must not grow any more."""

CLICKS = 5
"""Clicks that are timed, alone and beside a job."""

SQUARE, FILM = 20, (160, 240)
"""Side of the squares, and (height, width) of the frames, that the fake tracker is given."""


def rss() -> float:
    """Memory of this process in MiB."""
    (kilobytes,) = re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) / 1024


def write_frames(folder: Path, count: int) -> None:
    """Squares that move over noise, as JPEG files."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 90, (SIZE[1], SIZE[0], 3), np.uint8)
    for index in range(count):
        frame = noise.copy()
        for number in range(8):
            x, y = 20 + 150 * number, 40 + 60 * number + 4 * index
            frame[y : y + 90, x : x + 90] = 120 + 15 * number
        Image.fromarray(frame).save(folder / f"{index:05d}.jpg", quality=95)


def boxes(count: int) -> list[tuple[int, int, int, int]]:
    """The squares on the first frame."""
    corners = [(20 + 150 * number, 40 + 60 * number) for number in range(count)]
    return [(x, y, x + 90, y + 90) for x, y in corners]


class ModuleTime:
    """Seconds spent in the parts of a model, after it has been attached to them."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._seen: set[int] = set()

    def attach(self, model: Any) -> None:
        """Count the time of its parts, each once."""
        for name in MODULES:
            part = getattr(model, name, None)
            if part is not None and id(part) not in self._seen:
                self._seen.add(id(part))
                part.forward = self._timed(part.forward)

    def _timed(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = perf_counter()
            try:
                return forward(*arguments, **options)
            finally:
                self.seconds += perf_counter() - start

        return timed


@contextmanager
def measured(spent: ModuleTime, count: int) -> Iterator[dict[str, float]]:
    """Time a frame, the share that is not the model's own, and memory that was added."""
    found: dict[str, float] = {}
    start, modules, memory = perf_counter(), spent.seconds, rss()
    yield found
    seconds, inside = perf_counter() - start, spent.seconds - modules
    found["ms a frame"] = 1000 * seconds / count
    found["of it beyond the model's modules, %"] = 100 * (seconds - inside) / inside
    found["memory added, MiB"] = rss() - memory


def our_tracker(side: int, spent: ModuleTime) -> Sam2Tracker:
    """Our tracker with random weights."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_sam2(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        device="cpu",
        hydra_overrides_extra=[f"++model.image_size={side}"],
    )
    spent.attach(model)
    configure(host_memory="4 GB")
    return Sam2Tracker(
        model, whole=lambda same: same, name="tiny", dtype=torch.float32, checkpoint="random"
    )


def run_widget(folder: Path, side: int, objects: int) -> dict[str, Any]:
    """When the first tracked frame is there, and how long a click takes beside the job."""
    widget = SegmentWidget(sorted(folder.iterdir()), model=our_tracker(side, ModuleTime()))
    for box in boxes(objects):
        widget.add_box(*box)
        _ = widget.mask
        widget.commit()
    alone = [seconds_of_click(widget, 30 + 5 * n) for n in range(CLICKS)]
    start = perf_counter()
    job = widget.track()
    while not job.completed:
        time.sleep(0.001)
    first = perf_counter() - start
    beside = [seconds_of_click(widget, 32 + 5 * n) for n in range(CLICKS) if not job.done]
    job.cancel()
    job.wait()
    frame = objects * seconds_of_step(widget)
    widget.close()
    return {
        "s until the first tracked frame": first,
        "s a frame": frame,
        "s a click alone": median(alone),
        "s a click beside the job, median": median(beside),
        "most": max(beside),
    }


def seconds_of_click(widget: SegmentWidget, x: int) -> float:
    """How long the mask of a click on the background takes."""
    start = perf_counter()
    widget.add_point(x, 700)
    _ = widget.mask
    seconds = perf_counter() - start
    widget.undo()
    return seconds


def seconds_of_step(widget: SegmentWidget) -> float:
    """How long an object on a frame takes in a job that nothing interrupts."""
    start, job = perf_counter(), widget.track()
    job.wait()
    return (perf_counter() - start) / job.completed


def run_ours(folder: Path, side: int, objects: int) -> dict[str, Any]:
    """`track` on the frames, and once more with their embeddings in the cache."""
    spent = ModuleTime()
    tracker = our_tracker(side, spent)
    stack = ImageStack(sorted(folder.iterdir()))
    prompts = {0: Prompts(tuple(ObjectPrompts((Box(*box),)) for box in boxes(objects)))}
    found = {}
    for name in ("first", "again"):
        with measured(spent, len(stack)) as found[name]:
            for _ in track(stack, prompts, model=tracker):
                pass
    return found


def run_sam2(folder: Path, side: int, objects: int) -> dict[str, Any]:
    """`SAM2VideoPredictor` on the frames."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml",
        device="cpu",
        hydra_overrides_extra=[f"++model.image_size={side}"],
    )
    model.fill_hole_area = 0  # by a CUDA extension
    spent = ModuleTime()
    spent.attach(model)
    found: dict[str, Any] = {}
    with measured(spent, len(list(folder.iterdir()))) as found["first"]:
        state = model.init_state(str(folder))
        for number, box in enumerate(boxes(objects)):
            model.add_new_points_or_box(state, 0, number, box=box)
        for _, _, logits in model.propagate_in_video(state):
            _ = (logits > 0).numpy()
    return found


class SyntheticFilm(ImageStack):
    """Squares that move, made when they are read."""

    def __init__(self, frames: int, objects: int) -> None:
        super().__init__(np.zeros((2, *FILM, 3), np.uint8), axes="TYXC")
        self._frames, self._objects = frames, objects

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: Any) -> Any:
        rgb = np.zeros((*FILM, 3), np.uint8)
        for number, (x, y) in enumerate(places(self._objects)):
            top = y + index % 8
            color = (40 + 10 * number, 255 - 10 * number, 90)
            rgb[top : top + SQUARE, x : x + SQUARE] = color
        return load_image(rgb)


def places(objects: int) -> list[tuple[int, int]]:
    """Where the squares are on the first frame."""
    return [(4 + 46 * (n % 5), 4 + 38 * (n // 5)) for n in range(objects)]


def run_many(_: Path, frames: int, objects: int) -> dict[str, Any]:
    """Memory while many objects are followed by the fake tracker through many frames."""
    configure(host_memory="16 MB")
    boxed = [Box(x, y, x + SQUARE, y + SQUARE) for x, y in places(objects)]
    prompts = StackPrompts({0: Prompts(tuple(ObjectPrompts((box,)) for box in boxed))})
    film = SyntheticFilm(frames, objects)
    job = StackTracker(film, prompts, objects_of(prompts), range(frames), "both")
    job.load(Plan(given=FakeTrackingPredictor()))
    after, most, masks = 0.0, 0.0, 0
    start = perf_counter()
    for result in job.results():
        masks += len(result.ids)
        if result.frame == WARM_UP:
            after = rss()
        most = max(most, rss() if result.frame > WARM_UP else 0.0)
    return {
        "frames": frames,
        "objects": objects,
        "masks": masks,
        f"MiB after {WARM_UP} frames": after,
        "most MiB after that": most,
        "ms a frame": 1000 * (perf_counter() - start) / frames,
    }


RUNS: dict[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "ours": run_ours,
    "sam2": run_sam2,
    "many": run_many,
    "widget": run_widget,
}


def run(name: str, folder: str, size: int, objects: int) -> dict[str, Any]:
    """One of `RUNS` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.tracking", "--run", name, "--folder", folder]
    command += ["--side", str(size), "--objects", str(objects)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def table(ours: dict[str, Any], sam2: dict[str, Any]) -> str:
    """Both programs side by side."""
    rows = [
        ("`track`", ours["first"]),
        ("`track` again, embeddings in the cache", ours["again"]),
        ("`SAM2VideoPredictor`", sam2["first"]),
    ]
    names = list(ours["first"])
    lines = [f"| | {' | '.join(names)} |", f"|---{'|---:' * len(names)}|"]
    lines += [
        f"| {title} | {' | '.join(f'{found[name]:.1f}' for name in names)} |"
        for title, found in rows
    ]
    return "\n".join(lines)


def described(found: dict[str, Any]) -> str:
    """Names and figures on one line."""
    return ", ".join(f"{name} {value:.6g}" for name, value in found.items())


def main() -> None:
    """Print the table, and the memory over many frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--objects", type=int, default=2)
    parser.add_argument("--side", type=int, default=1024, help="of the network's input")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--run", choices=RUNS)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(RUNS[given.run](given.folder, given.side, given.objects)))
        return
    side, many = (256, 400) if given.quick else (given.side, MANY_FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        write_frames(Path(folder), given.frames)
        ours = run("ours", folder, side, given.objects)
        sam2 = run("sam2", folder, side, given.objects)
        print(table(ours, sam2))
        ratio = ours["first"]["ms a frame"] / ours["again"]["ms a frame"]
        print(f"\nagain with cached embeddings: {ratio:.2f} times as fast")
        widget = run("widget", folder, side, given.objects)
        print("\nthe widget: " + described(widget))
        found = run("many", folder, many, MANY_OBJECTS)
    print("\nfake tracker: " + described(found))


if __name__ == "__main__":
    main()
