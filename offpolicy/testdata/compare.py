"""Times this package beside NumPy and scikit-learn, in one run.

    python3 -m venv venv && venv/bin/pip install numpy scikit-learn
    venv/bin/python offpolicy/testdata/compare.py

The two sides are timed in turn, on the same sizes, and the fastest of each are
compared, since whatever else the machine does only slows them down. It fails
where a ratio is above its bound.
"""

import re
import subprocess
import sys
import time

import numpy as np
from sklearn.isotonic import IsotonicRegression

N = 10**6
rng = np.random.default_rng(1)
log_ratios, rewards = rng.normal(size=N) - 0.5, rng.random(N)
x = rng.random(N)
y = x + rng.normal(size=N)


def importance_sampling():
    w = np.exp(log_ratios)
    total = w.sum()
    return (w * rewards).mean(), (w * rewards).sum() / total, total * total / (w * w).sum()


def isotonic():
    return IsotonicRegression(out_of_bounds="clip").fit(x, y)


def python(f):
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def go(name):
    out = subprocess.run(
        ["go", "test", "./offpolicy", "-run", "xxx", "-bench", f"^{name}$/^n={N}$", "-benchtime", "1x", "-count", "10"],
        check=True, capture_output=True, text=True).stdout
    return min(float(t) for t in re.findall(r"\s([\d.]+) ns/op", out)) / 1e9


failed = False
for what, f, bench, bound in [
    ("IPS, SNIPS and ESS (here with errors too)", importance_sampling, "BenchmarkMeanRewards", 0.8),
    ("isotonic fit", isotonic, "BenchmarkFitIsotonic", 0.6),
]:
    theirs, ours = [], []
    for _ in range(3):
        theirs += [python(f) for _ in range(10)]
        ours.append(go(bench))
    a, b = min(ours), min(theirs)
    failed |= a / b > bound
    print(f"{what}, {N} rows: {1e3 * a:.1f} ms, Python {1e3 * b:.1f} ms, ratio {a / b:.2f} (at most {bound})")
sys.exit(failed)
