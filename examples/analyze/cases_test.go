package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/offpolicy"
)

// Files of the kinds that people report, and what is right for each. What is not
// refused has a value near the mean of all labels for the logging policy, every value
// within its own interval, and every comparison's p in agreement with its interval.
func TestCasesFromTheField(t *testing.T) {
	const (
		ok      = ""        // answers for both policies
		target  = "target"  // the target alone is refused, with the words
		all     = "all"     // both are
		failure = "failure" // the file is refused, in one sentence with the words
	)
	cases := []struct{ file, want, words, reason string }{
		{"ok", ok, "", "80 labeled rows, all of them good"},
		{"n0", failure, "no logged response", "nothing is there"},
		{"n1", all, "of 1 prompts", "one row carries nothing"},
		{"n2", all, "of 2 prompts", "nor do two"},
		{"n3", all, "of 3 prompts", "nor three"},
		{"n5", all, "of 5 prompts", "nor five"},
		{"one", all, "of 1 prompts", "one row"},
		{"n12", all, "of 12 prompts", "twelve prompts are too few"},
		{"n12_x3", all, "of 12 prompts", "three copies of a row are one prompt"},
		{"clusters_5x16", all, "of 5 prompts", "five prompts, however many rows"},
		{"one_x40", all, "of 1 prompts", "one prompt"},
		{"clusters_40x2", ok, "", "forty prompts are enough, and are what counts"},
		{"doubled", ok, "", "the same prompts twice: no narrower than once"},
		{"dup_one", ok, "", "one row twice is one prompt"},
		{"identical", ok, "", "the difference is exactly 0"},
		{"const_ratio", target, "mean weight 0.368", "weights that do not average 1"},
		{"ratio_710", target, "beyond chance", "a weight beyond a float64"},
		{"ratio_all_800", target, "beyond chance", "all of them"},
		{"ratio_all_neg800", target, "mean weight 0.000", "no overlap"},
		{"huge_base", target, "beyond chance", "a log-prob of -1e308"},
		{"huge_target", target, "divergence about 1.25e+306", "the same of the target, in few digits"},
		{"minus_zero", target, "one prompt carries", "-0 is a probability of 1, and flagged"},
		{"base_zero", ok, "", "an exact 0 of a response that is not empty is flagged"},
		{"pos_target", failure, "pos_target.jsonl:4", "a positive log-prob"},
		{"pos_target_1e-7", failure, "pos_target_1e-7.jsonl:4", "however small"},
		{"neginf_base", failure, "neginf_base.jsonl:4", "Python's -Infinity is no JSON"},
		{"neginf_target", failure, "neginf_target.jsonl:4", "the same"},
		{"nan_target", failure, "nan_target.jsonl:4", "nor is NaN"},
		{"null_base", ok, "", "one row without a weight: it is modelled"},
		{"missing_long", target, "93 of 200",
			"nearly half lack the target's log-prob, for a reason: no value, and no difference"},
		{"half_missing_by_length", target, "differ in log-prob under base", "more than half, the long ones"},
		{"label_mnar_top", all, "differ in score", "labels on the upper part of the scores alone"},
		{"label_first_half", all, "differ in length", "labels on the first half of a file that is sorted"},
		{"label_all_one", ok, "", "80 of 80"},
		{"label_all_equal", ok, "", "all labels .5"},
		{"label_rare", ok, "", "1 of 80"},
		{"label_1+eps", failure, "label_1+eps.jsonl:4", "a label above 1, however little"},
		{"label_1.2", failure, "label_1.2.jsonl:4", "a label above 1"},
		{"label_neg", failure, "label_neg.jsonl:4", "a label below 0"},
		{"label_100", failure, "label_100.jsonl:1", "labels on another scale"},
		{"label_likert", failure, "label_likert.jsonl:1", "labels on another scale"},
		{"label_bool", failure, `field "oracle_label"`, "a label that is no number"},
		{"label_str", failure, `field "oracle_label"`, "a label that is text"},
		{"no_label", all, "no label has a weight", "nothing to estimate from"},
		{"one_label", all, "labels count for", "one label"},
		{"judge_100", failure, "judge_100.jsonl:1", "scores on another scale"},
		{"judge_dict", failure, `field "judge_score"`, "a score that is an object"},
		{"judge_str", failure, `field "judge_score"`, "a score that is text"},
		{"judge_nan", failure, "judge_nan.jsonl:4", "NaN is no JSON"},
		{"judge_null", ok, "", "one response without a score: its label counts all the same"},
		{"judge_const", ok, "", "a judge that says nothing"},
		{"judge_reversed", ok, "", "a judge that says the opposite: labels decide"},
		{"incl_half", ok, "", "100 labels of 200 at p = .5"},
		{"incl_0", failure, "incl_0.jsonl:4", "p = 0"},
		{"incl_1.5", failure, "incl_1.5.jsonl:4", "p above 1"},
		{"incl_neg", failure, "incl_neg.jsonl:4", "p below 0"},
		{"no_id", ok, "", "an id is made of the prompt's text, and that is said"},
		{"num_id", ok, "", "a number is an id by its digits"},
		{"no_targets", ok, "", "the logging policy alone"},
		{"empty_targets", ok, "", "the same"},
		{"target_empty_name", failure, "without a name", "a policy needs a name"},
		{"target_list", failure, `field "target_policy_logprobs"`, "a list where names should be"},
		{"target_named_base", failure, "the name of the logging policy", "the name is taken"},
		{"target_odd_name", ok, "", "any other name is good"},
	}
	goTypes := regexp.MustCompile(`Go struct|\bfloat64\b|map\[|dataset\.Float|\d{25}`)
	for _, tt := range cases {
		t.Run(tt.file, func(t *testing.T) {
			path := shareddata.File(t, "cases/stats/"+tt.file+".jsonl")
			var out, errs bytes.Buffer
			code := run([]string{"-logged", path, "-json"}, &out, &errs)
			if goTypes.Match(errs.Bytes()) ||
				goTypes.MatchString(regexp.MustCompile(`-?\d+\.\d+`).ReplaceAllString(out.String(), "")) {
				t.Errorf("Go types or endless digits: %s %.300s", errs.String(), out.String())
			}
			if tt.want == failure {
				if code != exitFail || !strings.Contains(errs.String(), tt.words) || strings.Count(errs.String(), "\n") != 1 {
					t.Errorf("%s: exit %d, %q, want one sentence with %q", tt.reason, code, errs.String(), tt.words)
				}
				return
			}
			if code != exitOK {
				t.Fatalf("%s: exit %d: %s", tt.reason, code, errs.String())
			}
			var d offpolicy.Document
			if err := json.Unmarshal(out.Bytes(), &d); err != nil {
				t.Fatal(err)
			}
			for name, p := range d.Policies {
				refused := tt.want == all || tt.want == target && name != d.Logging
				if (p.Answer.Estimator == "") != refused {
					t.Errorf("%s: %s answers by %q: %s", tt.reason, name, p.Answer.Estimator, p.Answer.Reason)
				}
				if reasons := strings.Join(append(p.Estimators["dr"].Reasons, p.Weights.Refusals...),
					"; "); refused && !strings.Contains(reasons, tt.words) {
					t.Errorf("%s: %s is refused for %q, want %q", tt.reason, name, reasons, tt.words)
				}
				for id, e := range p.Estimators {
					if v, lo, hi := e.Value.OrNaN(), e.CI[0].OrNaN(), e.CI[1].OrNaN(); v < lo || v > hi {
						t.Errorf("%s of %s: %v is outside of its interval [%v, %v]", id, name, v, lo, hi)
					}
				}
			}
			for _, c := range d.Comparisons {
				if lo, hi, p := c.CI[0].OrNaN(), c.CI[1].OrNaN(), c.P.OrNaN(); len(c.Reasons) == 0 && (lo <= 0 &&
					hi >= 0) != (p >= .05) {
					t.Errorf("%s - %s: [%v, %v] and p %v disagree", c.A, c.B, lo, hi, p)
				}
			}
		})
	}
	field := func(t *testing.T, file string) *offpolicy.Document {
		t.Helper()
		var out bytes.Buffer
		if code := run([]string{"-logged", shareddata.File(t, "cases/stats/"+file), "-json"}, &out,
			io.Discard); code != exitOK {
			t.Fatalf("exit %d", code)
		}
		var d offpolicy.Document
		if err := json.Unmarshal(out.Bytes(), &d); err != nil {
			t.Fatal(err)
		}
		return &d
	}
	t.Run("intervals", func(t *testing.T) {
		// 80 of 80: Clopper and Pearson's lower limit is .025^(1/80).
		one := field(t, "label_all_one.jsonl").Policies["base"].Answer
		if one.Value.OrNaN() != 1 || one.CI[1].OrNaN() != 1 || math.Abs(one.CI[0].OrNaN()-math.Pow(.025, 1./80)) > 1e-12 {
			t.Errorf("80 of 80: %v in %v", one.Value, one.CI)
		}
		// 1 of 80: Wilson's at z is [.0022, .0675].
		rare := field(t, "label_rare.jsonl").Policies["base"].Answer
		if lo, hi := rare.CI[0].OrNaN(), rare.CI[1].OrNaN(); math.Abs(rare.Value.OrNaN()-.0125) > 1e-9 || !(lo > 0 &&
			lo < .003) || !(hi > .06 && hi < .08) {
			t.Errorf("1 of 80: %v in %v", rare.Value, rare.CI)
		}
		whole, doubled := field(t, "ok.jsonl").Policies["base"].Answer.CI, field(t,
			"doubled.jsonl").Policies["base"].Answer.CI
		if a, b := whole[1].OrNaN()-whole[0].OrNaN(), doubled[1].OrNaN()-doubled[0].OrNaN(); math.Abs(a-b) > .02*a {
			t.Errorf("every row twice: width %v, once %v", b, a)
		}
	})
	t.Run("flags", func(t *testing.T) {
		for file, words := range map[string]string{
			"base_zero.jsonl": "exactly 0", "minus_zero.jsonl": "exactly 0", "no_id.jsonl": "state no prompt_id",
			"null_base.jsonl":  "are modelled",
			"label_rare.jsonl": "taken for a random draw",
		} {
			if d := field(t, file); !slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, words) }) {
				t.Errorf("%s: no note says %q: %q", file, words, d.Notes)
			}
		}
	})
}
