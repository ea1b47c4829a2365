"""Start a JupyterHub with two users on this machine: `make hub`.

It runs `jupyterhub_config.py` in a folder of its own, with a home folder for each user, and removes
both when it ends. For looking at the widget behind a real hub; not for real users.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

DEPLOY = Path(__file__).resolve().parent
CONFIG = DEPLOY / "jupyterhub_config.py"
NOTEBOOKS = DEPLOY.parent / "notebooks"
USERS = ("alice", "bob")


def main() -> None:
    """Run the hub until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=RawText)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--models", help="a folder for HF_HOME, shared by all users")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sam2-hub-") as name:
        folder = Path(name)
        password = secrets.token_urlsafe(9)
        sys.stdout.write(greeting(options.port, password))
        sys.stdout.flush()
        run(options.port, folder, environment(folder, password, models=options.models))


def run(port: int, folder: Path, more: dict[str, str]) -> None:
    """Run the hub in `folder` until somebody ends it, and then all that it has started."""
    heed_interrupts()
    with suppress(KeyboardInterrupt):
        hub = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, *command(port)],
            cwd=folder,
            env={**os.environ, **more},
            # Ctrl+C would reach it by itself, too, and disturb it as it stops its servers.
            start_new_session=True,
        )
        try:
            hub.wait()
        finally:
            hub.terminate()
            hub.wait()


def heed_interrupts() -> None:
    """Have whatever ends this program do so as Ctrl+C does.

    A shell tells what it runs in the background to ignore interrupts. So would the servers and
    services of the hub, which it stops by them.
    """
    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as `nohup` wants it
        ends.append(signal.SIGHUP)
    for one in ends:
        signal.signal(one, signal.default_int_handler)


class RawText(argparse.RawDescriptionHelpFormatter):
    """Keeps the paragraphs of the text above."""


def greeting(port: int, password: str) -> str:
    """What the person who starts it must know."""
    users = " or ".join(USERS)
    return f"""
    JupyterHub: http://127.0.0.1:{port}   user: {users}   password: {password}

    Log in as the second user in a private window. Ctrl+C ends all; home folders are not kept.
\n"""


def command(port: int, config: Path = CONFIG) -> list[str]:
    """Arguments for Python that run the hub on loopback, with ports that nobody else has."""
    return [
        *["-m", "jupyterhub", f"--config={config}"],
        f"--JupyterHub.bind_url=http://127.0.0.1:{port}",
        f"--JupyterHub.hub_bind_url=http://127.0.0.1:{free_port()}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{free_port()}",
    ]


def environment(folder: Path, password: str, *, models: str | None = None) -> dict[str, str]:
    """The variables for `jupyterhub_config.py`; makes a home for each user under `folder`."""
    homes = folder / "homes"
    for user in USERS:
        (homes / user).mkdir(parents=True)
        shutil.copy(NOTEBOOKS / "quickstart.ipynb", homes / user)
    proxy = DEPLOY / "proxy" / "node_modules" / ".bin"
    return {
        "PATH": f"{proxy}{os.pathsep}{os.environ['PATH']}",
        "SAM2_HUB_HOMES": str(homes),
        "SAM2_HUB_MODELS": str(Path(models).resolve()) if models else "",
        "SAM2_HUB_PASSWORD": password,
        "SAM2_HUB_USERS": ",".join(USERS),
    }


PORTS = range(20_000, 32_000)
"""The system gives none of these to a program that requests any free port."""

_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port of this machine that nobody listens on, and that no other call of this returns.

    That holds for calls in other processes, too, until the one that has called ends.
    """
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            _reserved.append(reserve(port))
            return port


def reserve(port: int) -> socket.socket:
    """Reserve a TCP port by opening the UDP port of that number, which servers do not use."""
    mark = socket.socket(type=socket.SOCK_DGRAM)
    try:
        mark.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        raise
    return mark


if __name__ == "__main__":
    main()
