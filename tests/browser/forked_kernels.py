"""Kernels that are forked from a process in which everything is imported already.

Each test has a new kernel, and a kernel spends seconds importing torch. A forked kernel is a real
ipykernel in its own process; it only starts faster. The kernel `python3` is started as usual.

Run with the path of a socket, this module is the server. The kernel spec runs `fork_kernel.py`,
which is the kernel's process for Jupyter: it forwards interrupts, and both end together.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from tests.processes import interrupts, stop
from tests.waiting import wait_until

NAME = "forked"
ROOT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("fork_kernel.py")
IMPORTED = (
    *("anywidget", "cmap", "cv2", "ipykernel.kernelapp", "matplotlib_inline.backend_inline"),
    *("sam2.build_sam", "sam2.sam2_image_predictor", "sam2_widget.testing", "safetensors.torch"),
    *("scipy.ndimage", "skimage.data", "skimage.io", "torch", "torchvision.transforms.v2"),
)


@contextmanager
def forked_kernels(folder: Path, kernel_specs: Path):
    """Run the server with its socket in `folder`, and add its kernel spec to `kernel_specs`."""
    address = folder / "kernels.socket"
    write_kernel_spec(kernel_specs / NAME, address)
    with (folder / "kernels.log").open("w") as log, interrupts():
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(address)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_until(lambda: address.exists() or server.poll() is not None, "the server of kernels")
        yield
    finally:
        stop(server)


def write_kernel_spec(folder, address):
    folder.mkdir(parents=True)
    command = [sys.executable, "-I", "-S", str(CLIENT), str(address), "{connection_file}"]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


def serve(address):
    """Fork a kernel for each connection; returns in the kernels, each with its connection."""
    for name in IMPORTED:
        importlib.import_module(name)
    sys.modules["skimage.data"].chelsea()
    assert threading.active_count() == 1, "only one thread lives on in a fork"
    # Objects that are never collected are never written to, so their memory stays shared.
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            reap()
            if os.fork() == 0:
                return connection
            connection.close()


def reap():
    """Reap the processes of kernels that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def become_kernel(connection):
    """Turn this process into the kernel that `ipykernel_launcher` would start."""
    os.setsid()
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    with connection.makefile() as file:
        asked = json.loads(file.readline())
    connection.sendall(f"{os.getpid()}\n".encode())
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["ipykernel_launcher", "-f", asked["file"]]
    sys.path.remove(str(ROOT))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.modules["torch"].seed()
    threading.Thread(target=end_with, args=(connection,), daemon=True).start()


def end_with(connection):
    """End this process when the client has ended."""
    connection.recv(1)
    os._exit(1)


if __name__ == "__main__":
    become_kernel(serve(sys.argv[1]))
    importlib.import_module("ipykernel.kernelapp").launch_new_instance()
