"""The extension that makes kernels' WebSockets answer at once, in a true Jupyter Server."""

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from sam2_widget import server
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


def test_it_is_loaded_by_a_true_server(tmp_path):
    port = free_port()
    options = [
        *jupyter_options(tmp_path, port),
        "--ServerApp.jpserver_extensions={'sam2_widget.server': True}",
    ]
    with (
        serving(["jupyter_server", *options], tmp_path, port, ready="/api/status") as base,
        urllib.request.urlopen(f"{base}/api/status", timeout=10) as answer,
    ):
        assert json.load(answer)["kernels"] == 0
    log = (tmp_path / "jupyter_server.log").read_text()
    assert "kernels' answers leave at once" in log


def test_the_server_needs_no_torch():
    code = "import sam2_widget.server, sys; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"False"
