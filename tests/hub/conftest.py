from contextlib import ExitStack

import pytest

from tests.browser.conftest import ARTIFACTS, browser  # noqa: F401 - a fixture
from tests.browser.conftest import HARMLESS as LAB_HARMLESS
from tests.browser.lab import new_context

from .hub import User, jupyter_hub


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """Address and folder of a JupyterHub."""
    folder = tmp_path_factory.mktemp("hub")
    with jupyter_hub(folder) as base:
        yield base, folder


# Messages of JupyterLab when its page closes and its kernel ends.
HARMLESS = (*LAB_HARMLESS, "/lab/api/workspaces/", "debugger state")


@pytest.fixture
def expected():
    """Parts of errors in a page's console that a test expects."""
    return []


@pytest.fixture
def log_in(hub, browser, expected, request):  # noqa: F811
    """Logs a user in, each in a browser profile of their own."""
    address, folder = hub
    console = []
    with ExitStack() as stack:

        def log_in(name):
            context = new_context(browser, viewport={"width": 1280, "height": 900})
            stack.callback(context.close)
            page = context.new_page()
            page.on("console", lambda m: m.type == "error" and console.append(said(m)))
            page.on("pageerror", lambda error: console.append(str(error)))
            user = User(page, address, folder, name).log_in()
            stack.callback(leave, user, request.node.name)
            return user

        yield log_in
    errors = [text for text in console if not any(word in text for word in HARMLESS)]
    assert not [text for text in errors if not any(word in text for word in expected)]


def said(message):
    return f"{message.text} {message.location}"


def leave(user, test):
    ARTIFACTS.mkdir(exist_ok=True)
    user.page.screenshot(path=ARTIFACTS / f"{test}-{user.name}.png")
    # A kernel of 500 MB for every test would add up.
    user.page.evaluate("() => window.jupyterapp?.serviceManager.sessions.shutdownAll()")


@pytest.fixture
def alice(log_in):
    return log_in("alice")


@pytest.fixture
def bob(log_in):
    return log_in("bob")
