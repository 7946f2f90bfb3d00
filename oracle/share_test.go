package oracle

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/offpolicy"
)

func TestShare(t *testing.T) {
	hundred := map[string]int{"p0": 100, "a": 100, "b": 100, "c": 100}
	pilot := func(sd float64, labels int) offpolicy.Planning {
		return offpolicy.Planning{ResidualSD: sd, Labels: labels}
	}
	for _, c := range []struct {
		budget    int
		responses map[string]int
		pilots    map[string]offpolicy.Planning
		want      map[string]int
		reason    string
	}{
		{100, hundred, nil, map[string]int{"p0": 25, "a": 25, "b": 25, "c": 25}, "the least of each"},
		{200, hundred, nil, map[string]int{"p0": 50, "a": 50, "b": 50, "c": 50}, "all alike"},
		{20, hundred, nil, map[string]int{"p0": 20}, "no calibration yet: nothing for others"},
		{60, hundred, nil, map[string]int{"p0": 25, "a": 18, "b": 17}, "two targets have their least, three would not"},
		{38, hundred, nil, map[string]int{"p0": 38}, "no target can have its least: the rest is of use to all"},
		{90, hundred, nil, map[string]int{"p0": 25, "a": 22, "b": 22, "c": 21}, "all three have at least 15"},
		{40, map[string]int{"p0": 10, "a": 10, "b": 10, "c": 10}, nil, map[string]int{"p0": 10, "a": 10, "b": 10, "c": 10},
			"all that there are"},
		{50, map[string]int{"p0": 100, "a": 5, "b": 10, "c": 100}, nil, map[string]int{"p0": 25, "b": 10, "c": 15},
			"c can be answered, a and b cannot"},
		{140, map[string]int{"p0": 100, "a": 100, "b": 10}, nil, map[string]int{"p0": 65, "a": 65, "b": 10},
			"b has no more"},
		{900, hundred, nil, hundred, "there are no more"},
		{175, hundred, map[string]offpolicy.Planning{"p0": pilot(.1, 0), "a": pilot(.2, 0), "b": pilot(.1, 0),
			"c": pilot(.1, 0)}, map[string]int{"p0": 25, "a": 100, "b": 25, "c": 25}, "four times the variance, as stated"},
		{200, hundred, map[string]offpolicy.Planning{"p0": pilot(.11, 25), "a": pilot(.13, 25), "b": pilot(.1, 25),
			"c": pilot(.12, 25)}, map[string]int{"p0": 50, "a": 50, "b": 50, "c": 50},
			"25 labels differ as much by themselves"},
	} {
		if diff := cmp.Diff(c.want, Share(c.budget, "p0", c.responses, c.pilots)); diff != "" {
			t.Errorf("%d labels, %s (-want +got):\n%s", c.budget, c.reason, diff)
		}
	}
}

// A larger budget takes labels of no policy, but at the three that are the first to be enough
// for one target more.
func TestSharesGrow(t *testing.T) {
	responses := map[string]int{"p0": 60, "a": 60, "b": 60, "c": 60}
	before := map[string]int{}
	for budget := range 250 {
		now := Share(budget, "p0", responses, nil)
		sum := 0
		for policy, n := range now {
			if sum += n; n < before[policy] && !slices.Contains([]int{25 + 15, 25 + 2*15, 25 + 3*15}, budget) {
				t.Errorf("of %d labels %s has %d, of one less %d", budget, policy, n, before[policy])
			}
		}
		if sum != min(budget, 240) {
			t.Errorf("%d of %d labels are shared out", sum, budget)
		}
		before = now
	}
}
