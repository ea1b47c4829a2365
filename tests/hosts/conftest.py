from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import (  # noqa: F401 - fixtures and a hook
    browser,
    console,
    page_options,
    pytest_runtest_makereport,
    unexpected,
)
from tests.browser.open_lab import OpenPage

from .hosts import Lab, Marimo, MarimoEdit, Notebook7, Voila

HOSTS: dict[str, Any] = {
    "lab": Lab,
    "notebook": Notebook7,
    "voila": Voila,
    "marimo": Marimo,
    "marimo-edit": MarimoEdit,
}


@pytest.fixture(scope="session", params=HOSTS)
def served(request, tmp_path_factory):
    """A host, its address and its folder; pytest runs all tests of one before the next starts."""
    host = HOSTS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    with host.serve(folder) as base:
        yield host, base, folder


@pytest.fixture
def page(browser, page_options, console):  # noqa: F811
    own = OpenPage(browser, page_options)
    own.errors = console
    yield own.page
    own.context.close()
    assert not unexpected(console)


@pytest.fixture
def host(served, page, console):  # noqa: F811
    """The host in a page; fails on errors and on requests to other machines."""
    make, base, folder = served
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    host = make(page, base, folder)
    yield host
    host.leave()
    console[:] = [text for text in console if not any(own in text for own in host.own_errors)]
    strangers = [
        url
        for url in asked
        if urlsplit(url).scheme in ("http", "https")
        and not url.startswith((base, *host.own_requests))
    ]
    assert not strangers


@pytest.fixture
def widget(host):
    return host.start_widget().settled()
