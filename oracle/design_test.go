package oracle

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// scored gives responses scores that leave some ranges nearly empty, and some
// responses none.
func scored(keys []dataset.Key) map[dataset.Key]float64 {
	out := map[dataset.Key]float64{}
	for i, k := range keys {
		s := .5 + .4*math.Sin(float64(i*i))
		switch {
		case i%17 == 0:
			s = .05
		case i%13 == 0:
			s = math.NaN()
		}
		out[k] = s
	}
	return out
}

// Over 2,000 seeds of each design every response is labeled as often as its
// stated probability says, and the mean weighted by 1/p is unbiased: within 4.5
// standard errors. What was topped up is a design like any other.
func TestInclusionIsAsStated(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not, and takes long where every access is watched")
	}
	const draws = 800
	all := keys(40, "p0", "pi")
	scores := scored(all)
	value := func(k dataset.Key) float64 { // correlated with the score, as labels are
		s := scores[k]
		if math.IsNaN(s) {
			s = 0
		}
		return .1 + .7*s + .01*float64(len(k.PromptID))
	}
	later := keys(60, "p0", "pi")[len(all):]
	designs := []struct {
		name string
		draw func(seed uint64) []Assignment
		keys []dataset.Key
	}{
		{"simple random", func(seed uint64) []Assignment {
			return Design{Seed: seed, Fraction: .3, Probes: 7}.Assign(all, "p0")
		}, all},
		{"stratified", func(seed uint64) []Assignment {
			return Design{Seed: seed, Fraction: .3, Probes: 7, Strata: 5}.AssignByScore(scores, "p0")
		}, all},
		{"fewer labels than strata", func(seed uint64) []Assignment {
			return Design{Seed: seed, Fraction: .05, Probes: 3, Strata: 10}.AssignByScore(scores, "p0")
		}, all},
		{"topped up to more labels", func(seed uint64) []Assignment {
			before := Design{Seed: seed, Fraction: .2, Probes: 6, Strata: 5}.AssignByScore(scores, "p0")
			after := Design{Seed: seed, Fraction: .6, Probes: 9, Strata: 5}.AssignByScore(scores, "p0")
			return kept(t, before, after)
		}, all},
		{"topped up to more responses", func(seed uint64) []Assignment {
			d := Design{Seed: seed, Fraction: .25, Probes: 5}
			return append(d.Assign(all, "p0"), d.Assign(later, "p0")...)
		}, append(slices.Clone(all), later...)},
		{"duplicates", func(seed uint64) []Assignment {
			out := Design{Seed: seed, Fraction: .5, Duplicates: 8, Strata: 3}.AssignByScore(scores, "p0")
			return slices.DeleteFunc(out, func(a Assignment) bool { return a.Role != RoleDuplicate })
		}, keys(40, "p0")},
	}
	for _, d := range designs {
		hits, stated := map[dataset.Key]int{}, map[dataset.Key]float64{}
		sums, squares, truth := map[string]float64{}, map[string]float64{}, map[string]float64{}
		n := map[string]float64{}
		for _, k := range d.keys {
			truth[k.Policy] += value(k)
			n[k.Policy]++
		}
		for seed := range uint64(draws) {
			total := map[string]float64{}
			for _, a := range d.draw(seed) {
				if p, ok := stated[a.Key]; ok && p != a.InclusionProb.OrNaN() {
					t.Fatalf("%s: the probability of %s is %v, then %v", d.name, a.Key, p, a.InclusionProb.OrNaN())
				}
				stated[a.Key] = a.InclusionProb.OrNaN()
				hits[a.Key]++
				total[a.Key.Policy] += value(a.Key) / a.InclusionProb.OrNaN()
			}
			for policy, sum := range total {
				sums[policy] += sum / n[policy]
				squares[policy] += sum / n[policy] * sum / n[policy]
			}
		}
		for _, k := range d.keys {
			p := stated[k]
			if d.name == "duplicates" && p == 0 {
				continue // a stratum may have none
			}
			rate := float64(hits[k]) / draws
			if se := math.Sqrt(p * (1 - p) / draws); p == 0 || math.Abs(rate-p) > 4.5*se {
				t.Errorf("%s: %s was drawn in %.4f of the designs, stated is %.4f", d.name, k, rate, p)
			}
		}
		if d.name == "duplicates" {
			continue // they are no sample of all responses
		}
		for policy := range truth {
			mean := sums[policy] / draws
			se := math.Sqrt(max(squares[policy]/draws-mean*mean, 0) / draws)
			if want := truth[policy] / n[policy]; math.Abs(mean-want) > 4.5*se+1e-12 {
				t.Errorf("%s: the weighted mean of %s is %.5f on average, %.5f (SE %.5f) is right", d.name, policy, mean, want, se)
			}
		}
	}
}

