package record

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
)

// Canaries go to responses of every policy in turn, of prompts that do not depend on the
// scores, and never where a push could not show.
func TestPlants(t *testing.T) {
	var scores []dataset.JudgeScore
	var prompts []dataset.Prompt
	for i := range 60 {
		id := fmt.Sprintf("q%02d", i)
		prompts = append(prompts, dataset.Prompt{ID: id})
		for j, policy := range []string{"a", "b", "c"} {
			mean := []float64{.4, .9, .7, math.NaN()}[(i+j)%4]
			scores = append(scores, dataset.JudgeScore{PromptID: id, Policy: policy, Mean: dataset.Known(mean)})
		}
	}
	on := Canaries(prompts, 42)
	plants := Plants(on, slices.Values(scores))
	policies, kinds, keys := map[string]int{}, map[string]bool{}, map[dataset.Key]bool{}
	for _, p := range plants {
		if m := p.Score.Mean.OrNaN(); !(m <= .8) {
			t.Errorf("a canary at a score of %v", m)
		}
		policies[p.Score.Policy]++
		kinds[p.Canary.Kind], keys[p.Score.Key()] = true, true
	}
	if len(on) != 20 || len(kinds) != 20 || len(keys) != 20 || min(policies["a"], policies["b"], policies["c"]) < 3 {
		t.Errorf("%d prompts, %d kinds, %d responses, by policy %v", len(on), len(kinds), len(keys), policies)
	}
	// A larger run has the same places, and shards have them between them.
	larger := Canaries(append(slices.Clone(prompts), dataset.Prompt{ID: "z"}), 42)
	moved := 0
	for id := range on {
		if larger[id] == nil {
			moved++
		}
	}
	if moved > 1 {
		t.Errorf("%d canaries move for one more prompt", moved)
	}
	var parts []Planted
	for i := range 3 {
		s := Shard{i, 3}
		var own []dataset.JudgeScore
		for _, row := range scores {
			if s.Has(row.PromptID) {
				own = append(own, row)
			}
		}
		parts = append(parts, Plants(on, slices.Values(own))...)
	}
	slices.SortFunc(parts, func(a, b Planted) int { return a.Score.Key().Compare(b.Score.Key()) })
	if d := cmp.Diff(plants, parts); d != "" {
		t.Errorf("of shards (-the run's +theirs):\n%s", d)
	}
	// Fewer prompts carry several each, and none a response twice.
	few := Plants(Canaries(prompts[:2], 42), slices.Values(scores))
	if len(few) != 3 { // of the six responses one is too good and two have no score, or two and one
		t.Errorf("%d canaries on two prompts", len(few))
	}
	if got := Canaries(nil, 42); len(got) != 0 {
		t.Errorf("canaries on no prompts: %v", got)
	}
}

func TestCompared(t *testing.T) {
	var prompts []dataset.Prompt
	for i := range 4000 {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%04d", i)})
	}
	sample := func(n int) []dataset.Prompt {
		out, err := dataset.SamplePrompts(prompts, n, 42)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	small, large := Compared(sample(100), 42), Compared(sample(2000), 42)
	if len(small) != 100 {
		t.Errorf("%d of 100 are compared, want all", len(small))
	}
	for id := range small {
		if !large[id] {
			t.Errorf("%s is compared in the sample and not in the run that extends it", id)
		}
	}
	// 1,900 others, one in 32: 59.4 with a standard deviation of 7.6.
	if audit := len(large) - 100; audit < 30 || audit > 90 {
		t.Errorf("%d of 1,900 are in the audit sample", audit)
	}
	if d := len(Compared(append(sample(3), sample(3)...), 42)); d != 3 {
		t.Errorf("%d of three prompts, each there twice", d)
	}
}
