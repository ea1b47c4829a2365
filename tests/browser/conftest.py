import contextlib
import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from tests.waiting import PATIENCE

from .forked_kernels import forked_kernels
from .lab import DESCRIBE, Notebook, chromium, jupyter_lab
from .open_lab import OpenLab, OpenPage, OpenPages, close_notebooks, shut_down_kernels

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"

# JupyterLab's own messages on a machine without a network.
HARMLESS = ("favicon", "ERR_INTERNET_DISCONNECTED", "ERR_NAME_NOT_RESOLVED")


# Playwright's own 5 seconds are too few for a busy machine.
expect.set_options(timeout=PATIENCE * 1000)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "own_page: a page that no other test has used, and a kernel that is not forked"
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder that JupyterLab serves: a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    for notebook in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(notebook, folder)
    return folder


@pytest.fixture(scope="session")
def lab(folder):
    kernel_specs = folder / ".home" / "data" / "kernels"
    with forked_kernels(folder, kernel_specs), jupyter_lab(folder) as base:
        yield base


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-background-networking", "--disable-gpu"],
            env={**os.environ, "LANG": "C.UTF-8"},
        )
        yield browser
        browser.close()


@pytest.fixture
def page_options():
    return {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture
def console(request):
    """Errors of the page; a test that expects errors removes them from the list."""
    return []


@pytest.fixture(scope="session")
def open_pages(browser):
    pages = OpenPages(browser)
    yield pages
    pages.close_all()


@pytest.fixture
def open_page(browser, open_pages, page_options, console, request):
    """A page that stays open for the next test.

    Unless this one fails, has reloaded it, or is marked `own_page`.
    """
    own = request.node.get_closest_marker("own_page")
    open_page = OpenPage(browser, page_options) if own else open_pages.take(page_options)
    open_page.errors = console
    request.node.stash[OPEN_PAGE] = open_page
    yield open_page
    # Closing a notebook whose kernel still sends makes JupyterLab log errors of its own.
    open_page.errors = []
    errors = unexpected(console)
    # A kernel of 500 MB for every test would add up.
    has_failed = request.node.stash.get(FAILED, default=False)
    if own or errors or has_failed or open_page.has_reloaded:
        shut_down_kernels(open_page.page)
        open_pages.close(open_page)
    else:
        close_notebooks(open_page.page)
    assert not errors, errors


@pytest.fixture
def page(open_page):
    return open_page.page


def unexpected(console):
    return [text for text in console if not any(word in text for word in HARMLESS)]


FAILED = pytest.StashKey[bool]()
OPEN_PAGE = pytest.StashKey[OpenPage]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Keep a picture and a description of the page of a test that fails."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        open_page = item.stash.get(OPEN_PAGE, None)
        if open_page and not open_page.page.is_closed():
            ARTIFACTS.mkdir(exist_ok=True)
            with contextlib.suppress(Error):
                described = open_page.page.evaluate(DESCRIBE)
                errors = "\n".join(open_page.errors)
                report.sections.append(("page", f"{described}\n{errors}"))
                open_page.page.screenshot(path=ARTIFACTS / f"{item.name}.png", timeout=5_000)
    return report


@pytest.fixture
def notebook(open_page, lab, folder, request):
    notebook = OpenLab(open_page, lab, folder)
    if request.node.get_closest_marker("own_page"):
        # Not forked: a forked kernel closes comms of other tabs when it ends, and these log errors.
        notebook.kernel = Notebook.kernel
    return notebook
