package offpolicy

import (
	"path/filepath"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
)

// arena reads the 400 shared rows of a real run, with fresh draws and probes.
func arena(t testing.TB) Samples {
	t.Helper()
	logged := readRecords[dataset.Sample](t, "data/arena/logged.jsonl")
	fresh, probes := map[string][]dataset.FreshDraw{}, map[string][]dataset.FreshDraw{}
	for _, policy := range []string{"clone", "parallel_universe_prompt", "unhelpful"} {
		fresh[policy] = readRecords[dataset.FreshDraw](t, "data/arena/fresh_draws/"+policy+"_responses.jsonl")
		probes[policy] = readRecords[dataset.FreshDraw](t, "data/arena/probes/"+policy+"_probe.jsonl")
	}
	s, err := FromRecords("base", "gpt-4.1-nano", logged, fresh, probes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readRecords[T any](t testing.TB, name string) []T {
	t.Helper()
	path := shareddata.File(t, filepath.ToSlash(name))
	rows, err := dataset.ReadFile[T](path)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestArenaX(t *testing.T) {
	r, err := Evaluate(arena(t), Config{Seed: 42, Margin: .05})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Policies {
		for _, e := range p.Estimates {
			t.Logf("%s %s %.4f ±%.4f [%.4f %.4f] df %.1f %+v\n%v", e.Policy, e.Estimator, e.Value, e.SE, e.Lower, e.Upper, e.DF, e.Basis, e.Refusals)
		}
	}
}
