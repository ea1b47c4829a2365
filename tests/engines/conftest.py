from typing import Any

import pytest

from tests.browser.conftest import ARTIFACTS
from tests.browser.lab import jupyter_lab

from .notebook import Notebook
from .pages import FirefoxPage, WebKitPage

ENGINES: dict[str, Any] = {"firefox": FirefoxPage, "webkit": WebKitPage}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="session")
def lab(folder):
    with jupyter_lab(folder) as base:
        yield base


@pytest.fixture(scope="session", params=ENGINES)
def notebook(request, lab, folder):
    """One page and one kernel for all tests of an engine."""
    with ENGINES[request.param].open(folder) as page:
        notebook = Notebook.open(page, lab, folder, request.param)
        yield notebook
        notebook.shut_down()


@pytest.fixture
def widget(notebook, request):
    """A new widget for every test."""
    yield notebook.new_widget()
    ARTIFACTS.mkdir(exist_ok=True)
    notebook.page.screenshot().save(ARTIFACTS / f"{request.node.name}.png")
