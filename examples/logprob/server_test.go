package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestEndpoints: the value is exact by whatever kind an endpoint is declared as that its
// server is, and which of several is meant is said by the model's name.
func TestEndpoints(t *testing.T) {
	s := start(t)
	t.Setenv("KEY", "k")
	const in = `{"prompt": "Why is the sky blue?", "response": "Because of the air."}`
	exact := sim.ExactText(sim.ScoutModel, rendered("Why is the sky blue?"), "Because of the air.", true)
	fireworks, vllm := "f=fireworks:"+s.FireworksURL()+",key-env=KEY", "v=vllm:"+s.VLLMURL()
	for _, c := range []struct {
		reason, model string
		args          []string
	}{
		{"an address alone", sim.ScoutModel, []string{"-base-url", s.FireworksURL(), "-key-env", "KEY"}},
		{"no key on this machine", sim.ScoutModel, []string{"-endpoint", vllm}},
		{"a service's own dialect", sim.ScoutModel, []string{"-endpoint", fireworks}},
		{"the second of two", "v/" + sim.ScoutModel, []string{"-endpoint", fireworks, "-endpoint", vllm}},
		{"a model's name may hold slashes", "f/" + sim.ScoutModel, []string{"-endpoint", vllm, "-endpoint", fireworks}},
	} {
		var out bytes.Buffer
		err := run(append(c.args, "-model", c.model, "-in", "-"), strings.NewReader(in), &out)
		var row scored
		if err := errors.Join(err, json.Unmarshal(out.Bytes(), &row)); err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		if row.LogProb == nil || math.Abs(*row.LogProb-exact) > 1e-9 {
			t.Errorf("%s: %s\nwant %v", c.reason, out.String(), exact)
		}
	}
}

// TestWrongKindIsRefused before a text is sent, also if nothing is certified.
func TestWrongKindIsRefused(t *testing.T) {
	s := start(t)
	const in = `{"prompt": "p", "response": "r"}`
	for _, c := range []struct{ endpoint, says, reason string }{
		{"e=sglang:" + s.VLLMURL(), "declare it as vllm", "no BOS token is put there"},
		{"e=compatible:%s/v1", "Ollama returns log-probs of generated tokens", "it can judge and label alone"},
		{"e=vllm:%s/v1", "of kind ollama", "nor is it what was said"},
	} {
		ollama := providertest.NewServer(t, providertest.Reply{Body: `{"object":"list","data":[{"id":"llama3.2:3b",` +
			`"object":"model","created":1,"owned_by":"library"}]}`})
		endpoint := strings.Replace(c.endpoint, "%s", ollama.URL(), 1)
		var out bytes.Buffer
		err := run([]string{"-endpoint", endpoint, "-model", sim.ScoutModel, "-no-certify", "-in", "-"},
			strings.NewReader(in), &out)
		if err == nil || !strings.Contains(err.Error(), c.says) || out.Len() > 0 {
			t.Errorf("%s: %v, and %q: want an error that says %q (%s)", c.endpoint, err, out.String(), c.says, c.reason)
		}
	}
}

// TestKindIsNamed: a server that was declared as no kind, and is refused, is named for what
// it shows itself to be.
func TestKindIsNamed(t *testing.T) {
	err := run([]string{"-base-url", start(t).VLLMURL(), "-model", sim.ScoutModel, "-in", "-"},
		strings.NewReader(`{"prompt": "p", "response": "r"}`), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "-endpoint NAME=vllm:URL") {
		t.Errorf("%v, want the flag that names its kind", err)
	}
}
