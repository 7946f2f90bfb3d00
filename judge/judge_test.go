package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// fake answers the calls of a test in order, and keeps them.
type fake struct {
	replies []any // a string is a reply's text, an error the call's, a Generation itself
	calls   []providers.GenerateRequest
}

func (f *fake) Generate(_ context.Context, req providers.GenerateRequest) (providers.Generation, error) {
	reply := f.replies[len(f.calls)%len(f.replies)]
	f.calls = append(f.calls, req)
	switch r := reply.(type) {
	case string:
		return providers.Generation{Text: r, FinishReason: "stop"}, nil
	case error:
		return providers.Generation{}, r
	case providers.Generation:
		return r, nil
	}
	panic("fake: unknown reply")
}

func score(v int) string { return fmt.Sprintf(`{"reason":"x","score":%d}`, v) }
func interval(v, lo, hi int) string {
	return fmt.Sprintf(`{"reason":"x","score":%d,"lower":%d,"upper":%d}`, v, lo, hi)
}

var (
	tag    = providers.Tag{Stage: "judge", Key: dataset.Key{PromptID: "p1", Policy: "p0"}}
	prompt = dataset.Prompt{ID: "p1", Text: "What is 2+2?"}
)

func config(g Generator) Config { return Config{Name: "j", Generator: g, Model: "m"} }

// build makes a judge of one kind, with five readings if it is a repeated one.
func build(kind Source, c Config) (Scorer, error) {
	switch kind {
	case SourceDeterministic:
		return NewDeterministic(c)
	case SourceRepeated:
		return NewRepeated(c, 5)
	}
	return NewInterval(c)
}

