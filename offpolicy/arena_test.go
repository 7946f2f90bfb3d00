package offpolicy

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/shareddata"
)

// arena reads 400 rows of a real run, with fresh draws and probes: log-probs of a
// real API, an adversarial target ("unhelpful"), one with another system prompt,
// and a clone of the logging policy.
func arena(t testing.TB) Samples {
	t.Helper()
	logged := readRecords[dataset.Sample](t, "data/arena/logged.jsonl")
	fresh, probes := map[string][]dataset.FreshDraw{}, map[string][]dataset.FreshDraw{}
	for _, policy := range []string{"clone", "parallel_universe_prompt", "unhelpful"} {
		fresh[policy] = readRecords[dataset.FreshDraw](t, "data/arena/fresh_draws/"+policy+"_responses.jsonl")
		probes[policy] = readRecords[dataset.FreshDraw](t, "data/arena/probes/"+policy+"_probe.jsonl")
	}
	s, err := FromRecords(dataset.Logs{
		Logging: "base", Judge: "gpt-4.1-nano", Samples: logged, Draws: fresh, Probes: probes,
		Scored: dataset.Unstated("base", logged),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readRecords[T any](t testing.TB, name string) []T {
	t.Helper()
	rows, err := dataset.ReadFile[T](shareddata.File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestArena(t *testing.T) {
	s := arena(t)
	if len(s.Rows) != 400 || len(s.Draws["unhelpful"]) != 400 {
		t.Fatalf("%d rows, %d draws", len(s.Rows), len(s.Draws["unhelpful"]))
	}
	r := evaluate(t, s, Config{Seed: 42, Margin: .05, Clones: []string{"clone"}, Replicates: 500,
		LabelUSD: dataset.Known(.01)})
	refused := func(policy string, e Estimator, rule Rule) bool {
		return slices.ContainsFunc(r.Policy(policy).Estimate(e).Refusals, func(r Refusal) bool { return r.Rule == rule })
	}

	// The probes of unhelpful average .1275 (24 labels); the judge says .247 of it.
	var probes []float64
	for _, d := range s.Draws["unhelpful"] {
		if d.Label.OrNaN() >= 0 {
			probes = append(probes, d.Label.OrNaN())
		}
	}
	mean, se := meanSE(probes)
	d := r.Policy("unhelpful").Estimate(Direct)
	if len(probes) != 24 || !near(mean, .1275, 1e-12) || d.Refused() || math.Abs(d.Value-mean) > 2*se {
		t.Errorf("unhelpful, direct: %v of %d probes whose mean is %v (SE %v)", d.Value, len(probes), mean, se)
	}
	for _, e := range []Estimator{DR, LabeledSNIPS, SNIPS, IPS, ClippedIPS} {
		if !refused("unhelpful", e, RuleMass) || !refused("unhelpful", e, RuleDivergence) {
			t.Errorf("unhelpful, %s: %v", e, r.Policy("unhelpful").Estimate(e).Refusals)
		}
		if !refused("clone", e, RuleMeanOne) || !refused("parallel_universe_prompt", e, RuleMeanOne) ||
			!refused("parallel_universe_prompt", e, RuleESS) {
			t.Errorf("%s: the weights of clone and parallel_universe_prompt must be refused", e)
		}
	}
	// Without its probes nothing answers for it.
	bare := s
	bare.Draws = map[string][]Draw{}
	for name, draws := range s.Draws {
		draws = slices.Clone(draws)
		for i := range draws {
			draws[i].Label = dataset.Known(nan)
		}
		bare.Draws[name] = draws
	}
	b := evaluate(t, bare, Config{Replicates: 20}).Policy("unhelpful")
	if b.Answer.Estimator != "" || !strings.Contains(b.Answer.Reason, "transport not checked") ||
		!strings.Contains(b.Answer.Reason, "divergence about 56.0 nats") {
		t.Errorf("unhelpful without labels: %+v", b.Answer)
	}

	// The figures that were found independently of this code.
	if p := r.Policy("unhelpful").Balance; math.Abs(p.Reweighted-.915) > .0005 || math.Abs(p.Fresh-.247) > .0006 {
		t.Errorf("balance of unhelpful %+v, want .915 against .247", p)
	}
	clone := r.Policy("clone")
	if clone.Clone.Status != "fail" || math.Abs(clone.Weights.LogEValue/math.Ln10-6.9) > .05 ||
		!strings.Contains(clone.Answer.Reason, "noisy or wrong log-probs") {
		t.Errorf("clone: %+v %q", clone.Clone, clone.Answer.Reason)
	}
	if p0 := r.Policy("base"); p0.Answer.Estimator != DR || p0.Estimate(DR).SE > p0.Estimate(LabeledSNIPS).SE*1.02 {
		t.Errorf("base: %+v", p0.Answer)
	}
	aa := slices.IndexFunc(r.Comparisons, func(c Comparison) bool { return c.AA })
	if aa < 0 || r.Comparisons[aa].A != "clone" || r.Comparisons[aa].B != "base" || r.Comparisons[aa].Lower > 0 ||
		r.Comparisons[aa].Upper < 0 {
		t.Errorf("clone - base is no A/A value: %+v", r.Comparisons)
	}
}
