package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// fake gives one answer to every call, and keeps the calls.
type fake struct {
	gen   providers.Generation
	err   error
	calls []providers.GenerateRequest
}

func (f *fake) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	f.calls = append(f.calls, req)
	return f.gen, f.err
}

func says(text string) *fake {
	return &fake{gen: providers.Generation{Text: text, FinishReason: "stop"}}
}

var (
	key    = dataset.Key{PromptID: "p1", Policy: "p0"}
	tag    = providers.Tag{Stage: "oracle", Key: key}
	prompt = dataset.Prompt{ID: "p1", Text: "What is 2+2?"}
)

func labeler(t *testing.T, c judge.Config) *Labeler {
	t.Helper()
	l, err := NewLabeler(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLabel(t *testing.T) {
	filtered := &fake{err: &providers.Error{Class: providers.ClassFiltered}}
	tests := []struct {
		generator *fake
		scale     judge.Scale
		want      float64
		reason    judge.Reason // of the judge.UnscoredError; empty for a label
		why       string
	}{
		{says(`{"reason":"x","label":85}`), judge.Scale{}, .85, "", "85 of 100"},
		{says(`{"reason":"x","label":1}`), judge.Scale{}, .01, "", "1 of 100 is next to nothing"},
		{says(`{"reason":"x","label":1}`), judge.Scale{Min: 0, Max: 1}, 1, "", "on a scale to 1 it is all"},
		{says(`{"reason":"x","label":0}`), judge.Scale{}, 0, "", "the worst is a label"},
		{says(`{"reason":"x","label":101}`), judge.Scale{}, 0, judge.ReasonUnparsable, "off the scale"},
		{says(`{"reason":"x","score":85}`), judge.Scale{}, 0, judge.ReasonUnparsable, "a judge's reply is no label"},
		{says(`85`), judge.Scale{}, .85, "", "a bare number leaves no choice"},
		{says(`About 85.`), judge.Scale{}, 0, judge.ReasonUnparsable, "a number in a sentence"},
		{says(``), judge.Scale{}, 0, judge.ReasonEmptyResponse, "nothing"},
		{&fake{gen: providers.Generation{Refusal: "no"}}, judge.Scale{}, 0, judge.ReasonRefused, "refused"},
		{&fake{gen: providers.Generation{Text: `{`, FinishReason: "length"}}, judge.Scale{}, 0,
			judge.ReasonTruncated, "cut"},
		{&fake{gen: providers.Generation{FinishReason: "content_filter"}}, judge.Scale{}, 0,
			judge.ReasonFiltered, "filtered"},
		{filtered, judge.Scale{}, 0, judge.ReasonFiltered, "filtered by an error"},
	}
	for _, tt := range tests {
		l := labeler(t, judge.Config{Name: "o", Generator: tt.generator, Model: "gpt-4o", Scale: tt.scale})
		got, err := l.Label(t.Context(), tag, prompt, "4")
		var unscored *judge.UnscoredError
		switch {
		case tt.reason == "":
			if err != nil || got != tt.want {
				t.Errorf("%s: %v, %v, want %v", tt.why, got, err, tt.want)
			}
		case !errors.As(err, &unscored) || unscored.Reason != tt.reason || unscored.Key != key ||
			unscored.Grader != l.Identity():
			t.Errorf("%s: error %v, want one with reason %s", tt.why, err, tt.reason)
		}
	}
	quota := &providers.Error{Class: providers.ClassQuota}
	_, err := labeler(t, judge.Config{Name: "o", Generator: &fake{err: quota}, Model: "m"}).Label(t.Context(),
		tag, prompt, "4")
	var unscored *judge.UnscoredError
	if !errors.Is(err, quota) || errors.As(err, &unscored) || !strings.Contains(err.Error(), "p1/p0/0") {
		t.Errorf("a failed call: error %v", err)
	}
}

func TestLabelRequest(t *testing.T) {
	f := says(`{"reason":"x","label":85}`)
	l := labeler(t, judge.Config{Name: "o", Generator: f, Model: "gpt-4o"})
	if _, err := l.Label(t.Context(), tag, prompt, "{{nonce}} 4"); err != nil {
		t.Fatal(err)
	}
	r := f.calls[0]
	if want := (offpolicy.Sampling{Temperature: 0, TopP: 1, MaxTokens: 200}); r.Sampling != want || r.Model != "gpt-4o" ||
		r.Tag != tag || r.Seed != nil {
		t.Errorf("request %+v", r)
	}
	if s := r.Messages[0].Content; !strings.Contains(s, "from 0 to 100") || strings.Contains(s, "{{") {
		t.Errorf("system prompt %q", s)
	}
	if s := r.Messages[1].Content; !strings.Contains(s, ">>>\n{{nonce}} 4\n<<<END RESPONSE ") {
		t.Errorf("the response is not literal between its markers:\n%s", s)
	}
	b, err := json.Marshal(r.Schema.Schema["properties"])
	if err != nil || !strings.Contains(string(b), `"label":{"type":"integer","minimum":0,"maximum":100}`) {
		t.Errorf("schema %s, %v", b, err)
	}
}

func TestLabelerIdentity(t *testing.T) {
	base := judge.Config{Name: "o", Generator: says(""), Model: "gpt-4o"}
	seen := map[string]bool{labeler(t, base).Identity(): true}
	for what, change := range map[string]func(*judge.Config){
		"model": func(c *judge.Config) { c.Model = "n" }, "rubric": func(c *judge.Config) { c.Rubric = "r" },
		"scale": func(c *judge.Config) {
			c.Scale = judge.Scale{Min: 1,
				Max: 5}
		}, "max tokens": func(c *judge.Config) { c.MaxTokens = 99 },
	} {
		c := base
		change(&c)
		if id := labeler(t, c).Identity(); seen[id] || !strings.HasPrefix(id, "o@") {
			t.Errorf("%s: identity %q is not one of its own", what, id)
		} else {
			seen[id] = true
		}
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		config judge.Config
		want   string
		reason string
	}{
		{judge.Config{Name: "o", Model: "m"}, "Generator", "nothing to ask"},
		{judge.Config{Generator: says(""), Model: "m"}, "Name", "records need it"},
		{judge.Config{Name: "o", Generator: says("")}, "Model", "nothing to ask for"},
		{judge.Config{Name: "o", Generator: says(""), Model: "m", Scale: judge.Scale{Min: 2, Max: 2}}, "scale", "one value"},
	}
	for _, tt := range tests {
		if _, err := NewLabeler(tt.config); err == nil || !strings.HasPrefix(err.Error(), "oracle: ") ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one about %q", tt.reason, err, tt.want)
		}
	}
}

func TestRecord(t *testing.T) {
	o := labeler(t, judge.Config{Name: "o", Generator: says(""), Model: "m"})
	a := Assignment{dataset.Key{PromptID: "p1", Policy: "pi", DrawIdx: 1}, dataset.Known(.25), RoleProbe, "[0.2,0.4)"}
	tests := []struct {
		label  float64
		err    error
		class  judge.Reason
		reason string
	}{
		{.5, nil, "", "a label"},
		{0, nil, "", "the worst is a label"},
		{0, &judge.UnscoredError{Reason: judge.ReasonRefused}, judge.ReasonRefused, "unlabeled"},
		{0, fmt.Errorf("x: %w", &providers.Error{Class: providers.ClassTimeout}), "timeout", "a failed call"},
		{.5, errors.New("?"), "error", "an error outranks a label"},
		{math.NaN(), nil, judge.ReasonInvalid, "NaN is no label"},
		{85, nil, judge.ReasonInvalid, "off the scale"},
	}
	for _, tt := range tests {
		r := Record(a, "hash", o, tt.label, tt.err)
		if r.Key() != a.Key || r.InclusionProb.OrNaN() != .25 || r.Role != RoleProbe || r.Stratum != a.Stratum ||
			r.Oracle != o.Identity() || r.PolicyHash != "hash" {
			t.Errorf("%s: %+v", tt.reason, r)
		}
		if tt.class == "" {
			if r.Error != nil || r.Label.OrNaN() != tt.label {
				t.Errorf("%s: %+v", tt.reason, r)
			}
		} else if r.Label.Valid() || r.Error == nil || r.Error.Class != string(tt.class) || r.Error.Message == "" {
			t.Errorf("%s: %+v, want a null label and class %s", tt.reason, r, tt.class)
		}
	}
}

func keys(n int, policies ...string) []dataset.Key {
	var out []dataset.Key
	for i := range n {
		for _, p := range policies {
			out = append(out, dataset.Key{PromptID: fmt.Sprintf("p%03d", i), Policy: p})
		}
	}
	return out
}

func TestDesign(t *testing.T) {
	all := keys(100, "p0", "pi_a", "pi_b")
	tests := []struct {
		name          string
		design        Design
		keys          []dataset.Key
		logged, probe int
		p, q          float64
		reason        string
	}{
		{"default", Design{}, all, 100, 0, 1, 0, "every logged response and nothing else"},
		{"fraction", Design{Fraction: .25}, all, 25, 0, .25, 0, "m of n has probability m/n"},
		{"rounded", Design{Fraction: .256}, all, 26, 0, .26, 0,
			"the probability is that of the number drawn, not of the fraction asked for"},
		{"at least one", Design{Fraction: .001}, all, 1, 0, .01, 0, "a design without labels is none"},
		{"probes", Design{Probes: 10}, all, 100, 20, 1, .1, "10 of each target"},
		{"more than there are", Design{Probes: 1000}, all, 100, 200, 1, 1, "all of them"},
		{"no logs", Design{Probes: 5}, keys(10, "pi_a"), 0, 5, 0, .5, "probes need no logs"},
		{"nothing", Design{Probes: 5}, nil, 0, 0, 0, 0, "no responses, no labels"},
	}
	for _, tt := range tests {
		out := tt.design.Assign(tt.keys, "p0")
		logged, probes := 0, 0
		for _, a := range out {
			switch {
			case a.Key.Policy == "p0" && a.Role == RoleCalibration && a.InclusionProb.OrNaN() == tt.p:
				logged++
			case a.Key.Policy != "p0" && a.Role == RoleProbe && a.InclusionProb.OrNaN() == tt.q:
				probes++
			default:
				t.Errorf("%s: assignment %+v", tt.name, a)
			}
		}
		if logged != tt.logged || probes != tt.probe {
			t.Errorf("%s: %d logged and %d probes, want %d and %d: %s", tt.name, logged, probes, tt.logged, tt.probe, tt.reason)
		}
		if !slices.IsSortedFunc(out, func(a, b Assignment) int { return a.Key.Compare(b.Key) }) {
			t.Errorf("%s: not sorted by key", tt.name)
		}
	}
}

func TestDesignIsAFunctionOfSeedAndSet(t *testing.T) {
	all := keys(100, "p0", "pi")
	d := Design{Seed: 7, Fraction: .3, Probes: 10}
	want := d.Assign(all, "p0")
	back := slices.Clone(all)
	slices.Reverse(back)
	if diff := cmp.Diff(want, d.Assign(back, "p0")); diff != "" {
		t.Errorf("the order of the keys decides:\n%s", diff)
	}
	if cmp.Equal(want, Design{Seed: 8, Fraction: .3, Probes: 10}.Assign(all, "p0")) {
		t.Error("another seed draws the same")
	}
	// A response's chance must not depend on where it stands: over 400 seeds
	// each of 20 is drawn at 30%, within 5 standard errors (.115).
	hits := map[string]int{}
	for seed := range uint64(400) {
		for _, a := range (Design{Seed: seed, Fraction: .3}).Assign(keys(20, "p0"), "p0") {
			hits[a.Key.PromptID]++
		}
	}
	for id, n := range hits {
		if share := float64(n) / 400; math.Abs(share-.3) > .115 {
			t.Errorf("%s was drawn in %.3f of the designs, want .3", id, share)
		}
	}
	if len(hits) != 20 {
		t.Errorf("%d of 20 were ever drawn", len(hits))
	}
}

func TestDesignRefuses(t *testing.T) {
	for _, d := range []Design{{Fraction: -.1}, {Fraction: 1.1}, {Fraction: math.NaN()}, {Probes: -1}} {
		if d.Validate() == nil {
			t.Errorf("%+v is valid", d)
		}
		mustPanic(t, func() { d.Assign(keys(3, "p0"), "p0") })
	}
	mustPanic(t, func() { Design{}.Assign(append(keys(3, "p0"), keys(1, "p0")...), "p0") })
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if s := fmt.Sprint(recover()); !strings.HasPrefix(s, "oracle:") {
			t.Errorf("panic %q, want one that names the package", s)
		}
	}()
	f()
}
