package record

import (
	"fmt"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
)

// Every prompt is of one shard, and what a design of the run labels is labeled by the
// shard of its prompt.
func TestShardsDivideARun(t *testing.T) {
	var prompts []dataset.Prompt
	for i := range 400 {
		prompts = append(prompts, dataset.Prompt{ID: fmt.Sprintf("q%d/ü", i)})
	}
	arms := PlanArms()
	for _, of := range []int{0, 1, 3, 4} {
		design := oracle.Design{Seed: 1, Fraction: 0.3, Probes: 10, Duplicates: 5}
		whole := Shard{}.Assigned(design, prompts, arms)
		strata := design
		strata.Strata, strata.Shares = 3, map[string]int{"p0": 50}
		probes, twice, shares := 0, 0, 0
		var own int
		var labeled []dataset.Key
		for i := range max(of, 1) {
			s := Shard{i, of}
			if err := s.Validate(); err != nil {
				t.Error(err)
			}
			n := len(s.Own(prompts))
			if own += n; of > 1 && (n < 60 || n > 180) {
				t.Errorf("shard %d of %d has %d of 400 prompts", i, of, n)
			}
			for _, as := range s.Assigned(design, prompts, arms) {
				if !s.Has(as.Key.PromptID) || !slices.Contains(whole, as) {
					t.Errorf("shard %d of %d labels %+v", i, of, as)
				}
				labeled = append(labeled, as.Key)
			}
			part := s.Design(strata)
			probes, twice, shares = probes+part.Probes, twice+part.Duplicates, shares+part.Shares["p0"]
		}
		if own != 400 || len(labeled) != len(whole) {
			t.Errorf("%d shards: %d prompts and %d labels, want 400 and %d", of, own, len(labeled), len(whole))
		}
		if probes != 10 || twice != 5 || shares != 50 || strata.Shares["p0"] != 50 {
			t.Errorf("%d shards with strata: %d probes, %d duplicates and %d labels of p0, want 10, 5 and 50", of, probes,
				twice, shares)
		}
	}
	for _, s := range []Shard{{-1, 4}, {4, 4}, {0, -1}, {1, 0}} {
		if s.Validate() == nil {
			t.Errorf("%+v is a shard", s)
		}
	}
}
