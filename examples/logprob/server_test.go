package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

func TestServers(t *testing.T) {
	s := start(t)
	t.Setenv("KEY", "k")
	const in = `{"prompt": "Why is the sky blue?", "response": "Because of the air."}`
	exact := sim.ExactText(sim.ScoutModel, rendered("Why is the sky blue?"), "Because of the air.", true)
	for _, c := range []struct {
		server string
		says   string // "" means the exact value
	}{
		{"echo", ""},
		{"vllm", ""},
		{"fireworks", ""},
		{"llamacpp", "log-probs of generated tokens only"},
	} {
		var out bytes.Buffer
		err := run([]string{"-base-url", s.FireworksURL(), "-model", sim.ScoutModel, "-key-env", "KEY", "-server", c.server,
			"-in", "-"}, strings.NewReader(in), &out)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) || out.Len() > 0 {
				t.Errorf("%s: %v, and %q: want an error that says %q", c.server, err, out.String(), c.says)
			}
			continue
		}
		var row scored
		if err := errors.Join(err, json.Unmarshal(out.Bytes(), &row)); err != nil {
			t.Errorf("%s: %v", c.server, err)
			continue
		}
		if row.LogProb == nil || math.Abs(*row.LogProb-exact) > 1e-9 {
			t.Errorf("%s: %s\nwant %v", c.server, out.String(), exact)
		}
	}
	var usage usageError
	if err := run([]string{"-base-url", s.FireworksURL(), "-model", "m", "-server", "vlm", "-in", "-"},
		strings.NewReader(in), &bytes.Buffer{}); !errors.As(err, &usage) {
		t.Errorf("an unknown make: %v: want a usage error", err)
	}
	for _, name := range makes {
		_, err := newServer(name, "llama4", config(s))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func config(s *sim.Server) providers.HTTPConfig {
	return providers.HTTPConfig{BaseURL: s.FireworksURL(), Key: providers.NewSecret("k")}
}
