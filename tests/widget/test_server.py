"""The extension that makes kernels' WebSockets answer at once, in a true Jupyter Server."""

import asyncio
import json
import socket
import subprocess
import sys
import urllib.request
from typing import Any

import numpy as np
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from deploy.try_hub import free_port
from sam2_widget import SegmentWidget, server
from sam2_widget.testing import FakePredictor
from tests.browser.lab import jupyter_options, serving


class Echo(WebSocketHandler):
    """As Jupyter's: `open` is a coroutine that takes an argument."""

    delays: tuple[Any, ...] = ()

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

    plain: Any = type("Plain", (Echo,), {"open": Echo.open})
    asyncio.run(open_one(plain))
    nodelay: Any = type("Undelayed", (Echo,), {"open": Echo.open})
    server.enable_nodelay(nodelay)
    once = nodelay.open
    server.enable_nodelay(nodelay)
    assert nodelay.open is once
    asyncio.run(open_one(nodelay))
    assert [kernel for kernel, _ in Echo.delays] == ["abc", "abc"]
    assert [bool(nodelay) for _, nodelay in Echo.delays] == [False, True]


def test_a_socket_that_cannot_be_set_is_served_all_the_same(caplog):
    class Stubborn:
        def set_nodelay(self, value):
            raise OSError("no")

        def open(self, kernel_id):
            return kernel_id

    server.enable_nodelay(Stubborn)
    assert Stubborn().open("abc") == "abc"
    assert "TCP_NODELAY" in caplog.text


def test_the_installed_server_is_known():
    assert server.find_handler() is not None


def test_unknown_server_is_not_patched(monkeypatch):
    monkeypatch.setattr(server, "HANDLERS", (("no.such", "Thing"), ("json", "NoSuch")))
    assert server.find_handler() is None


def environment_of(connection_file):
    """The variable in a kernel's environment, as Python writes it."""
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    # A busy machine may let a heartbeat pass, which is no death.
    client.start_channels(hb=False)
    client.wait_for_ready(timeout=60)
    wanted = {"value": f"__import__('os').environ.get({server.NODELAY!r})"}
    reply = client.execute("", silent=True, user_expressions=wanted, reply=True, timeout=60)
    client.stop_channels()
    return reply["content"]["user_expressions"]["value"]["data"]["text/plain"]


def run_server(tmp_path, *options):
    """What a true server logs, and whether kernels that it starts know that it does not wait."""
    port = free_port()
    command = ["jupyter_server", *jupyter_options(tmp_path, port), *options]
    with serving(command, tmp_path, port, ready="/api/status") as base:
        start = urllib.request.Request(f"{base}/api/kernels", data=b"{}", method="POST")
        with urllib.request.urlopen(start, timeout=30) as answer:
            kernel = json.load(answer)["id"]
        value = environment_of(tmp_path / ".home" / "runtime" / f"kernel-{kernel}.json")
    return (tmp_path / "jupyter_server.log").read_text(), value


def test_it_is_on_where_an_administrator_enables_it(tmp_path):
    on = "--ServerApp.jpserver_extensions={'sam2_widget.server': True}"
    log, value = run_server(tmp_path, on)
    assert "kernels' answers leave at once" in log
    assert value == "'1'"


def test_it_is_off_unless_enabled(tmp_path):
    log, value = run_server(tmp_path)
    assert "kernels' answers leave at once" not in log
    assert value == "None"


@pytest.mark.parametrize("value", [None, "", "0", "1"])
def test_nodelay_trait_follows_the_environment(monkeypatch, value):
    monkeypatch.delenv(server.NODELAY, raising=False)
    if value is not None:
        monkeypatch.setenv(server.NODELAY, value)
    widget = SegmentWidget(np.zeros((4, 6, 3), np.uint8), model=FakePredictor())
    assert widget._nodelay is (value == "1")
    widget.close()


def test_the_server_imports_neither_torch_nor_the_widget():
    code = (
        "import sam2_widget.server, sys; print({'torch', 'numpy', 'ipywidgets'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"set()"
