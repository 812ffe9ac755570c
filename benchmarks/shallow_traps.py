"""How often does a certificate of a shallow network hold where it is false? Traps by kind and seed, truth in 512 bits.

A certificate counts as false if its verdict is "holds" and Newton's method in 512 bits, written down a second time
(tests/shallow/truth.py), does not find a strict minimum inside its ellipsoid, or contradicts any number it states.
Run `python benchmarks/shallow_traps.py 200` for a part.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections import Counter
from pathlib import Path

from _record import keep

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.shallow.traps import KINDS, trap
from tests.shallow.truth import contradictions
from thalweg.records import Verdict
from thalweg.shallow.certificate import certify_objective

TRAPS = 10_000
METHODS = ("fast", "balls")


def judge(kind: str, seed: int, found: Counter) -> list[str]:
    """Certify one trap with both methods; return what is false."""
    net, objective, possible = trap(kind, seed)
    false = []
    for method in METHODS:
        certificate = certify_objective(net, objective, method)
        found[f"{method}: {certificate.verdict.value} ({certificate.reason.code.split('.')[-1]})"] += 1
        if certificate.verdict is Verdict.HOLDS:
            wrong = contradictions(net, objective, certificate)
            wrong += [] if possible else ["no strict minimum exists"]
            false += [f"{kind} {seed} {method}: {', '.join(wrong)}"] if wrong else []
    return false


def main() -> None:
    """Go through all kinds with equal numbers of seeds from 0 on."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else TRAPS
    seeds = -(-count // len(KINDS))
    started, false, kinds = time.process_time(), [], {}
    for kind in KINDS:
        found: Counter = Counter()
        for seed in range(seeds):
            false += judge(kind, seed, found)
        kinds[kind] = dict(sorted(found.items()))
    results = {
        "traps": seeds * len(KINDS),
        "seeds": f"0 to {seeds - 1} of each kind",
        "certificates": 2 * seeds * len(KINDS),
        "false certificates": len(false),
        "which": false,
        "processor seconds": time.process_time() - started,
        "verdicts by kind": kinds,
    }
    keep("shallow_traps" if count == TRAPS else "shallow_traps_part", results)


if __name__ == "__main__":
    main()