func scorer(t *testing.T, kind Source, c Config) Scorer {
	t.Helper()
	s, err := build(kind, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func repeated(t *testing.T, c Config, k int) Scorer {
	t.Helper()
	s, err := NewRepeated(c, k)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// near takes numbers for equal if they differ by rounding.
var near = cmp.Options{cmpopts.EquateApprox(1e-12, 1e-15), cmp.Comparer(func(a, b dataset.Float) bool {
	return a == b || math.Abs(a.OrNaN()-b.OrNaN()) <= 1e-12*math.Abs(b.OrNaN())
})}

func TestScore(t *testing.T) {
	tests := []struct {
		kind    Source
		scale   Scale
		draws   int
		replies []any
		want    Score
		reason  string
	}{
		{SourceDeterministic, Scale{}, 0, []any{score(85)}, Score{Mean: dataset.Known(.85), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "85 of 100"},
		{SourceDeterministic, Scale{}, 0, []any{score(1)}, Score{Mean: dataset.Known(.01), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "1 of 100 is next to nothing, never 1.0"},
		{SourceDeterministic, Scale{}, 0, []any{score(0)}, Score{Mean: dataset.Known(0), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "the worst is a score"},
		{SourceDeterministic, Scale{}, 0, []any{score(100)}, Score{Mean: dataset.Known(1), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "the best"},
		{SourceDeterministic, Scale{1, 5}, 0, []any{score(2)}, Score{Mean: dataset.Known(.25), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "Min is 0, not Min/Max"},
		{SourceDeterministic, Scale{-10, 10}, 0, []any{score(0)}, Score{Mean: dataset.Known(.5), Variance: dataset.Known(0),
			Source: SourceDeterministic}, "a scale through 0"},
		{SourceRepeated, Scale{}, 2, []any{score(40), score(60)},
			Score{Mean: dataset.Known(.5), Variance: dataset.Known(.01), Source: SourceRepeated,
				Readings: []float64{.4, .6}}, "s² = .02 by n-1, over 2"},
		{SourceRepeated, Scale{}, 4, []any{score(40), score(60)},
			Score{Mean: dataset.Known(.5), Variance: dataset.Known(.04 / 3 / 4), Source: SourceRepeated,
				Readings: []float64{.4, .6, .4, .6}}, "s² = .04/3, over 4"},
		{SourceRepeated, Scale{}, 0, []any{score(70)}, Score{Mean: dataset.Known(.7), Variance: dataset.Known(0),
			Source: SourceRepeated, Readings: []float64{.7, .7, .7, .7, .7}}, "agreement is variance 0"},
		{SourceInterval, Scale{}, 0, []any{interval(70, 50, 89)},
			Score{Mean: dataset.Known(.7), Variance: dataset.Known(.39 * .39 / 3.92 / 3.92),
				Source: SourceInterval}, "(width/3.92)²"},
		{SourceInterval, Scale{}, 0, []any{interval(70, 70, 70)}, Score{Mean: dataset.Known(.7), Variance: dataset.Known(0),
			Source: SourceInterval}, "a model may claim certainty"},
	}
	for _, tt := range tests {
		f := &fake{replies: tt.replies}
		c := config(f)
		c.Scale = tt.scale
		s := scorer(t, tt.kind, c)
		if tt.draws > 0 {
			s = repeated(t, c, tt.draws)
		}
		got, err := s.Score(t.Context(), tag, prompt, "4")
		if err != nil {
			t.Errorf("%s: %v", tt.reason, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got, near); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", tt.kind, tt.reason, diff)
		}
	}
}

func TestUnscored(t *testing.T) {
	all := []Source{SourceDeterministic, SourceRepeated, SourceInterval}
	tests := []struct {
		kinds  []Source
		reply  any
		want   Reason
		reason string
	}{
		{all, "I would say 85.", ReasonUnparsable, "prose"},
		{all, `{"reason":"x","score":85`, ReasonUnparsable, "torn"},
		{all[:2], interval(85, 1, 99), ReasonUnparsable, "keys that were not asked for"},
		{all, score(101), ReasonUnparsable, "off the scale"},
		{all, `{"reason":"x","score":8.5}`, ReasonUnparsable, "not whole"},
		{all, "", ReasonEmptyResponse, "nothing"},
		{all, providers.Generation{Text: score(85), Refusal: "no"}, ReasonRefused, "refused"},
		{all, providers.Generation{Text: `{"reason":"x"`, FinishReason: "length"}, ReasonTruncated, "cut"},
		{all, providers.Generation{FinishReason: "content_filter"}, ReasonFiltered, "filtered"},
		{all, &providers.Error{Class: providers.ClassFiltered}, ReasonFiltered, "filtered by an error"},
		{all[2:], interval(50, 60, 90), ReasonUnparsable, "below its own interval"},
		{all[2:], interval(95, 60, 90), ReasonUnparsable, "above its own interval"},
		{all[2:], interval(70, 90, 60), ReasonUnparsable, "ends reversed"},
		{all[2:], interval(70, 60, 101), ReasonUnparsable, "a bound off the scale"},
		{all[2:], score(70), ReasonUnparsable, "no interval"},
	}
	for _, tt := range tests {
		for _, kind := range tt.kinds {
			s := scorer(t, kind, config(&fake{replies: []any{tt.reply}}))
			got, err := s.Score(t.Context(), tag, prompt, "4")
			var unscored *UnscoredError
			if !errors.As(err, &unscored) || unscored.Reason != tt.want || unscored.Grader != s.Identity() ||
				unscored.Key != tag.Key {
				t.Errorf("%s: %s: error %v, want one with reason %s", kind, tt.reason, err, tt.want)
			}
			if !cmp.Equal(got, Score{}) {
				t.Errorf("%s: %s: an unscored response came with %+v", kind, tt.reason, got)
			}
		}
	}
}

func TestOneUnscoredReadingLeavesNone(t *testing.T) {
	f := &fake{replies: []any{score(40), "prose", score(60)}}
	_, err := repeated(t, config(f), 3).Score(t.Context(), tag, prompt, "4")
	var unscored *UnscoredError
	if !errors.As(err, &unscored) || len(f.calls) != 2 || !strings.Contains(err.Error(), "reading 2 of 3") {
		t.Errorf("error %v after %d calls: the mean of the survivors is no score", err, len(f.calls))
	}
}

func TestCallErrorsPassThrough(t *testing.T) {
	for _, cause := range []error{&providers.Error{Class: providers.ClassQuota}, context.Canceled} {
		s := scorer(t, SourceDeterministic, config(&fake{replies: []any{cause}}))
		_, err := s.Score(t.Context(), tag, prompt, "4")
		var unscored *UnscoredError
		if !errors.Is(err, cause) || errors.As(err, &unscored) || !strings.Contains(err.Error(), tag.Key.String()) {
			t.Errorf("error %v: want it to name the record, wrap %v and not be unscored", err, cause)
		}
	}
}

func TestRequests(t *testing.T) {
	for kind, temperature := range map[Source]float64{SourceDeterministic: 0, SourceInterval: 0, SourceRepeated: .7} {
		f := &fake{replies: []any{score(50)}}
		if kind == SourceInterval {
			f.replies = []any{interval(50, 40, 60)}
		}
		s := scorer(t, kind, config(f))
		for range 2 {
			if _, err := s.Score(t.Context(), tag, prompt, "4"); err != nil {
				t.Fatal(err)
			}
		}
		half := len(f.calls) / 2
		if diff := cmp.Diff(f.calls[:half], f.calls[half:]); diff != "" {
			t.Errorf("%s: the same question was asked in other words:\n%s", kind, diff)
		}
		seeds, calls := map[int64]bool{}, map[string]bool{}
		for _, r := range f.calls[:half] {
			want := offpolicy.Sampling{Temperature: temperature, TopP: 1, TopK: 0, MaxTokens: 200}
			if r.Sampling != want || r.Model != "m" || r.Schema == nil || r.Tag.Key != tag.Key || r.Tag.Stage != tag.Stage {
				t.Errorf("%s: request %+v", kind, r)
			}
			if kind != SourceRepeated {
				continue
			}
			if r.Seed == nil || *r.Seed < 0 || *r.Seed > math.MaxInt32 || seeds[*r.Seed] || calls[r.Tag.Call] {
				t.Errorf("%s: seed %v, call %q: want a small seed and a name of its own for each reading",
					kind, r.Seed, r.Tag.Call)
				continue
			}
			seeds[*r.Seed], calls[r.Tag.Call] = true, true
		}
		if want := map[Source]int{SourceRepeated: 5}[kind]; kind == SourceRepeated &&
			(len(seeds) != want || !calls["draw0"]) {
			t.Errorf("%d readings, calls %v, want %d", len(seeds), calls, want)
		}
	}
	f := &fake{replies: []any{score(50)}}
	s := scorer(t, SourceRepeated, config(f))
	other := tag
	other.Key, other.Call = dataset.Key{PromptID: "p2", Policy: "p0"}, "canary"
	for _, tg := range []providers.Tag{tag, other} {
		if _, err := s.Score(t.Context(), tg, prompt, "4"); err != nil {
			t.Fatal(err)
		}
	}
	if *f.calls[0].Seed == *f.calls[5].Seed {
		t.Error("another record must draw from another stream")
	}
	if f.calls[5].Tag.Call != "canary/draw0" {
		t.Errorf("call %q: the caller's own name of the call is kept", f.calls[5].Tag.Call)
	}
}

// The form of the reply reaches the model with the reason first.
func TestSchemaOrder(t *testing.T) {
	f := &fake{replies: []any{interval(50, 40, 60)}}
	if _, err := scorer(t, SourceInterval, config(f)).Score(t.Context(), tag, prompt, ""); err != nil {
		t.Fatalf("an empty response is judged like any other: %v", err)
	}
	b, err := json.Marshal(f.calls[0].Schema.Schema)
	if err != nil {
		t.Fatal(err)
	}
	var at []int
	for _, key := range []string{`"reason":`, `"score":`, `"lower":`, `"upper":`} {
		at = append(at, strings.Index(string(b), key))
	}
	if !(0 < at[0] && at[0] < at[1] && at[1] < at[2] && at[2] < at[3]) {
		t.Errorf("properties at %v in %s", at, b)
	}
}

func TestIdentity(t *testing.T) {
	seen := map[string]string{}
	add := func(what string, s Scorer) {
		_, hash, _ := strings.Cut(s.Identity(), "@")
		if before, ok := seen[hash]; ok {
			t.Errorf("%s and %s have one identity", what, before)
		}
		seen[hash] = what
	}
	base := config(&fake{replies: []any{score(1)}})
	add("deterministic", scorer(t, SourceDeterministic, base))
	add("repeated", scorer(t, SourceRepeated, base))
	add("interval", scorer(t, SourceInterval, base))
	for what, change := range map[string]func(*Config){
		"model": func(c *Config) { c.Model = "n" }, "rubric": func(c *Config) { c.Rubric = "r" },
		"scale": func(c *Config) { c.Scale = Scale{0, 10} }, "max tokens": func(c *Config) { c.MaxTokens = 99 },
	} {
		c := base
		change(&c)
		add(what, scorer(t, SourceDeterministic, c))
	}
	add("readings", repeated(t, base, 3))
	c := base
	c.MaxTokens, c.Scale = 200, Scale{0, 100}
	if got, want := scorer(t, SourceRepeated, c).Identity(), scorer(t, SourceRepeated, base).Identity(); got != want {
		t.Error("a default written out is the same judge")
	}
	if id := scorer(t, SourceDeterministic, base).Identity(); !strings.HasPrefix(id, "j@") {
		t.Errorf("identity %q does not begin with the name", id)
	}
}

func TestConfigErrors(t *testing.T) {
	good := config(&fake{})
	tests := []struct {
		kind   Source
		change func(*Config)
		want   string
		reason string
	}{
		{SourceDeterministic, func(c *Config) { c.Generator = nil }, "Generator", "nothing to ask"},
		{SourceDeterministic, func(c *Config) { c.Name = "" }, "Name", "records need it"},
		{SourceDeterministic, func(c *Config) { c.Model = "" }, "Model", "nothing to ask for"},
		{SourceDeterministic, func(c *Config) { c.Scale = Scale{5, 1} }, "scale", "reversed"},
		{SourceDeterministic, func(c *Config) { c.MaxTokens = -1 }, "MaxTokens", "negative"},
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		s, err := build(tt.kind, c)
		if s != nil {
			t.Errorf("%s: %s: a judge came with the error", tt.kind, tt.reason)
		}
		if err == nil || !strings.HasPrefix(err.Error(), "judge: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %s: error %v, want one about %q", tt.kind, tt.reason, err, tt.want)
		}
	}
	for _, k := range []int{-2, 0, 1} {
		if s, err := NewRepeated(good, k); s != nil || err == nil || !strings.Contains(err.Error(), "readings") {
			t.Errorf("%d readings: error %v: fewer than two have no variance", k, err)
		}
	}
}

func TestRecord(t *testing.T) {
	s := scorer(t, SourceDeterministic, config(&fake{}))
	key := dataset.Key{PromptID: "p1", Policy: "p0", DrawIdx: 2}
	ok := Score{Mean: dataset.Known(.5), Variance: dataset.Known(.01), Source: SourceRepeated}
	tests := []struct {
		score  Score
		err    error
		class  Reason // of the record's error; empty for a value
		reason string
	}{
		{ok, nil, "", "a score"},
		{Score{Mean: dataset.Known(0), Variance: dataset.Known(0), Source: SourceDeterministic}, nil, "",
			"the worst score is a score"},
		{Score{Mean: dataset.Known(1), Source: "own"}, nil, "", "a scorer of one's own may know no variance"},
		{Score{}, &UnscoredError{Reason: ReasonUnparsable}, ReasonUnparsable, "unscored"},
		{Score{}, fmt.Errorf("reading 2: %w", &UnscoredError{Reason: ReasonRefused}), ReasonRefused, "wrapped"},
		{Score{}, &UnscoredError{Reason: ReasonFiltered, Err: &providers.Error{Class: providers.ClassFiltered}},
			ReasonFiltered, "the judge's reason before the call's class"},
		{Score{}, &providers.Error{Class: providers.ClassOverloaded}, "overloaded", "a failed call"},
		{Score{}, errors.New("?"), "error", "anything else"},
		{ok, errors.New("?"), "error", "an error outranks a score"},
		{Score{Source: "x"}, nil, ReasonInvalid, "NaN is no score"},
		{Score{Mean: dataset.Known(85), Source: "x"}, nil, ReasonInvalid, "off the scale"},
		{Score{Mean: dataset.Known(.5), Variance: dataset.Known(-1), Source: "x"}, nil, ReasonInvalid,
			"no variance is negative"},
		{Score{Mean: dataset.Known(.5), Variance: dataset.Known(math.Inf(1)), Source: "x"}, nil,
			ReasonInvalid, "nor infinite"},
		{Score{Mean: dataset.Known(.5)}, nil, ReasonInvalid, "a variance without a source is an assertion"},
	}
	for _, tt := range tests {
		r := Record(key, "hash", s, tt.score, tt.err)
		if r.Key() != key || r.Judge != s.Identity() || r.PolicyHash != "hash" || r.Calibrated.Valid() {
			t.Errorf("%s: %+v", tt.reason, r)
		}
		if tt.class == "" {
			if r.Error != nil || r.Mean.OrNaN() != tt.score.Mean.OrNaN() || r.Source != string(tt.score.Source) ||
				r.Variance.Valid() == !tt.score.Variance.Valid() {
				t.Errorf("%s: %+v", tt.reason, r)
			}
		} else if r.Error == nil || r.Error.Class != string(tt.class) || r.Error.Message == "" || r.Mean.Valid() ||
			r.Variance.Valid() || r.Source != "" {
			t.Errorf("%s: %+v, want nulls and an error of class %s", tt.reason, r, tt.class)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%s: %v", tt.reason, err)
		}
	}
}

func TestUnscoredErrorSays(t *testing.T) {
	s := scorer(t, SourceDeterministic, config(&fake{replies: []any{"I'd say 9/10"}}))
	_, err := s.Score(t.Context(), tag, prompt, "4")
	for _, want := range []string{"judge: ", s.Identity(), "p1/p0/0", "unparsable", "I'd say 9/10", "JSON schema"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
