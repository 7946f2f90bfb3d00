"""Compares examples/analyze with the Python reference on the same rows.

    python3 -m venv venv && venv/bin/pip install cje-eval==0.3.0
    ./analyze -run DIR -estimators cje_snips,cje_calibrated_ips,cje_dr_cpo,cje_tmle -json > analysis.json
    venv/bin/python internal/cje/testdata/compare.py DIR/samples.jsonl DIR/fresh_draws analysis.json

It prints the largest difference of value and standard error for each estimator,
and fails where one exceeds 1e-9. Under -cje-mode two_stage only cje_snips may fail:
there the reference's prediction of a score depends on how many scores it predicts
in one call (the last bit of the spline's value decides the rank of a tie), and the
doubly robust estimators predict in calls of all sizes. The environment belongs
outside of the checkout.
"""

import json
import logging
import math
import sys
import warnings
from importlib.metadata import version

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")

from cje import load_dataset_from_jsonl  # noqa: E402
from cje.calibration.dataset import calibrate_dataset  # noqa: E402
from cje.data.fresh_draws import load_fresh_draws_auto  # noqa: E402
from cje.data.precomputed_sampler import PrecomputedSampler  # noqa: E402
from cje.interface.factory import create_estimator  # noqa: E402

ESTIMATORS = {
    "cje_snips": "raw-ips",
    "cje_calibrated_ips": "calibrated-ips",
    "cje_dr_cpo": "dr-cpo",
    "cje_tmle": "tmle",
}
TOLERANCE = 1e-9


def main(logged, fresh, analysis):
    ours = json.load(open(analysis))
    calibrated, result = calibrate_dataset(
        load_dataset_from_jsonl(logged),
        enable_cross_fit=True,
        n_folds=5,
        calibration_mode=ours["cje_mode"],
    )
    sampler = PrecomputedSampler(calibrated)
    print(f"cje-eval {version('cje-eval')}, mode {ours['cje_mode']}, {len(sampler)} rows")
    failed = False
    for ours_id, theirs_id in ESTIMATORS.items():
        estimator = create_estimator(theirs_id, sampler, {}, result, False)
        if theirs_id in ("dr-cpo", "tmle"):
            for policy in sampler.target_policies:
                estimator.add_fresh_draws(policy, load_fresh_draws_auto(fresh, policy))
        estimates = estimator.fit_and_estimate()
        worst, compared, refused = 0.0, 0, 0
        for i, policy in enumerate(sampler.target_policies):
            x = ours["policies"][policy]["estimators"].get(ours_id)
            if x is None:
                sys.exit(f"{analysis} lacks {ours_id} of {policy}: ask for it by name")
            if x["value"] is None:
                refused += 1
                continue
            compared += 1
            for got, want in ((x["value"], estimates.estimates[i]), (x["se"], estimates.standard_errors[i])):
                worst = max(worst, abs(got - want) if not math.isnan(want) else math.inf)
        judged = ours["cje_mode"] == "monotone" or ours_id == "cje_snips"
        bad = judged and (worst > TOLERANCE or compared == 0)
        failed = failed or bad
        print(f"{ours_id:20} {compared} policies, {refused} without a number, largest difference {worst:.2g}{'  FAIL' if bad else ''}")
    sys.exit(failed)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
