"""Intervals for looks at any time beside vw-estimators' confidence sequence, in one run.

    python3 -m venv venv && venv/bin/pip install vw-estimators==0.2.2
    venv/bin/python offpolicy/testdata/anytime.py [RUNS]

Both see the same weights and rewards of growing runs, every row labeled, at the same twenty looks. The peer's level
is raised until it misses as often as this package, at least, and the widths at the last look are compared then. It
fails if this package's interval is the wider one, or misses at some look in more than 5% of runs.
"""

import json
import math
import subprocess
import sys

from estimators.bandits import cs

runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
lines = subprocess.run(
    ["go", "run", "./internal/trials", "-part", "peer", "-reps", str(runs)],
    check=True, capture_output=True, text=True,
).stdout.splitlines()
levels = [0.05, 0.2, 0.5, 0.8, 0.95]
missed, width = 0, 0.0
peer_missed, peer_width = dict.fromkeys(levels, 0), dict.fromkeys(levels, 0.0)
for line in lines:
    run = json.loads(line)
    missed += any(not l["lower"] <= run["truth"] <= l["upper"] for l in run["looks"])
    width += run["looks"][-1]["upper"] - run["looks"][-1]["lower"]
    at = {l["prompts"] for l in run["looks"]}
    interval, miss = cs.Interval(), set()
    for i, (p_log, reward, p_pred) in enumerate(run["rows"], 1):
        interval.add_example(p_log, reward, p_pred)
        if i in at:
            for level in levels:
                lower, upper = interval.get(level)
                if not lower <= run["truth"] <= upper:
                    miss.add(level)
                if i == len(run["rows"]):
                    peer_width[level] += upper - lower
    for level in miss:
        peer_missed[level] += 1
print(f"{runs} runs: misses at some look in {100 * missed / runs:.1f}%, width at the end {width / runs:.4f}")
for level in levels:
    print(f"vw-estimators at {level}: {100 * peer_missed[level] / runs:.1f}%, {peer_width[level] / runs:.4f}")
same = [l for l in levels if peer_missed[l] >= missed] or levels[-1:]
allowed = 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)
sys.exit(missed / runs > allowed or width > peer_width[same[0]])