// kept checks that a topped up draw holds all that it had, and returns it.
func kept(t *testing.T, before, after []Assignment) []Assignment {
	t.Helper()
	have := map[dataset.Key]bool{}
	for _, a := range after {
		have[a.Key] = true
	}
	for _, a := range before {
		if !have[a.Key] {
			t.Fatalf("topping up lost %s", a.Key)
		}
	}
	return after
}

func TestStrata(t *testing.T) {
	scores := map[dataset.Key]float64{}
	add := func(n int, s float64) {
		for range n {
			scores[dataset.Key{PromptID: fmt.Sprint(len(scores)), Policy: "p0"}] = s
		}
	}
	add(80, .9)
	add(15, .6)
	add(3, .1)
	add(2, math.NaN())
	tests := []struct {
		labels int
		want   map[float64]int // labels by score, NaN as -1
		reason string
	}{
		{20, map[float64]int{.9: 7, .6: 8, .1: 3, -1: 2},
			"equal shares, and what the small strata cannot take goes to the others"},
		{40, map[float64]int{.9: 20, .6: 15, .1: 3, -1: 2}, "then those have all they can"},
		{100, map[float64]int{.9: 80, .6: 15, .1: 3, -1: 2}, "and in the end all"},
		{4, map[float64]int{.9: 1, .6: 1, .1: 1, -1: 1}, "one each"},
	}
	for _, tt := range tests {
		got := map[float64]int{}
		for _, a := range (Design{Seed: 3, Fraction: float64(tt.labels) / 100, Strata: 4}).AssignByScore(scores, "p0") {
			s := scores[a.Key]
			if math.IsNaN(s) {
				s = -1
			}
			got[s]++
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%d labels: %s (-want +got):\n%s", tt.labels, tt.reason, diff)
		}
	}
	names := map[string]float64{} // of strata, and their probability
	for _, a := range (Design{Seed: 3, Fraction: .2, Strata: 4}).AssignByScore(scores, "p0") {
		names[a.Stratum] = a.InclusionProb.OrNaN()
	}
	if diff := cmp.Diff(map[string]float64{"[0,0.25)": 1, "[0.5,0.75)": 8. / 15, "[0.75,1]": 7. / 80, unscored: 1},
		names); diff != "" {
		t.Errorf("strata (-want +got):\n%s", diff)
	}
	for _, a := range (Design{Seed: 3, Fraction: .01, Strata: 4}).AssignByScore(scores, "p0") {
		if a.Stratum != "" || a.InclusionProb.OrNaN() != .01 {
			t.Errorf("one label has one stratum, of all: %+v", a)
		}
	}
	mustPanic(t, func() { Design{Strata: 2}.Assign(keys(3, "p0"), "p0") })
	mustPanic(t, func() {
		Design{Strata: 2}.AssignByScore(map[dataset.Key]float64{{PromptID: "a", Policy: "p0"}: 85}, "p0")
	})
}

// A larger design holds all of a smaller one, role by role, with as many labels as
// strata or more.
func TestDesignsAreNested(t *testing.T) {
	scores := scored(keys(60, "p0", "pi"))
	for seed := range uint64(20) {
		for strata := range 7 {
			var before []Assignment
			for m := 8; m <= 60; m += 4 {
				d := Design{Seed: seed, Fraction: float64(m) / 60, Probes: m, Duplicates: m / 2, Strata: strata}
				after := d.AssignByScore(scores, "p0")
				have := map[string]bool{}
				for _, a := range after {
					have[a.Key.String()+a.Role] = true
				}
				for _, a := range before {
					if !have[a.Key.String()+a.Role] {
						t.Fatalf("seed %d, %d strata: %d labels hold no %s %s", seed, strata, m, a.Role, a.Key)
					}
				}
				before = after
			}
		}
	}
}

