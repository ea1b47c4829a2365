"""The extension that makes kernels' WebSockets answer at once, in a true Jupyter Server."""

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from jupyter_client import BlockingKernelClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from sam2_widget import SegmentWidget, server
from sam2_widget.testing import FakePredictor
from tests.browser.lab import free_port, jupyter_options, serving


class Echo(WebSocketHandler):
    """As Jupyter's: `open` is a coroutine that takes an argument."""

    delays = ()

    async def open(self, kernel_id):
        tcp = self.ws_connection.stream.socket
        Echo.delays = (
            *Echo.delays,
            (kernel_id, tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)),
        )


async def open_one(handler):
    listener, port = bind_unused_port()
    web = HTTPServer(Application([(r"/(.*)", handler)]))
    web.add_socket(listener)
    connection = await websocket_connect(f"ws://127.0.0.1:{port}/abc")
    connection.close()
    web.stop()


def test_sockets_are_opened_without_delay():

    plain = type("Plain", (Echo,), {"open": Echo.open})
    asyncio.run(open_one(plain))
    undelayed = type("Undelayed", (Echo,), {"open": Echo.open})
    server.undelay(undelayed)
    once = undelayed.open
    server.undelay(undelayed)
    assert undelayed.open is once
    asyncio.run(open_one(undelayed))
    assert [kernel for kernel, _ in Echo.delays] == ["abc", "abc"]
    assert [bool(nodelay) for _, nodelay in Echo.delays] == [False, True]


def test_a_socket_that_cannot_be_set_is_served_all_the_same(caplog):
    class Stubborn:
        def set_nodelay(self, value):
            raise OSError("no")

        def open(self, kernel_id):
            return kernel_id

    server.undelay(Stubborn)
    assert Stubborn().open("abc") == "abc"
    assert "TCP_NODELAY" in caplog.text


def test_the_installed_server_is_known():
    assert server.find_handler() is not None


def test_a_server_that_nobody_knows_is_left_alone(monkeypatch):
    monkeypatch.setattr(server, "HANDLERS", (("no.such", "Thing"), ("json", "NoSuch")))
    assert server.find_handler() is None


def environment_of(connection_file):
    """What a kernel was told by its environment, as Python writes it."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    wanted = {"told": f"__import__('os').environ.get({server.UNDELAYED!r})"}
    reply = client.execute("", silent=True, user_expressions=wanted, reply=True, timeout=60)
    client.stop_channels()
    return reply["content"]["user_expressions"]["told"]["data"]["text/plain"]


def run_server(tmp_path, *options):
    """What a true server logs, and whether kernels that it starts know that it does not wait."""
    port = free_port()
    command = ["jupyter_server", *jupyter_options(tmp_path, port), *options]
    with serving(command, tmp_path, port, ready="/api/status") as base:
        start = urllib.request.Request(f"{base}/api/kernels", data=b"{}", method="POST")
        with urllib.request.urlopen(start, timeout=30) as answer:
            kernel = json.load(answer)["id"]
        told = environment_of(tmp_path / ".home" / "runtime" / f"kernel-{kernel}.json")
    return (tmp_path / "jupyter_server.log").read_text(), told


def test_it_is_on_where_the_package_is_installed_beside_the_server(tmp_path):
    log, told = run_server(tmp_path)
    assert "kernels' answers leave at once" in log
    assert told == "'1'"


def test_it_can_be_switched_off(tmp_path):
    off = "--ServerApp.jpserver_extensions={'sam2_widget.server': False}"
    log, told = run_server(tmp_path, off)
    assert "kernels' answers leave at once" not in log
    assert told == "None"


@pytest.mark.parametrize("told", [None, "", "0", "1"])
def test_the_page_is_told_whether_nudges_are_needless(monkeypatch, told):
    monkeypatch.delenv(server.UNDELAYED, raising=False)
    if told is not None:
        monkeypatch.setenv(server.UNDELAYED, told)
    widget = SegmentWidget(np.zeros((4, 6, 3), np.uint8), model=FakePredictor())
    assert widget._undelayed is (told == "1")
    widget.close()


def test_the_server_imports_neither_torch_nor_the_widget():
    code = (
        "import sam2_widget.server, sys; print({'torch', 'numpy', 'ipywidgets'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"set()"
