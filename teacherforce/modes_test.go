package teacherforce

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce/temper"
)

// vLLM's four modes of log-probs, with every setting of sampling in the request and with one
// that comes from the model's generation_config: right values, or refused with the cause.
func TestModesOfVLLM(t *testing.T) {
	for _, c := range []struct {
		mode      sim.LogProbsMode
		inherited bool      // nobody says what the server is
		listed    bool      // and its model listing is asked
		failing   ProbeName // "" is certified
		says      string
		reason    string
	}{
		{sim.RawLogProbs, false, false, "", "", "the model's own, of what it samples from"},
		{sim.ProcessedLogProbs, false, false, "", "", "at temperature 1 without filters the two are one"},
		{sim.RawLogits, false, false, ProbeCoverage, "logits", "values above 0"},
		{sim.ProcessedLogits, false, false, ProbeCoverage, "logits", "values above 0"},
		{sim.RawLogProbs, true, true, "", "", "the listing shows vLLM, and the penalty is turned off"},
		{sim.ProcessedLogProbs, true, true, "", "", "the same"},
		// The one cell in which no value shows it: the preflight refuses a server of no kind.
		{sim.RawLogProbs, true, false, "", "", "raw values are the model's own, whatever is drawn from"},
		{sim.ProcessedLogProbs, true, false, ProbeSampled, "generation_config", "generation and echo differ"},
		{sim.RawLogits, true, true, ProbeCoverage, "logits", "values above 0"},
		{sim.ProcessedLogits, true, true, ProbeCoverage, "logits", "values above 0"},
	} {
		config := sim.Config{VLLM: sim.VLLMConfig{LogProbs: c.mode, RepetitionPenalty: 2}}
		q := providers.VLLM()
		if c.inherited {
			q.Kind, q.Generate = providers.KindCompatible, nil
		}
		server := vllmWith(t, config, q)
		if c.listed {
			if _, err := server.Models(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		f := newForcer(t, server)
		p := simPolicy("llama4")
		tempered := p
		tempered.Name, tempered.Sampling = "tempered", offpolicy.Sampling{Temperature: .7, TopP: .9, MaxTokens: 64}
		cert, err := f.Certify(t.Context(), server, p, tempered)
		if err != nil {
			t.Fatal(err)
		}
		if cert.OK != (c.failing == "") {
			t.Errorf("%s, inherited %v: certificate OK %v: %s", c.mode, c.inherited, cert.OK, c.reason)
		}
		found := c.failing == ""
		for _, probe := range cert.Probes {
			t.Logf("%s %v: %s %s %v %.4g (%.4g): %s", c.mode, c.inherited, probe.Name, probe.Policy, probe.OK,
				probe.Value.OrNaN(), probe.Limit.OrNaN(), probe.Detail)
			of := map[sim.LogProbsMode]dataset.Distribution{sim.RawLogProbs: dataset.RawDistribution,
				sim.ProcessedLogProbs: dataset.SamplingDistribution}[c.mode]
			if c.failing == "" && probe.Policy == "tempered" && probe.Of != of {
				t.Errorf("%s: generation's values are found to be of %q, want %q", c.mode, probe.Of, of)
			}
			found = found || probe.Name == c.failing && !probe.OK && strings.Contains(probe.Detail, c.says)
		}
		if !found {
			t.Errorf("%s, inherited %v: no probe %s fails and says %q: %s", c.mode, c.inherited, c.failing, c.says, c.reason)
		}
	}
}

// What a value is of is said if the value tells: what nothing bounds is near to everything.
func TestToldByWhatBounds(t *testing.T) {
	exact := func(v float64) temper.Value { return temper.Value{Kind: temper.Exact, Lower: v, Upper: v} }
	var none temper.Value
	said := []providers.Token{{LogProb: dataset.Known(-1)}, {LogProb: dataset.Known(-1e-6)}}
	at := func(values ...temper.Value) []temper.Value { return values }
	for _, c := range []struct {
		under, tempered []temper.Value
		filters         bool
		want            dataset.Distribution
		reason          string
	}{
		{at(exact(-1), exact(-1e-6)), at(exact(-1.2), exact(-1e-6)), true, dataset.SamplingDistribution,
			"near to what was drawn from alone"},
		{at(exact(-1), exact(-1e-6)), at(exact(-1), exact(-1e-6)), false, dataset.SamplingDistribution,
			"a policy that only tempers"},
		{at(none, none), at(none, none), false, "", "hot, and the size of the vocabulary is not known"},
		{at(none, exact(-1e-6)), at(none, none), true, "", "a certain token says nothing of the filters"},
		{at(exact(-1), none), at(exact(-1), none), false, dataset.SamplingDistribution,
			"one of two alternatives has another's name"},
	} {
		certifier := &certifier{cert: &Certificate{}}
		if got := certifier.distributionOf(.3, said, c.under, c.tempered, c.filters); got != c.want {
			t.Errorf("%s: %q, want %q", c.reason, got, c.want)
		}
	}
}