func TestDuplicates(t *testing.T) {
	out := Design{Seed: 1, Fraction: .5, Probes: 3, Duplicates: 4}.Assign(keys(20, "p0", "pi"), "p0")
	roles := map[string]int{}
	calibration := map[dataset.Key]bool{}
	for i, a := range out {
		roles[a.Role]++
		switch a.Role {
		case RoleCalibration:
			calibration[a.Key] = true
		case RoleDuplicate:
			if !calibration[a.Key] || out[i-1].Key != a.Key || a.InclusionProb.OrNaN() != .2 {
				t.Errorf("duplicate %+v: want it after its original, with 4 of 20", a)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{RoleCalibration: 10, RoleProbe: 3, RoleDuplicate: 4}, roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}

// Over all orders of six responses, of which one has no label: on average 1/p counts each of
// the others once.
func TestReplacementsAreUnbiased(t *testing.T) {
	const n, bad = 6, 1
	for m := 2; m < n-bad; m++ {
		counted, orders := [n]float64{}, 0.0
		var permute func(order []int, used int)
		permute = func(order []int, used int) {
			if len(order) < n {
				for i := range n {
					if used&(1<<i) == 0 {
						permute(append(order, i), used|1<<i)
					}
				}
				return
			}
			orders++
			pool, failed := make([]dataset.Key, n), map[dataset.Key]bool{}
			for at, i := range order {
				pool[at] = dataset.Key{PromptID: fmt.Sprint(i)}
				failed[pool[at]] = i < bad
			}
			for _, a := range draw([]stratum{{"", pool}}, m, RoleProbe, failed) {
				if !failed[a.Key] {
					counted[int(a.Key.PromptID[0]-'0')] += 1 / a.InclusionProb.OrNaN()
				}
			}
		}
		permute(nil, 0)
		for i := bad; i < n; i++ {
			if got := counted[i] / orders; math.Abs(got-1) > 1e-12 {
				t.Errorf("%d labels: response %d counts %v times, want once", m, i, got)
			}
		}
	}
}

// What failed gives way to the next of the same draw, and is still in the list.
func TestAssignAround(t *testing.T) {
	all := keys(40, "p0", "pi")
	d := Design{Seed: 3, Shares: map[string]int{"p0": 10, "pi": 5}}
	first := d.Assign(all, "p0")
	failed := map[dataset.Key]bool{}
	for _, a := range first {
		if a.Key.Policy == "p0" && len(failed) < 2 {
			failed[a.Key] = true
		}
	}
	around := d.AssignAround(all, "p0", failed)
	if len(first) != 15 || len(around) != 17 {
		t.Fatalf("%d drawn, %d around two that fail: want 15 and 17", len(first), len(around))
	}
	have := map[dataset.Key]float64{}
	for _, a := range around {
		have[a.Key] = a.InclusionProb.OrNaN()
	}
	for _, a := range first {
		if p, ok := have[a.Key]; !ok || a.Key.Policy == "p0" && math.Abs(p-10.*11/(9*40)) > 1e-12 ||
			a.Key.Policy == "pi" && p != 5./40 {
			t.Errorf("%s has the probability %v", a.Key, p)
		}
	}
	for _, k := range all {
		failed[k] = true
	}
	if got := d.AssignAround(all, "p0", failed); len(got) != len(all) || got[0].InclusionProb.OrNaN() != 1 {
		t.Errorf("%d of %d responses that all fail were tried, with probability %v", len(got), len(all),
			got[0].InclusionProb)
	}
}

// What has no label has no second one either: it would be owed forever.
func TestNoDuplicateOfWhatFailed(t *testing.T) {
	all, failed := keys(40, "p0"), map[dataset.Key]bool{}
	d := Design{Seed: 3, Shares: map[string]int{"p0": 20}, Duplicates: 20}
	for _, a := range d.Assign(all, "p0") {
		failed[a.Key] = failed[a.Key] || len(failed) < 3
	}
	roles := map[string]int{}
	for _, a := range d.AssignAround(all, "p0", failed) {
		if roles[a.Role]++; a.Role == RoleDuplicate && failed[a.Key] {
			t.Errorf("%s failed and is to be labeled twice", a.Key)
		}
	}
	if roles[RoleCalibration] != 23 || roles[RoleDuplicate] != 20 {
		t.Errorf("%v, want 20 labels around 3 that failed, all of them twice", roles)
	}
}
