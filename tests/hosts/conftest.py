from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import browser, console, page, page_options  # noqa: F401 - fixtures

from .hosts import Lab, Marimo, MarimoEdit, Notebook7, Voila

HOSTS = {
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
def host(served, page, console):  # noqa: F811
    """The host in a page; nothing may go wrong there, and nothing may ask another machine."""
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
    return host.start_widget()
