"""Shared fixtures, and the rule for parts that may be missing.

A test marked `needs("chromium")` is skipped with a reason where chromium is missing; where the environment
variable THALWEG_REQUIRE names it (as on CI), its absence is a failure instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import settings

settings.register_profile("thalweg", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("thalweg")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SMALL_BUDGET = "1e8"
"""Operations that leave out studies and pilot studies, and nothing else of the small files here."""

PACKAGES = ("torch", "safetensors", "equinox")
PRESENT = {"chromium": CHROMIUM is not None} | {p: importlib.util.find_spec(p) is not None for p in PACKAGES}


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        part = mark.args[0]
        if PRESENT[part]:
            continue
        if part in os.environ.get("THALWEG_REQUIRE", "").split(","):
            pytest.fail(f"{part} is required here (THALWEG_REQUIRE) and is missing")
        pytest.skip(f"{part} is not installed")


@pytest.fixture(autouse=True)
def surveys_without_studies(request, monkeypatch):
    """Leave what takes seconds out of surveys: the study of a path and the pilot study of shallow networks.

    Tests marked `studies` make the first, tests marked `pilots` the second.
    """
    if request.node.get_closest_marker("studies") is None:
        section = importlib.import_module("thalweg.diagonal.section")  # by name, the function of the package is found
        monkeypatch.setattr(section, "study", lambda *given: (None, ()))
    if request.node.get_closest_marker("pilots") is None:
        section = importlib.import_module("thalweg.shallow.section")
        monkeypatch.setattr(section, "scan", lambda *given: None)


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def thalweg(tmp_path):
    """Run the command as a user does, in an empty folder; return the finished process.

    Surveys get a small budget unless they name one: what they would add takes seconds.
    """

    def call(*arguments, cwd=tmp_path, **environment):
        surveys = arguments[:1] in (("survey",), ("demo",))
        if surveys and not {"--budget", "--help", "--list"} & set(map(str, arguments)):
            arguments = (*arguments, "--budget", SMALL_BUDGET)
        return subprocess.run(
            [sys.executable, "-c", "from thalweg.cli.main import run; run()", *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            env={**os.environ, "PYTHONUTF8": "1", **environment},
        )

    return call
