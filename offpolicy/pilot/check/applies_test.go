package check

import (
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// TestWhatDoesNotApply: a question that does not arise in a run says so, and keeps
// nothing from GO.
func TestWhatDoesNotApply(t *testing.T) {
	targets := []string{"weights.identical", "weights.mean_one", "weights.overlap", "weights.balance", "policies.ranking",
		"projection.ess"}
	tests := []struct {
		name   string
		alter  func(*healthy.Run)
		want   []string // ids that do not apply
		reason string
	}{
		{"the plan's policies", func(*healthy.Run) {}, nil, "every question arises"},
		{"P0 and its clone", func(r *healthy.Run) { keep(r, 2) }, targets, "nothing differs from P0"},
		{"P0 alone", func(r *healthy.Run) { keep(r, 1) },
			append([]string{"targets.complete", "targets.diversity", "weights.clone"}, targets...),
			"there is nothing beside P0"},
		{"no clone", func(r *healthy.Run) { r.Arms = slices.Delete(r.Arms, 1, 2); prune(r) }, []string{"weights.clone"},
			"only the clone's own check needs it"},
		{"greedy P0 and its clone", func(r *healthy.Run) {
			keep(r, 2)
			for i := range r.Arms {
				r.Arms[i].Policy.Sampling.Temperature = 0
			}
		}, append([]string{"targets.diversity"}, targets...), "they should answer in the same words"},
		{"free models", func(r *healthy.Run) { free(r) }, []string{"projection.cost"}, "there is no money to project"},
	}
	for _, tt := range tests {
		r := healthy.New(40, 1)
		tt.alter(r)
		found := findings(r.Evaluated(), nil)
		var got []string
		for _, f := range found {
			if f.Status == record.NotApplicable {
				got = append(got, f.ID)
				if f.Remedy != "" || f.Summary == "" {
					t.Errorf("%s: %s has the remedy %q and the summary %q", tt.name, f.ID, f.Remedy, f.Summary)
				}
			}
			if strings.Contains(f.Summary, "NaN") {
				t.Errorf("%s: %s: %s", tt.name, f.ID, f.Summary)
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q do not apply, want %q (%s)", tt.name, got, tt.want, tt.reason)
		}
		if d, why := record.Decide(found); d != record.GO && tt.name != "greedy P0 and its clone" {
			t.Errorf("%s: %s: %q", tt.name, d, why)
		}
	}
}

// TestFreeRunThatCosts: a bill for models that were to cost nothing is found.
func TestFreeRunThatCosts(t *testing.T) {
	r := healthy.New(30, 1)
	free(r)
	r.Ledger[3].Cost = 0.01
	if f := statuses(findings(r.Evaluated(), nil))["cost.estimate"]; f != record.Fail {
		t.Errorf("$0 was expected and $0.01 spent: %s", f)
	}
}

// keep leaves the first n policies of the plan.
func keep(r *healthy.Run, n int) {
	r.Arms = r.Arms[:n]
	prune(r)
}

// prune leaves the records of the policies that are left.
func prune(r *healthy.Run) {
	gone := func(policy string) bool {
		return !slices.ContainsFunc(r.Arms, func(a record.Arm) bool { return a.Policy.Name == policy })
	}
	before := len(r.Ledger)
	r.Responses = slices.DeleteFunc(r.Responses, func(x dataset.Response) bool { return gone(x.Policy) })
	r.LogProbs = slices.DeleteFunc(r.LogProbs, func(x dataset.LogProb) bool { return gone(x.Policy) })
	r.Scores = slices.DeleteFunc(r.Scores, func(x dataset.JudgeScore) bool { return gone(x.Policy) })
	r.Canaries = slices.DeleteFunc(r.Canaries, func(x dataset.Canary) bool { return gone(x.Policy) })
	r.CanariesOwed = slices.DeleteFunc(r.CanariesOwed, func(k dataset.Key) bool { return gone(k.Policy) })
	r.Ledger = slices.DeleteFunc(r.Ledger, func(x providers.Entry) bool { return gone(x.Policy) })
	r.Cost.ExpectedUSD *= float64(len(r.Ledger)) / float64(before)
}

// free makes all models cost nothing.
func free(r *healthy.Run) {
	r.Cost = record.CostEstimate{Calls: len(r.Ledger)}
	for i := range r.Ledger {
		r.Ledger[i].Cost = 0
	}
}
