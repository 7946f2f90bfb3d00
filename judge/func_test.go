package judge

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

func TestFunc(t *testing.T) {
	trouble := errors.New("trouble")
	tests := []struct {
		value  float64
		err    error
		class  Reason // of the record's error; empty for a score
		reason string
	}{
		{.5, nil, "", "a score"},
		{0, nil, "", "the worst is a score"},
		{85, nil, ReasonInvalid, "not in [0, 1]"},
		{math.NaN(), nil, ReasonInvalid, "not a number"},
		{math.Inf(1), nil, ReasonInvalid, "nor is this in [0, 1]"},
		{.5, trouble, "error", "an error outranks a number"},
		{0, &providers.Error{Class: providers.ClassQuota}, "quota", "a function may call a service too"},
	}
	key := dataset.Key{PromptID: "p1", Policy: "p0"}
	for _, tt := range tests {
		s := Func("mine@1", func(_ context.Context, p dataset.Prompt, response string) (float64, error) {
			if p.ID != prompt.ID || response != "4" {
				t.Errorf("%s: called with %q, %q", tt.reason, p.ID, response)
			}
			return tt.value, tt.err
		})
		got, err := s.Score(t.Context(), tag, prompt, "4")
		if tt.err != nil && !errors.Is(err, tt.err) || err != nil &&
			(!strings.Contains(err.Error(), "mine@1") || !strings.Contains(err.Error(), tag.Key.String())) {
			t.Errorf("%s: error %v", tt.reason, err)
		}
		r := Record(key, "hash", s, got, err)
		switch {
		case tt.class == "" && (r.Error != nil || r.Mean != dataset.Known(tt.value) || r.Variance.Valid() ||
			r.Source != string(SourceFunction) || r.Judge != "mine@1"):
			t.Errorf("%s: %+v", tt.reason, r)
		case tt.class != "" && (r.Error == nil || r.Error.Class != string(tt.class) || r.Mean.Valid()):
			t.Errorf("%s: %+v, want class %s", tt.reason, r, tt.class)
		}
	}
	for reason, wrong := range map[string]func(){
		"no identity": func() { Func("", func(context.Context, dataset.Prompt, string) (float64, error) { return 0, nil }) },
		"no function": func() { Func("mine@1", nil) },
	} {
		func() {
			defer func() {
				if s, _ := recover().(string); !strings.HasPrefix(s, "judge: ") {
					t.Errorf("%s: panic %q, want one that names the package", reason, s)
				}
			}()
			wrong()
		}()
	}
}

// A model that samples as it likes does not repeat itself, so that one reading
// states no variance; several do.
func TestDefaultSampling(t *testing.T) {
	reply := func(v int) providers.Generation {
		return providers.Generation{Text: score(v), FinishReason: providers.FinishStop, DefaultSampling: true}
	}
	f := &fake{replies: []any{reply(40), reply(60)}}
	got, err := scorer(t, SourceDeterministic, config(f)).Score(t.Context(), tag, prompt, "4")
	if err != nil || got.Mean != dataset.Known(.4) || got.Variance.Valid() || !f.calls[0].AnySampling {
		t.Errorf("%+v, %v", got, err)
	}
	f = &fake{replies: []any{reply(40), reply(60)}}
	got, err = repeated(t, config(f), 2).Score(t.Context(), tag, prompt, "4")
	if v, ok := got.Variance.Get(); err != nil || !ok || math.Abs(v-.01) > 1e-12 {
		t.Errorf("%+v, %v", got, err)
	}
}
