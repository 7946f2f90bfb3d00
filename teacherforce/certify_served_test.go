package teacherforce

import (
	"context"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// What a served policy gives no occasion to ask is not reported as passed with a difference of 0.
func TestCertifyServed(t *testing.T) {
	server := sim.New(sim.Config{})
	t.Cleanup(func() { server.Close() })
	vllm, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: server.VLLMURL(), Key: providers.NewSecret("k"), HTTP: server.Client()},
		Quirks:     providers.VLLM(),
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Scorer: vllm})
	if err != nil {
		t.Fatal(err)
	}
	p := offpolicy.Policy{Name: "p0", Model: sim.PolyglotModelOf("gemma2"), Template: ServerTemplate(nil),
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 40}}
	cert, err := f.Certify(t.Context(), vllm, p)
	if err != nil || !cert.OK || len(cert.Probes) != 8 || !cert.BytesPerToken.Valid() {
		t.Fatalf("%+v, %v", cert, err)
	}
	for _, probe := range cert.Probes {
		switch {
		case probe.Name == ProbeMethods && !probe.NotApplicable, probe.NotApplicable && probe.Value.Valid():
			t.Errorf("%s: %+v", probe.Name, probe)
		case probe.NotApplicable && (probe.Name == ProbeCoverage || probe.Name == ProbeAdditivity):
			t.Errorf("%s does not apply: %s", probe.Name, probe.Detail)
		}
	}

	// A server that penalises repetition by its own settings: its greedy reply is not the likeliest.
	cert, err = f.Certify(t.Context(), penalising{vllm}, p)
	if err != nil || cert.OK {
		t.Errorf("a greedy reply that another is likelier than is certified: %v", err)
	}

	one := servedCertifier{certifier: &certifier{f: f, p: p}, context: []int{1, 2}, action: []int{3}}
	if got, err := one.additivity(t.Context()); err != nil || !got.OK || !got.NotApplicable || got.Value.Valid() {
		t.Errorf("additivity of a single token: %+v, %v", got, err)
	}
}

// penalising shows another token as likelier than the last one of each greedy reply.
type penalising struct{ *providers.Compatible }

func (p penalising) Generate(ctx context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	g, err := p.Compatible.Generate(ctx, req)
	if n := len(g.Tokens); n > 0 && req.Sampling.Temperature == 0 && len(g.Tokens[n-1].Top) > 0 {
		other := providers.Alternative{Text: "another", ID: -1, LogProb: dataset.Known(g.Tokens[n-1].LogProb.OrNaN() + 1)}
		g.Tokens[n-1].Top = append(g.Tokens[n-1].Top, other)
	}
	return g, err
}
