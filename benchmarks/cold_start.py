"""How long does a user wait? Whole processes from start to end: import, help, doctor, demo.

The files are in the page cache; "empty caches" runs remove every compiled Python file of thalweg first.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _record import keep, summary

import thalweg

THALWEG = [sys.executable, "-c", "from thalweg.cli.main import run; run()"]
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import thalweg": [sys.executable, "-c", "import thalweg"],
    "thalweg --help": [*THALWEG, "--help"],
    "thalweg doctor": [*THALWEG, "doctor"],
    "thalweg demo": [*THALWEG, "demo", "--out", "."],
    "thalweg demo tecator-fat": [*THALWEG, "demo", "tecator-fat", "--out", "."],
}
RUNS = 7


def wall(command: list[str], folder: str) -> float:
    """Return the seconds one process takes."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def forget_compiled() -> None:
    """Remove the compiled files of thalweg, as after a fresh clone."""
    for cache in Path(thalweg.__file__).parent.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)


def main() -> None:
    """Measure every command."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, command in COMMANDS.items():
            wall(command, folder)
            results[name] = summary([wall(command, folder) for _ in range(RUNS)])
        taken = []
        for _ in range(RUNS):
            forget_compiled()
            taken.append(wall(COMMANDS["thalweg demo"], folder))
        results["thalweg demo, thalweg not compiled"] = summary(taken)
    keep("cold_start", results)


if __name__ == "__main__":
    main()
