package judge

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// fixed is a scorer that always says the same.
type fixed struct {
	id    string
	score Score
	err   error
	calls []string
}

func (f *fixed) Identity() string { return f.id }
func (f *fixed) Score(_ context.Context, tag providers.Tag, _ dataset.Prompt, _ string) (Score, error) {
	f.calls = append(f.calls, tag.Call)
	return f.score, f.err
}

func TestPanel(t *testing.T) {
	one := func(mean, variance float64) *fixed {
		return &fixed{score: Score{Mean: dataset.Known(mean), Variance: dataset.Known(variance), Source: "x"}}
	}
	refused := &fixed{err: &UnscoredError{Reason: ReasonRefused}}
	tests := []struct {
		members  []*fixed
		mean     float64
		variance float64
		ok       bool
		reason   string
	}{
		{[]*fixed{one(.4, 0), one(.6, 0)}, .5, .02 / 2, true, "between judges s² is .02"},
		{[]*fixed{one(.4, .1), one(.6, .1)}, .5, .1 / 2, true, "what they each state is more"},
		{[]*fixed{one(.5, .01), one(.5, .03)}, .5, .02 / 2, true, "agreement is not certainty"},
		{[]*fixed{one(.2, 0), one(.5, 0), one(.8, 0)}, .5, .09 / 3, true, "three judges"},
		{[]*fixed{one(.4, math.NaN()), one(.6, 0)}, .5, .02 / 2, true, "one knows no variance"},
		{[]*fixed{one(.4, 0), refused}, 0, 0, false, "the mean of the survivors is no score"},
		{[]*fixed{one(.4, 0), one(85, 0)}, 0, 0, false, "a faulty member"},
	}
	for _, tt := range tests {
		var members []Scorer
		for i, m := range tt.members {
			m.id = string(rune('a' + i))
			members = append(members, m)
		}
		p, err := NewPanel("panel", members...)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Score(t.Context(), tag, prompt, "4")
		if (err == nil) != tt.ok || math.Abs(got.Mean.OrNaN()-tt.mean) > 1e-12 ||
			math.Abs(got.Variance.OrNaN()-tt.variance) > 1e-12 {
			t.Errorf("%s: %+v, %v, want %v and %v", tt.reason, got, err, tt.mean, tt.variance)
		}
		if tt.ok && (got.Source != SourcePanel || len(got.Readings) != len(members)) {
			t.Errorf("%s: %+v", tt.reason, got)
		}
		if diff := cmp.Diff([]string{"judge0"}, tt.members[0].calls); diff != "" {
			t.Errorf("a member's calls have a name of their own:\n%s", diff)
		}
		r := Record(dataset.Key{PromptID: "p1", Policy: "p0"}, "h", p, got, err)
		if tt.ok == (r.Error != nil) {
			t.Errorf("%s: record %+v", tt.reason, r)
		}
	}
	var unscored *UnscoredError
	p, _ := NewPanel("panel", &fixed{id: "a", score: Score{Mean: dataset.Known(.5), Source: "x"}},
		&fixed{id: "b", err: refused.err})
	if _, err := p.Score(t.Context(), tag, prompt, "4"); !errors.As(err, &unscored) ||
		!strings.Contains(err.Error(), "member 2 of 2") {
		t.Errorf("error %v: want it to name the member and to be unscored", err)
	}
}

func TestPanelIdentity(t *testing.T) {
	a, b := &fixed{id: "a"}, &fixed{id: "b"}
	ab, err := NewPanel("panel", a, b)
	if err != nil {
		t.Fatal(err)
	}
	ba, err := NewPanel("panel", b, a)
	if err != nil {
		t.Fatal(err)
	}
	if ab.Identity() == ba.Identity() || !strings.HasPrefix(ab.Identity(), "panel@") {
		t.Errorf("identities %q and %q", ab.Identity(), ba.Identity())
	}
	for reason, members := range map[string][]Scorer{"one": {a}, "none": nil, "twice the same": {a, a}} {
		if _, err := NewPanel("panel", members...); err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
	if _, err := NewPanel("", a, b); err == nil {
		t.Error("no name: no error")
	}
}
