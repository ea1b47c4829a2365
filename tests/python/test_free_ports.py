"""Ports of servers in tests that run side by side."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import try_hub
from deploy.try_hub import PORTS, free_port

ROOT = Path(__file__).parents[2]
SPARE = range(32_000, 32_100)
ASK = "from deploy import try_hub; try_hub.PORTS = {ports}; print(try_hub.free_port())"


@pytest.fixture
def reserved(monkeypatch):
    """Ports that are reserved during this test only."""
    reserved = []
    monkeypatch.setattr(try_hub, "_reserved", reserved)
    yield reserved
    for mark in reserved:
        mark.close()


def test_a_free_port_can_be_listened_on(reserved):
    port = free_port()
    assert port in PORTS
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_process_is_given_each_port_once(monkeypatch, reserved):
    monkeypatch.setattr(try_hub, "PORTS", SPARE)
    assert len({free_port() for _ in range(60)}) == 60


def test_no_process_is_given_a_port_of_another(reserved):
    with socket.create_server(("127.0.0.1", 0)) as server:
        others = [server.getsockname()[1], free_port()]
        # Almost every choice is one of the two.
        command = [sys.executable, "-c", ASK.format(ports=others * 1000 + list(SPARE[-20:]))]
        printed = subprocess.check_output(command, cwd=ROOT, text=True, timeout=60)
    assert int(printed) in SPARE
