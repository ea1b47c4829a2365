"""A running JupyterHub, and users who log in to it."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from pathlib import Path

from deploy import try_hub
from tests.browser.lab import Notebook, be_quiet, serving
from tests.waiting import PATIENCE

CONFIG = Path(__file__).with_name("jupyterhub_config.py")
PASSWORD = "correct horse"


@contextmanager
def jupyter_hub(folder):
    """The hub that `make hub` starts, and its configurable-http-proxy; yields its address."""
    environment = try_hub.environment(folder, PASSWORD)
    for user in try_hub.USERS:
        be_quiet(home_of(folder, user) / ".jupyter" / "lab" / "user-settings")
    port = try_hub.free_port()
    module, *arguments = itertools.islice(try_hub.command(port, CONFIG), 1, None)
    with serving([module, *arguments], folder, port, ready="/hub/health", more=environment) as base:
        yield base


def home_of(folder, user):
    return folder / "homes" / user


class User(Notebook):
    """A user of the hub, in a browser of their own."""

    def __init__(self, page, hub, folder, name):
        super().__init__(page, f"{hub}/user/{name}", home_of(folder, name))
        self.hub, self.name = hub, name

    def log_in(self):
        """Log in; the hub starts the user's server."""
        page = self.page
        page.goto(f"{self.hub}/hub/login", wait_until="domcontentloaded")
        page.get_by_label("Username").fill(self.name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.base}/lab/**", wait_until="domcontentloaded")
        return self

    def fetch(self, path, method="GET", *, token=True):
        """Response of the hub to the page; with `token`, requested as by JupyterHub's own pages."""
        return self.page.evaluate(
            """async ([path, method, token]) => {
              const cookie = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? "";
              const headers = token ? { "X-XSRFToken": cookie } : {};
              return (await fetch(path, { method, headers })).status;
            }""",
            [path, method, token],
        )

    def wait_until(self, came):
        """Wait for a condition while the page's events are handled."""
        deadline = time.monotonic() + PATIENCE
        while not came():
            assert time.monotonic() < deadline
            self.page.wait_for_timeout(50)

    def restart_server(self):
        """Stop the server from the hub's page and start it again, in another tab."""
        page = self.page.context.new_page()
        page.goto(f"{self.hub}/hub/home", wait_until="domcontentloaded")
        # Before that its buttons have no effect.
        page.wait_for_function("() => window._jupyterhub_page_loaded")
        page.get_by_role("button", name="Stop My Server").click()
        # Kernels get time to shut down.
        page.get_by_role("button", name="Start My Server").click()
        page.wait_for_url(f"{self.base}/lab/**", wait_until="domcontentloaded")
        page.close()
