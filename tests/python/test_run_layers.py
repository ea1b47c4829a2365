"""Layers of the tests, run side by side."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests import run_layers
from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
MAKEFILE = """
good:
\t@echo 'good is good'
bad:
\t@echo 'bad is bad'; exit 3
alone together:
\t@touch $@-here; while [ ! -e alone-here ] || [ ! -e together-here ]; do sleep 0.05; done
slow:
\t@echo 'tests/test_a.py ... [ 40%]'; echo 'tests/test_b.py ... [ 80%]'; touch slow-here; sleep 600
tidy:
\t@trap 'touch tidied; exit 1' INT; touch tidy-here; while true; do sleep 0.05; done
"""


@pytest.fixture
def start(tmp_path):
    """Starts the program with these arguments in a folder that has a Makefile."""
    (tmp_path / "Makefile").write_text(MAKEFILE)
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.run_layers", "make --silent", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_a_layer_that_fails_stops_no_other_and_is_named_at_the_end(start):
    process = start("bad", "good", "--jobs=1")
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (1, "")
    assert "\n===== bad =====\nbad is bad\n" in output
    assert "\n===== good =====\ngood is good\n" in output
    assert re.search(r"^bad +FAILED +0:0\d\ngood +passed +0:0\d\n", output, re.MULTILINE)
    assert output.splitlines()[-1].endswith("] not passed: bad")


def test_it_ends_well_if_all_layers_pass(start):
    process = start("good")
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert output.splitlines()[-1].endswith("] all passed")


def test_requested_number_of_layers_runs_at_once(start):
    process = start("alone", "together", "--jobs=2")
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_what_runs_is_shown_with_how_much_of_it_is_done(start, tmp_path):
    process = start("slow", "--every=0.05")
    wait_until((tmp_path / "slow-here").exists)
    line = next(line for line in process.stdout if "%" in line)
    assert line.endswith("] running: slow 80%\n")


@pytest.mark.usefixtures("interruptible")
def test_a_layer_that_is_interrupted_while_it_starts_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Makefile").write_text(MAKEFILE)
    run_layers.LOGS.mkdir(parents=True)
    layer, starting = run_layers.Layer("tidy", "make --silent"), threading.Event()
    start = subprocess.Popen

    def slowly(*args, **options):
        process = start(*args, **options)
        starting.set()
        wait_until((tmp_path / "tidy-here").exists)
        return process

    monkeypatch.setattr(subprocess, "Popen", slowly)
    thread = threading.Thread(target=layer.run)
    thread.start()
    assert starting.wait(PATIENCE)
    layer.interrupt()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert layer.result == "FAILED"
    layer.run()
    assert layer.result == "FAILED", "it was not started again"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_ends_it_interrupts_the_layers_and_starts_no_more(start, tmp_path, how):
    process = start("tidy", "good", "--jobs=1")
    wait_until((tmp_path / "tidy-here").exists)
    process.send_signal(how)
    output, _ = process.communicate(timeout=PATIENCE)
    assert (tmp_path / "tidied").exists()
    assert process.returncode != 0
    assert "good started" not in output
    assert re.search(r"^good +not run", output, re.MULTILINE)
