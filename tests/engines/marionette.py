"""Firefox's own WebDriver protocol: JSON over TCP, with the length before each message.

It is what geckodriver translates HTTP to. Neither PyPI nor Debian has geckodriver, Mozilla's own
client needs a module that Python 3.13 no longer has, and Playwright needs a newer Firefox.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import contextmanager, suppress

from deploy.try_hub import free_port
from tests.processes import interrupts, stop

START = 60
"""Seconds that Firefox has to start."""


class MarionetteError(Exception):
    """Firefox could not carry out a command."""


class Marionette:
    def __init__(self, connection):
        self._stream = connection.makefile("rwb")
        self._count = 0
        # The first message only names the protocol.
        self._receive()

    def command(self, name, **parameters):
        """Return the result of a command of WebDriver's, named as ``"Navigate"``."""
        self._count += 1
        message = json.dumps([0, self._count, f"WebDriver:{name}", parameters]).encode()
        self._stream.write(b"%d:%s" % (len(message), message))
        self._stream.flush()
        _, _, error, result = self._receive()
        if error:
            raise MarionetteError(f"{name}: {error['error']}: {error['message']}")
        # A value of its own, or several by their names.
        return result.get("value", result)

    def _receive(self):
        length = b""
        while not length.endswith(b":"):
            digit = self._stream.read(1)
            if not digit:
                raise MarionetteError("Firefox has ended")
            length += digit
        return json.loads(self._stream.read(int(length[:-1])))


@contextmanager
def firefox(program, folder):
    """Run Firefox without a window, its profile and its log in `folder`; yields the connection."""
    port = free_port()
    profile = folder / "firefox"
    profile.mkdir()
    (profile / "user.js").write_text(f'user_pref("marionette.port", {port});\n')
    command = [program, "--marionette", "--headless", "--no-remote", "--profile", str(profile)]
    with (folder / "firefox.log").open("w") as log, interrupts():
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        with connected(port, process) as connection:
            marionette = Marionette(connection)
            marionette.command("NewSession")
            yield marionette
    finally:
        stop(process)


def connected(port, process):
    """A connection to Firefox as soon as it listens."""
    deadline = time.monotonic() + START
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", port))
        time.sleep(0.05)
    raise MarionetteError("Firefox did not start; its log is beside its profile")
