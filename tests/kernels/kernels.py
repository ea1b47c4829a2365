"""A real kernel of a given ipykernel version, and pages that simulate JupyterLab, no browser."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from deploy.try_hub import free_port
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
VERSIONS = ("6.31.0", "7.3.0", "7.4.0")
CHANNELS = ("shell", "iopub", "stdin", "hb", "control")


def folder_of(version):
    """Folder in which the Makefile has installed that ipykernel."""
    found = ROOT / ".stamps" / "kernels" / f"ipykernel-{version}"
    assert found.is_dir(), f"{found} is missing: run `make test-kernels`"
    return found


def _plain(lines):
    return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


def point(x, y, label=1):
    return {"type": "point", "x": x, "y": y, "label": label}


class Kernel:
    """A running kernel: `with Kernel(version, folder) as kernel`."""

    def __init__(self, version, folder):
        self.version = version
        self.pages = {}
        self.displayed = []
        self.opened, self.closed = [], []
        self._file, config = write_connection_file(
            str(folder / "kernel.json"),
            key=os.urandom(16).hex().encode(),
            **{f"{channel}_port": free_port() for channel in CHANNELS},
        )
        self._session = Session(key=config["key"].encode())
        self._config = cast(dict[str, Any], config)
        self._log = (folder / "kernel.log").open("w")
        self._streams, self._idle, self._replies = {}, set(), {}
        self._stop = threading.Event()

    def __enter__(self):
        path = os.pathsep.join([str(folder_of(self.version)), str(ROOT)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ipykernel_launcher", "-f", self._file],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            stdout=self._log,
            stderr=self._log,
            cwd=ROOT,
        )
        self._context = zmq.Context()
        self._shell = self._connect("shell", zmq.DEALER)
        self._control = self._connect("control", zmq.DEALER)
        self._iopub = self._connect("iopub", zmq.SUB)
        self._iopub.subscribe(b"")
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()
        self._await_iopub()
        assert self.run("import ipykernel; print(ipykernel.__version__)") == self.version
        self.subshell = self._open_subshell() if self.version >= "7" else None
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._stop.set()
        self._listener.join()
        self._context.destroy(linger=0)
        self._log.close()

    def _connect(self, channel, kind):
        socket = self._context.socket(kind)
        socket.connect(f"tcp://{self._config['ip']}:{self._config[f'{channel}_port']}")
        return socket

    def _await_iopub(self):
        """Wait until a first message arrives: a subscription takes a moment."""

        def replied():
            self._session.send(self._shell, "kernel_info_request", {})
            time.sleep(0.1)
            return bool(self._idle)

        wait_until(replied, "the kernel")
        while self._shell.poll(500):
            self._session.recv(self._shell)

    def _listen(self):
        while not self._stop.is_set():
            if self._iopub.poll(50):
                _, message = self._session.recv(self._iopub, copy=True)
                self._heard(message)

    def _heard(self, message):
        kind, content = message["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id")
        if kind == "stream":
            self._streams[parent] = self._streams.get(parent, "") + content["text"]
        elif kind == "status" and content["execution_state"] == "idle":
            self._idle.add(parent)
        elif kind == "display_data":
            self.displayed.append((parent, content["data"]))
        elif kind == "comm_close":
            self.closed.append(content["comm_id"])
        elif kind in ("comm_open", "comm_msg"):
            if kind == "comm_open":
                self.opened.append(content["comm_id"])
                self.pages[content["comm_id"]] = Page(self, content["comm_id"])
            self.pages[content["comm_id"]].receive(content["data"])

    def _open_subshell(self):
        self._session.send(self._control, "create_subshell_request", {})
        assert self._control.poll(PATIENCE * 1000)
        return self._session.recv(self._control)[1]["content"]["subshell_id"]

    def start(self, code, cell=None, deleted=()):
        """Run a cell and do not wait for it."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": False}
        metadata = {} if cell is None else {"cellId": cell, "deletedCells": list(deleted)}
        message = self._session.msg("execute_request", content, metadata=metadata)
        self._session.send(self._shell, message)
        return message["header"]["msg_id"]

    def start_loop(self, code):
        """Run a cell that does not end by itself, and wait until it is running.

        ipykernel ignores an interrupt that comes before the cell has begun.
        """
        request = self.start(f"print('running', flush=True)\n{code}")
        wait_until(lambda: "running" in self._streams.get(request, ""), "the start of a cell")
        return request

    def finish(self, request):
        """Wait for the end of a cell; returns the reply and the printed text."""
        while request not in self._replies:
            assert self._shell.poll(PATIENCE * 1000), "a cell did not end"
            _, reply = self._session.recv(self._shell)
            self._replies[reply["parent_header"].get("msg_id")] = reply["content"]
        wait_until(lambda: request in self._idle, "the output of a cell")
        return self._replies.pop(request), self._streams.get(request, "").strip()

    def run(self, code, cell=None, deleted=()):
        """Run a cell; returns the printed text."""
        content, printed = self.finish(self.start(code, cell, deleted))
        assert content["status"] == "ok", _plain(content["traceback"])
        return printed

    def value(self, expression):
        """The value of an expression, transferred as JSON."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def interrupt(self):
        """Interrupt the kernel as the button in the toolbar does."""
        self._process.send_signal(signal.SIGINT)

    def shut_down(self):
        """End the kernel as JupyterLab does, and wait until it has ended."""
        self._session.send(self._control, "shutdown_request", {"restart": False})
        wait_until(lambda: self._process.poll() is not None, "the end of the kernel")

    def send(self, comm_id, data):
        """Send to a comm, over a subshell if the kernel supports them."""
        message = self._session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if self.subshell is not None:
            message["header"]["subshell_id"] = self.subshell
        self._session.send(self._shell, message)

    def page_of(self, name):
        """A page for the widget in the kernel's variable `name`."""
        return self.pages[self.run(f"print({name}.model_id)")]


