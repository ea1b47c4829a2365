"""What threads are worth, alone and beside another busy process: why the widget uses few.

    python -m benchmarks.threads

Each setting runs in a process of its own, since torch reads it once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext

from benchmarks.fast.stats import busy, spread

SETTINGS = {
    "1 thread": {"OMP_NUM_THREADS": "1"},
    "all cores, waiting threads spin": {"OMP_WAIT_POLICY": "ACTIVE"},
    "all cores, waiting threads sleep": {"OMP_WAIT_POLICY": "PASSIVE"},
    "as the widget sets it": {},
}
OURS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "SAM2_WIDGET_THREADS")
ROUNDS = {"encode": 9, "answer": 21}

WORK = """
import json, sys
from time import perf_counter
import numpy as np
from benchmarks.fast.pictures import photo, places
from sam2_widget import PromptArrays, load_model
rounds = json.loads(sys.argv[1])
model, image = load_model("bundled", device="cpu"), photo(1920, 1080)
def ms(call):
    start = perf_counter()
    call()
    return 1e3 * (perf_counter() - start)
def answer(x, y):
    point = np.array([[x * 1920, y * 1080]], np.float32)
    model.predict(embedding, PromptArrays(point, np.ones(1, np.int32)), multimask=True)
embedding = model.embed(image)
found = {
    "encode": [ms(lambda: model.embed(image)) for _ in range(rounds["encode"])],
    "answer": [ms(lambda: answer(*at)) for at in places(rounds["answer"])],
}
print(json.dumps(found))
"""


def measure(setting: dict[str, str]) -> dict[str, str]:
    """Milliseconds of encoding and of a first click's answer in a fresh process."""
    clean = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "-c", WORK, json.dumps(ROUNDS)]
    said = subprocess.check_output(command, env={**clean, **setting})
    return {name: str(spread(times[2:])) for name, times in json.loads(said).items()}


def main() -> None:
    """Print one table."""
    print("| threads | machine | encode, ms | answer, ms |")
    print("|---|---|---|---|")
    for beside, company in (("quiet", nullcontext), ("busy", busy)):
        for name, setting in SETTINGS.items():
            with company():
                found = measure(setting)
            print(f"| {name} | {beside} | {found['encode']} | {found['answer']} |", flush=True)


if __name__ == "__main__":
    main()
