package teacherforce

import (
	"testing"

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

	one := servedCertifier{certifier: &certifier{f: f, p: p}, context: []int{1, 2}, action: []int{3}}
	if got, err := one.additivity(t.Context()); err != nil || !got.OK || !got.NotApplicable || got.Value.Valid() {
		t.Errorf("additivity of a single token: %+v, %v", got, err)
	}
}