class Page:
    """Simulates a browser page with one widget."""

    def __init__(self, kernel, comm_id, client="page"):
        self._kernel, self._comm_id, self._client = kernel, comm_id, client
        self._n = 0
        self.state, self.status, self.objects = {}, {}, {}
        self.acknowledged = 0
        self.epoch = 0

    def receive(self, data):
        """Handle a message of the kernel."""
        state = data.get("state", {})
        self.status = state.get("_status", self.status)
        if "_state" in state:
            self.state = state["_state"]
            self.acknowledged = self.state["ack"].get(self._client, 0)
        if data.get("content", {}).get("type") == "objects":
            self._heard_objects(data["content"])

    def _heard_objects(self, content):
        objects = {} if content["reset"] else dict(self.objects)
        for gone in content["drop"]:
            objects.pop(gone, None)
        self.objects = objects | {put["id"]: put for put in content["put"]}

    def _request(self):
        self._n += 1
        return {"rid": {"client": self._client, "n": self._n}, "epoch": self.epoch}

    def click(self, *prompts):
        """Send all prompts of the active object."""
        value = {**self._request(), "prompts": list(prompts)}
        self.set(_prompts=value)

    def set(self, **traits):
        """Change options, as sliders do."""
        data = {"method": "update", "state": traits, "buffer_paths": []}
        self._kernel.send(self._comm_id, data)

    def act(self, kind, **fields):
        """Send an action."""
        content = {"type": kind, **self._request(), **fields}
        self.epoch += 1
        self._kernel.send(self._comm_id, {"method": "custom", "content": content})

    def settle(self):
        """Wait until all that was sent is acknowledged and answered."""
        wait_until(lambda: self.acknowledged == self._n, "an acknowledgement")
        wait_until(lambda: not self._is_pending(), "an answer")

    def _is_pending(self):
        active = self.state.get("active")
        shown = [o["mask"] for o in self.objects.values()]
        return bool(active and active["pending"]) or None in shown
