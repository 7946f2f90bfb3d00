#!/usr/bin/env python3
"""Reads an exported run with cje-eval and compares it field by field.

    python3 -m venv VENV && VENV/bin/pip install cje-eval==0.9.3
    go run ./examples/sample1pct -out RUN
    VENV/bin/python .ci/cje_read.py RUN

What CJE's own loaders make of samples.jsonl and fresh_draws/ must be what the
files say, read here with nothing but the json module. Of samples without a judge
score, which CJE does not take, exactly those must be dropped; no fresh draw may be.
Prints what was compared; exits 1 at the first difference.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from cje.data.fresh_draws import discover_policies_from_fresh_draws, load_fresh_draws_auto
from cje.data.loaders import DatasetLoader


def rows(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def same(where, field, want, got):
    if want != got:
        sys.exit(f"{where}: {field} is {want!r} in the file and {got!r} in cje-eval")


def samples(run):
    want = {r["prompt_id"]: r for r in rows(run / "samples.jsonl")}
    scored = {k: r for k, r in want.items() if r["judge_score"] is not None}
    data = DatasetLoader(on_invalid="drop").load_from_jsonl(str(run / "samples.jsonl"))
    same("samples.jsonl", "the prompts with a score", sorted(scored), sorted(s.prompt_id for s in data.samples))
    same("samples.jsonl", "the number dropped", len(want) - len(scored), data.metadata["n_invalid_dropped"])
    for s in data.samples:
        r = scored[s.prompt_id]
        for field in ("prompt", "response", "judge_score", "oracle_label"):
            same(f"samples.jsonl: {s.prompt_id}", field, r[field], getattr(s, field))
        # What CJE has no field for it keeps in the metadata.
        for field in ("base_policy_logprob", "target_policy_logprobs", "inclusion_prob"):
            same(f"samples.jsonl: {s.prompt_id}", field, r[field], s.metadata.get(field))
        for field, value in r["metadata"].items():
            got = s.source_id if field == "source_id" else s.metadata.get(field)  # it has a field of that name
            same(f"samples.jsonl: {s.prompt_id}", f"metadata {field}", value, got)
    return len(data.samples), len(want) - len(scored)


def draws(run):
    folder = run / "fresh_draws"
    policies = discover_policies_from_fresh_draws(folder)
    files = sorted(p.name.removesuffix("_responses.jsonl") for p in folder.glob("*.jsonl"))
    same("fresh_draws", "the policies", files, sorted(policies))
    n = 0
    for policy in policies:
        want = {(r["prompt_id"], r["draw_idx"]): r for r in rows(folder / f"{policy}_responses.jsonl")}
        data = load_fresh_draws_auto(folder, policy)
        same(policy, "the draws", sorted(want), sorted((s.prompt_id, s.draw_idx) for s in data.samples))
        for s in data.samples:
            r = want[s.prompt_id, s.draw_idx]
            for field in ("response", "judge_score", "oracle_label"):
                same(f"{policy}: {s.prompt_id}", field, r[field], getattr(s, field))
            same(f"{policy}: {s.prompt_id}", "policy", policy, s.target_policy)
            n += 1
    unscored = sum(len(rows(p)) for p in (folder / "unscored").glob("*.jsonl"))
    return policies, n, unscored


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    run = Path(sys.argv[1])
    n, dropped = samples(run)
    policies, m, unscored = draws(run)
    print(f"cje-eval {version('cje-eval')}: {n} samples read, {dropped} without a score left out; "
          f"{m} fresh draws of {len(policies)} policies read, "
          f"{unscored} without a score kept from it; all fields equal")


if __name__ == "__main__":
    main()
