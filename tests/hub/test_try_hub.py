"""`make hub`: ending it ends all processes that it has started."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from deploy import try_hub
from tests.browser.lab import wait_for
from tests.processes import family_of, stop
from tests.waiting import PATIENCE, wait_until


def started_by(process):
    """The processes of the hub, its proxy and its services, once all have started."""

    def has_culler():
        return any("jupyterhub_idle_culler" in one.cmdline() for one in family_of(process))

    wait_until(has_culler, "the culler")
    return family_of(process)


@pytest.fixture
def hub(tmp_path):
    """Started as a background process of a shell, which ignores interrupts."""
    port, log = try_hub.free_port(), tmp_path / "log"
    as_shell = ["sh", "-c", """trap '' INT; exec "$0" "$@" """]
    command = [*as_shell, sys.executable, try_hub.__file__, f"--port={port}"]
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    wait_for(f"http://127.0.0.1:{port}/hub/health", process, log)
    family = started_by(process)
    yield process, family
    stop(process, family)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ending_make_hub_leaves_no_process(hub, how):
    process, family = hub
    assert len(family) >= 3
    os.killpg(process.pid, how)  # as a terminal does
    assert process.wait(PATIENCE) == 0
    _, left = psutil.wait_procs(family, timeout=1)
    assert not left


@pytest.mark.parametrize("address", ["http://:{}", "http://hub.example.org:{}"])
def test_a_trial_hub_refuses_to_listen_on_a_public_address(tmp_path, address):
    port = try_hub.free_port()
    arguments = [each for each in try_hub.command(port) if "JupyterHub.bind_url" not in each]
    done = subprocess.run(
        [sys.executable, *arguments, f"--JupyterHub.bind_url={address.format(port)}"],
        cwd=tmp_path,
        env={**os.environ, **try_hub.environment(tmp_path, "correct horse")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "This hub is for trials on one machine and does not start at" in done.stderr
    assert "correct horse" not in done.stderr


def test_a_trial_hub_listens_on_loopback_only(hub):
    process, family = hub
    assert not process.poll()
    listening = [
        connection.laddr.ip
        for one in family
        for connection in one.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert len(listening) >= 3
