package worlds

import (
	"math"
	"reflect"
	"testing"
)

func TestWeightsAverageOneWithinPrompts(t *testing.T) {
	seen := map[*population]bool{}
	for _, w := range all() {
		if seen[w.pop] {
			continue
		}
		seen[w.pop] = true
		k := w.pop.spec.k
		for target := range w.pop.probs {
			for x := range populationSize {
				p0, total, mean := 0.0, 0.0, 0.0
				for i := x * k; i < (x+1)*k; i++ {
					q0, q := w.pop.probs[0][i], w.pop.probs[target][i]
					p0, total, mean = p0+q0, total+q, mean+q0*(q/q0)
				}
				if math.Abs(p0-1) > 1e-12 || math.Abs(total-1) > 1e-12 || math.Abs(mean-1) > 1e-12 {
					t.Fatalf("%s, %s, prompt %d: totals %v and %v, E[w] = %v",
						w.Name, w.pop.names[target], x, p0, total, mean)
				}
			}
		}
	}
}

// moments accumulates means of prompts, which are the independent units.
type moments struct{ n, sum, squares float64 }

func (m *moments) add(x float64) { m.n++; m.sum += x; m.squares += x * x }

func (m *moments) z(truth float64) float64 {
	mean := m.sum / m.n
	se := math.Sqrt((m.squares/m.n - mean*mean) / m.n)
	return (mean - truth) / se
}

func TestDrawsApproachTruth(t *testing.T) {
	seen := map[*population]bool{}
	for _, w := range all() {
		if seen[w.pop] {
			continue // what is shown of a population does not change it
		}
		seen[w.pop] = true
		prompts, repeats := 5_000, 1
		if w.FixedPrompts > 0 {
			prompts, repeats = w.FixedPrompts, 400
		}
		targets := len(w.Targets)
		logged := make([]moments, targets+1)
		fresh := make([]moments, targets)
		for rep := range repeats {
			f := w.sample(prompts, uint64(100+rep))
			for target := range targets + 1 {
				byPrompt := make([]float64, len(f.prompts))
				for _, u := range f.rows {
					weight := w.pop.probs[target][u.at] / w.pop.probs[0][u.at]
					byPrompt[u.prompt] += weight * u.label / float64(w.RowsPerPrompt)
				}
				for _, v := range byPrompt {
					logged[target].add(v)
				}
			}
			for target, units := range f.draws {
				byPrompt := make([]float64, len(f.prompts))
				for _, u := range units {
					byPrompt[u.prompt] += u.label / float64(w.DrawsPerPrompt)
				}
				for _, v := range byPrompt {
					fresh[target].add(v)
				}
			}
		}
		for target, name := range w.pop.names {
			weighted := w.ESS[name] > .01 // elsewhere the logs say nothing
			if z := logged[target].z(w.Truth[name]); weighted && math.Abs(z) > 4 {
				t.Errorf("%s, %s: the weighted mean of logged labels is %.1f SE off", w.Name, name, z)
			}
			if target == 0 {
				continue
			}
			if z := fresh[target-1].z(w.Truth[name]); math.Abs(z) > 4 {
				t.Errorf("%s, %s: the mean of fresh labels is %.1f SE off", w.Name, name, z)
			}
		}
	}
}

func TestNamedMeans(t *testing.T) {
	for name, want := range map[string]float64{
		"binary_04": .04, "binary_92": .92, "skewed_06": .06, "skewed_93": .93,
	} {
		if got := must(t, name).Truth[Logging]; math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: mean %v", name, got)
		}
	}
}

func TestOverlapIsAsNamed(t *testing.T) {
	for _, w := range all() {
		for _, target := range w.Targets {
			want := w.spec.pop.ess
			got := w.ESS[target.Name]
			switch {
			case target.Clone:
				if math.Abs(got-1) > 1e-12 {
					t.Errorf("%s: the clone has ESS/n %v", w.Name, got)
				}
			case w.spec.pop.family == familyNone:
				if got > 1e-6 {
					t.Errorf("%s, %s: ESS/n %v is overlap", w.Name, target.Name, got)
				}
			case math.Abs(got/want-1) > .06:
				t.Errorf("%s, %s: ESS/n %.3f, want %.3f", w.Name, target.Name, got, want)
			}
		}
	}
}

func TestIdenticalPoliciesHaveEqualTruth(t *testing.T) {
	w := must(t, "identical")
	if d := w.Difference("probed", "plain"); d != 0 {
		t.Errorf("identical policies differ by %v", d)
	}
	for _, w := range all() {
		if d := w.Difference("clone", Logging); d != 0 {
			t.Errorf("%s: the clone differs by %v", w.Name, d)
		}
	}
	near := must(t, "near_equal")
	if n := len(near.Targets); n != 11 {
		t.Errorf("%d targets, want ten and a clone", n)
	}
	if d := math.Abs(near.Difference("near0", "near9")); d == 0 || d > .02 {
		t.Errorf("near-equal policies differ by %v", d)
	}
}

func TestSegmentsAddUp(t *testing.T) {
	w := must(t, "segments")
	var share [3]float64
	for _, g := range w.pop.segment {
		share[g] += 1. / populationSize
	}
	for _, name := range w.pop.names {
		sum := 0.0
		for g, s := range segments {
			sum += share[g] * w.SegmentTruth[s][name]
		}
		if math.Abs(sum-w.Truth[name]) > 1e-12 {
			t.Errorf("%s: segments add up to %v, not %v", name, sum, w.Truth[name])
		}
	}
	up := w.SegmentTruth["a"]["probed"] - w.SegmentTruth["a"][Logging]
	down := w.SegmentTruth["b"]["probed"] - w.SegmentTruth["b"][Logging]
	if up < .02 || down > -.01 {
		t.Errorf("effects %v and %v do not differ in sign", up, down)
	}
}

func TestSeedsDecide(t *testing.T) {
	for _, w := range all() {
		a, b := w.Draw(60, 15, 10, 7), w.Draw(60, 15, 10, 7)
		if !same(a, b) {
			t.Errorf("%s: one seed gave two draws", w.Name)
		}
		if same(a, w.Draw(60, 15, 10, 8)) {
			t.Errorf("%s: two seeds gave one draw", w.Name)
		}
	}
	cachedBase := must(t, "base").pop
	if !reflect.DeepEqual(newPopulation(basePop).responses, cachedBase.responses) {
		t.Error("the population is not deterministic")
	}
}

// same compares data, taking NaN as equal to NaN.
func same(a, b Data) bool {
	eq := func(x, y float64) bool { return x == y || x != x && y != y }
	if len(a.Rows) != len(b.Rows) {
		return false
	}
	for i, r := range a.Rows {
		s := b.Rows[i]
		if r.Prompt != s.Prompt || r.Segment != s.Segment || !eq(r.LogP0, s.LogP0) || !eq(r.Score, s.Score) ||
			!eq(r.Label, s.Label) || !eq(r.InclusionProb, s.InclusionProb) || !eq(r.Length, s.Length) {
			return false
		}
		for name, v := range r.LogTarget {
			if !eq(v, s.LogTarget[name]) {
				return false
			}
		}
	}
	for name, draws := range a.Draws {
		for i, d := range draws {
			e := b.Draws[name][i]
			if d.Prompt != e.Prompt || d.Index != e.Index || !eq(d.Score, e.Score) || !eq(d.Label, e.Label) {
				return false
			}
		}
	}
	return true
}

func must(t *testing.T, name string) *World {
	t.Helper()
	w, err := ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
