"""Runs the layers of the tests side by side: `make test`.

A layer is a target of the Makefile. Its output goes into a file and is printed when it has ended,
so that layers do not mix; until then a line a minute shows how far each has come. A layer that
fails stops no other.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

LOGS = Path("build", "test-logs")
"""Where the outputs are, below the working directory."""

PROGRESS = re.compile(r"\[ *(\d+%)\]\s*$", re.MULTILINE)
"""How much of a layer is done, as pytest writes it at the end of a line."""


class Layer:
    """A target of the Makefile."""

    def __init__(self, name: str, make: str) -> None:
        self.name = name
        self._command = [*shlex.split(make), name]
        self._log = LOGS / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._ended = 0.0
        self._is_interrupted = False
        self._starting = threading.Lock()

    def run(self) -> None:
        """Run it to its end, unless it was interrupted before."""
        # The process can be there, and do something, before `Popen` returns it.
        with self._starting:
            if self._is_interrupted:
                return
            self._started = time.monotonic()
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        self._process.wait()
        self._ended = time.monotonic()

    def interrupt(self) -> None:
        """End it as Ctrl+C does, so that tests stop the servers that they have started."""
        with self._starting:
            self._is_interrupted = True
        if self._process and self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return bool(self._started) and not self._ended

    @property
    def result(self) -> str:
        """How it has ended: ``"passed"``, ``"FAILED"`` or ``"not run"``."""
        if not self._process:
            return "not run"
        return "FAILED" if self._process.returncode else "passed"

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def time(self) -> str:
        """How long it has run."""
        return clock((self._ended or time.monotonic()) - self._started) if self._started else ""

    @property
    def progress(self) -> str:
        """Its name, and how far it has come."""
        done = PROGRESS.findall(self.output)
        return f"{self.name} {done[-1] if done else self.time}"


def clock(seconds: float) -> str:
    """Minutes and seconds, ``"4:05"``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


class Report:
    """Prints what happens, with the time since the start."""

    def __init__(self, layers: list[Layer]) -> None:
        self._layers, self._start = layers, time.monotonic()

    def line(self, text: str) -> None:
        """Print a line at once."""
        sys.stdout.write(f"[{clock(time.monotonic() - self._start)}] {text}\n")
        sys.stdout.flush()

    def end_of(self, layer: Layer) -> None:
        """Print the output of a layer that has ended."""
        sys.stdout.write(f"\n===== {layer.name} =====\n{layer.output.rstrip()}\n\n")
        self.line(f"{layer.name} {layer.result} in {layer.time}")

    def progress(self) -> None:
        """Print how far the layers have come that are running."""
        running = [layer.progress for layer in self._layers if layer.is_running]
        self.line(f"running: {', '.join(running)}")

    def summary(self) -> None:
        """Print a table of all layers, and name those that have not passed."""
        width = max(len(layer.name) for layer in self._layers)
        rows = [f"{one.name:{width}}  {one.result:7}  {one.time:>6}" for one in self._layers]
        sys.stdout.write("\n" + "\n".join(rows) + "\n\n")
        failed = [layer.name for layer in self._layers if layer.result != "passed"]
        self.line(f"not passed: {', '.join(failed)}" if failed else "all passed")


def run_all(layers: list[Layer], jobs: int, every: float) -> bool:
    """Run `jobs` layers at a time, started in their order; whether all have passed.

    How far they have come is printed every so many seconds.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    report, pool = Report(layers), ThreadPoolExecutor(jobs)
    waiting = {pool.submit(run, layer, report): layer for layer in layers}
    try:
        while waiting:
            follow(waiting, report, every)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for layer in layers:
            layer.interrupt()
        pool.shutdown()
        report.summary()
    return all(layer.result == "passed" for layer in layers)


def run(layer: Layer, report: Report) -> None:
    """Run a layer, in a thread of its own."""
    report.line(f"{layer.name} started")
    layer.run()


def follow(waiting: dict[Future[None], Layer], report: Report, every: float) -> None:
    """Report the layers that end next, or how far they have come."""
    done, _ = wait(waiting, timeout=every, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
        report.end_of(waiting.pop(future))
    if not done:
        report.progress()


def end_as_by_ctrl_c() -> None:
    """Whatever ends this program interrupts it; what a shell runs in the background, too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Run the layers that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("make", help="command that runs a layer, without the layer's name")
    parser.add_argument("layers", nargs="+")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two reports")
    given = parser.parse_args()
    end_as_by_ctrl_c()
    layers = [Layer(name, given.make) for name in given.layers]
    sys.exit(not run_all(layers, given.jobs, given.every))


if __name__ == "__main__":
    main()
