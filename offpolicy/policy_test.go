package offpolicy

import (
	"math"
	"strings"
	"testing"
)

func testPolicy() Policy {
	return Policy{
		Name: "p0", Model: "m", System: "s", Template: "llama4",
		Sampling: Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 512},
	}
}

func TestPolicyHash(t *testing.T) {
	base := testPolicy()
	tests := []struct {
		name   string
		change func(*Policy)
		same   bool
		reason string
	}{
		{"nothing", func(*Policy) {}, true, "a hash is a function of the value"},
		{"name", func(p *Policy) { p.Name = "clone" }, true, "a clone differs in name alone"},
		{"model", func(p *Policy) { p.Model = "n" }, false, "another model answers otherwise"},
		{"system", func(p *Policy) { p.System = "" }, false, "the system prompt is part of the context"},
		{"template", func(p *Policy) { p.Template = "chatml" }, false, "so is the rendering"},
		{"temperature", func(p *Policy) { p.Sampling.Temperature = 0.5 }, false, "sampling decides the answer"},
		{"top_p", func(p *Policy) { p.Sampling.TopP = 0.9 }, false, "sampling decides the answer"},
		{"top_k", func(p *Policy) { p.Sampling.TopK = 40 }, false, "sampling decides the answer"},
		{"max_tokens", func(p *Policy) { p.Sampling.MaxTokens = 513 }, false, "a longer answer is another answer"},
		{"shifted text", func(p *Policy) { p.Model, p.System = "ms", "" }, false, "fields are length-prefixed, not joined"},
	}
	for _, tt := range tests {
		p := base
		tt.change(&p)
		if got := p.Hash() == base.Hash(); got != tt.same {
			t.Errorf("%s: equal hash %v, want %v: %s", tt.name, got, tt.same, tt.reason)
		}
	}
	greedy := base
	greedy.Sampling.Temperature = 0
	minus := greedy
	minus.Sampling.Temperature = math.Copysign(0, -1)
	if greedy.Hash() != minus.Hash() {
		t.Error("temperatures 0 and -0 are equal values and must have equal hashes")
	}
	if h := base.Hash(); len(h) != 16 || strings.Trim(h, "0123456789abcdef") != "" {
		t.Errorf("hash %q: want 16 hexadecimal digits", h)
	}
	// Stored here so that a change of the hash, which orphans every run
	// directory, cannot pass unnoticed. Computed by this code.
	if got, want := base.Hash(), "d16c643832fc0f5f"; got != want {
		t.Errorf("hash of the test policy is %s, was %s", got, want)
	}
}

func TestPolicyValidate(t *testing.T) {
	tests := []struct {
		change func(*Policy)
		want   string // in the error; empty for none
		reason string
	}{
		{func(*Policy) {}, "", "a complete policy"},
		{func(p *Policy) { p.Sampling.Temperature = 0 }, "", "greedy is a choice"},
		{func(p *Policy) { p.Name = "" }, "name", "records need it"},
		{func(p *Policy) { p.Model = "" }, "model", "nothing to call"},
		{func(p *Policy) { p.Template = "" }, "template", "nothing scores a bare string"},
		{func(p *Policy) { p.Sampling.Temperature = -1 }, "temperature", "negative"},
		{func(p *Policy) { p.Sampling.Temperature = math.NaN() }, "temperature", "not a number"},
		{func(p *Policy) { p.Sampling.Temperature = math.Inf(1) }, "temperature", "infinite"},
		{func(p *Policy) { p.Sampling.TopP = 0 }, "top_p", "the zero value must not pass for a default"},
		{func(p *Policy) { p.Sampling.TopP = 1.1 }, "top_p", "more than all mass"},
		{func(p *Policy) { p.Sampling.TopP = math.NaN() }, "top_p", "not a number"},
		{func(p *Policy) { p.Sampling.TopK = -1 }, "top_k", "negative"},
		{func(p *Policy) { p.Sampling.MaxTokens = 0 }, "max_tokens", "the zero value must not pass for a default"},
	}
	for _, tt := range tests {
		p := testPolicy()
		tt.change(&p)
		err := p.Validate()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one about %q", tt.reason, err, tt.want)
		}
	}
}

func TestSamplingNeutral(t *testing.T) {
	if !testPolicy().Sampling.Neutral() {
		t.Error("temperature 1, top_p 1, top_k 0 is the model's own distribution")
	}
	for _, s := range []Sampling{{.5, 1, 0, 9}, {1, .9, 0, 9}, {1, 1, 5, 9}} {
		if s.Neutral() {
			t.Errorf("%+v is not the model's own distribution", s)
		}
	}
}
