import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from deploy.try_hub import free_port
from sam2_widget import ray_model
from sam2_widget.models import worker
from tests.waiting import PATIENCE, wait_until
from tests.widget.conftest import MockComm, Page, mock_comm, point, settle  # noqa: F401

START, ATTEMPTS = 200, 3
"""Seconds that a start may take, and the number of attempts."""

LOG_END = 2000
"""Characters of each log that are shown when no start succeeds."""

RAY_SETTINGS = {
    # Ray's time limits for starting its own processes: 60 and 30 seconds by default.
    "RAY_worker_register_timeout_seconds": str(START),
    "RAY_agent_register_timeout_ms": str(1000 * START),
    "RAY_USAGE_STATS_ENABLED": "0",
}

IMAGE = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
IMAGE[30:80, 40:110] = (200, 60, 50)
IMAGE.setflags(write=False)


def image(i):
    """Different images, which are routed to different replicas."""
    other = IMAGE.copy()
    other[:8, :8] = i
    return other


class Serving:
    """A Ray cluster with the bundled model, in separate processes."""

    def __init__(self, folder, **options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder, self.options = folder, {"model": "bundled", **options}
        self.hold = folder / "hold"
        reports = []
        for attempt in range(ATTEMPTS):
            if self.starts(attempt):
                return
            reports.append(self.report())
            self.kill()
        raise AssertionError("\n".join(reports))

    def stop_service(self):
        """Stop the replicas and the HTTP port; Ray's own processes keep running."""
        self.request("stop", "stopped")

    def start_service(self, **options):
        """Serve again, with new replicas that have nothing in memory."""
        self.request(json.dumps({**self.options, **options}), "serving")

    def request(self, line, answer):
        """Send a line to the cluster's process, and wait for one more of its replies."""
        before = self.lines(answer)
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        wait_until(lambda: self.lines(answer) > before, f"the line {answer!r}", START)

    def report(self):
        """The ends of the logs of a start that failed, of the driver and of Ray's processes."""
        logs = [self.folder / "log", *sorted(self.temporary.glob("session_2*/logs/*.[loe]*"))]
        ends = [(path, path.read_text(errors="replace")[-LOG_END:]) for path in logs]
        return "\n".join(f"===== {path.name}\n{end}" for path, end in ends if end)

    def starts(self, attempt):
        """Start all processes; returns whether they serve in time."""
        # Ray's sockets are below this folder, and their paths have to be short.
        self.temporary = Path(f"/tmp/s2w-{os.getpid()}-{self.port}-{attempt}")
        arguments = [str(self.port), str(self.temporary), json.dumps(self.options)]
        environment = {
            **os.environ,
            **RAY_SETTINGS,
            "OMP_NUM_THREADS": "1",
            # Otherwise Ray writes its own into the home folder.
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "SAM2_TEST_HOLD": str(self.folder),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.ray.serving", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment,
            )
        end = time.monotonic() + START
        while not self.lines("serving") and self.process.poll() is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return self.process.poll() is None

    def lines(self, text):
        if not (self.folder / "log").exists():
            return 0
        return (self.folder / "log").read_text().splitlines().count(text)

    def replicas(self):
        """Process ids of the replicas."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return {p.pid for p in family if "ServeReplica" in _title(p)}

    def held(self):
        """Process ids of the replicas that are paused in the middle of a click."""
        return {int(path.name.split("-")[1]) for path in self.folder.glob("held-*")}

    def release(self):
        self.hold.unlink(missing_ok=True)
        for path in self.folder.glob("held-*"):
            path.unlink()

    def kill(self):
        """End all processes of a start that failed."""
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [psutil.Process(self.process.pid)]
            family += family[0].children(recursive=True)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)
        self.process.stdin.close()
        self.process.wait(timeout=30)

    def stop(self):
        self.release()
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)
        for left in Path("/tmp").glob(f"s2w-{os.getpid()}-{self.port}-*"):
            shutil.rmtree(left, ignore_errors=True)
        _, alive = psutil.wait_procs(family, timeout=30)
        for process in alive:
            process.kill()
        assert not alive


def _title(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    torch.set_num_threads(1)
    serving = Serving(tmp_path_factory.mktemp("cluster"), replicas=2, ongoing=2, queue=1)
    yield serving
    serving.stop()


@pytest.fixture
def model(cluster):
    yield ray_model(cluster.url, timeout=PATIENCE)
    cluster.release()
    worker.local.run(lambda: None)
