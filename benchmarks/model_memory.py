"""Host memory of a process with a model on the CPU, as administrators plan for it.

    python -m benchmarks.model_memory [MODEL ...]

Each model runs in a process of its own: it is loaded, and clicked once on a 512 x 512 image. The
true architectures with random weights, in a checkpoint as the hub's cache keeps it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIGS = {"tiny": "t", "small": "s", "base-plus": "b+", "large": "l"}

BUILD = """
import sys, torch
from sam2.build_sam import build_sam2
model = build_sam2(f"configs/sam2.1/sam2.1_hiera_{sys.argv[1]}.yaml", device="cpu")
torch.save({"model": model.state_dict()}, sys.argv[2])
"""

CLICK = """
import json, re, sys, time
from pathlib import Path
import numpy as np
from sam2_widget import Point, load_model, segment
def memory(kind):
    "In MB; RssAnon is what other processes cannot share."
    found = re.search(rf"{kind}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 / 1e6
image = np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)
from sam2_widget.models import predictors  # the time is without the import of torch
start = time.perf_counter()
model = load_model(sys.argv[1], device="cpu")
seconds = time.perf_counter() - start
loading = memory("VmHWM")
segment(image, [Point(9, 9)], model=model)
print(json.dumps({
    "weights, MB": model.nbytes / 1e6,
    "load, s": seconds,
    "peak while loading, MB": loading,
    "after a click, MB": memory("VmRSS"),
    "of it its own, MB": memory("RssAnon"),
}))
"""


def checkpoint(config: str, folder: Path) -> Path:
    """A checkpoint as in the hub's cache: a link to a file that is named by its SHA-256."""
    made = folder / "made.pt"
    subprocess.run([sys.executable, "-c", BUILD, config, str(made)], check=True)
    name = hashlib.sha256(made.read_bytes()).hexdigest()
    (folder / "blobs").mkdir(exist_ok=True)
    link = folder / "model.pt"
    link.unlink(missing_ok=True)
    link.symlink_to(made.rename(folder / "blobs" / name))
    return link


def measure(model: str) -> dict[str, float]:
    """What a process with that model takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = model if model == "bundled" else checkpoint(CONFIGS[model], Path(folder))
        found: dict[str, float] = json.loads(
            subprocess.check_output([sys.executable, "-c", CLICK, str(path)])
        )
    return found


def main() -> None:
    """Print one table."""
    for number, model in enumerate(sys.argv[1:] or ["bundled", *CONFIGS]):
        found = measure(model)
        if number == 0:
            print(f"| model | {' | '.join(found)} |\n|{'---|' * (len(found) + 1)}")
        print(f"| {model} | {' | '.join(f'{value:.1f}' for value in found.values())} |", flush=True)


if __name__ == "__main__":
    main()
