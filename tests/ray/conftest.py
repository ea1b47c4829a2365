import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from sam2_widget import ray_model
from sam2_widget.models import worker
from tests.widget.conftest import MockComm, Page, mock_comm, point, settle  # noqa: F401

PATIENCE = 120
"""Seconds for what takes a few on a quiet machine."""

START, ATTEMPTS = 200, 3
"""Seconds that a start may take, and how often it is tried."""

IMAGE = np.random.default_rng(3).integers(0, 255, (120, 160, 3), np.uint8)
IMAGE[30:80, 40:110] = (200, 60, 50)
IMAGE.setflags(write=False)


def image(i):
    """Images that differ, so that they belong to different replicas."""
    other = IMAGE.copy()
    other[:8, :8] = i
    return other


def wait_until(found, patience=PATIENCE):
    end = time.monotonic() + patience
    while not found():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


class Serving:
    """A Ray cluster with the bundled model, in processes of its own."""

    def __init__(self, folder, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder, self.options = folder, {"model": "bundled", **options}
        self.hold = folder / "hold"
        self.started = 0
        self.start()

    def start(self, **options):
        """Start, again if need be: Ray gives up after 30 s, which a busy machine may take."""
        for _ in range(ATTEMPTS):
            if self.starts(**options):
                return
            self.kill()
        raise AssertionError((self.folder / "log").read_text()[-4000:])

    def starts(self, **options):
        before = self.lines("serving")
        # Ray's sockets lie below this folder, and their paths have to be short.
        temporary = f"/tmp/s2w-{os.getpid()}-{self.port}-{self.started}"
        self.started += 1
        arguments = [str(self.port), temporary, json.dumps({**self.options, **options})]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            # Else Ray writes one of its own into the home folder.
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
        while self.lines("serving") == before and self.process.poll() is None:
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
        """Process ids of the replicas that have stopped in the middle of a click."""
        return {int(path.name.split("-")[1]) for path in self.folder.glob("held-*")}

    def release(self):
        self.hold.unlink(missing_ok=True)
        for path in self.folder.glob("held-*"):
            path.unlink()

    def kill(self):
        """End all at once, as when the machines are switched off."""
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
