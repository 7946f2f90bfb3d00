package record

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// Canaries go to responses in the middle of the scale, to every policy in turn,
// and never where a push could not show.
func TestPlants(t *testing.T) {
	var scores []dataset.JudgeScore
	add := func(policy string, means ...float64) {
		for i, m := range means {
			scores = append(scores, dataset.JudgeScore{PromptID: fmt.Sprintf("q%d", i), Policy: policy, Mean: dataset.Known(m)})
		}
	}
	add("a", .1, .9, .52, math.NaN(), .7)
	add("b", .85, .95)
	add("c", .6, .4, .3)
	var got []string
	for _, p := range Plants(slices.Values(scores)) {
		got = append(got, fmt.Sprintf("%s %s %.2f", strings.SplitN(p.Canary.Kind, "/", 2)[0], p.Score.Policy,
			p.Score.Mean.OrNaN()))
	}
	want := []string{"instruction a 0.52", "fence c 0.60", "placeholder a 0.70", "score c 0.40", "instruction a 0.10",
		"fence c 0.30"}
	if !slices.Equal(got, want) {
		t.Errorf("plants %q, want %q", got, want)
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
