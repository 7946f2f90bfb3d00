package oracle

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
)

func TestFunc(t *testing.T) {
	trouble := errors.New("trouble")
	tests := []struct {
		value  float64
		err    error
		class  judge.Reason // of the record's error; empty for a label
		reason string
	}{
		{.5, nil, "", "a label"},
		{0, nil, "", "the worst is a label"},
		{85, nil, judge.ReasonInvalid, "not in [0, 1]"},
		{math.NaN(), nil, judge.ReasonInvalid, "not a number"},
		{.5, trouble, "error", "an error outranks a number"},
	}
	for _, tt := range tests {
		o := Func("mine@1", func(_ context.Context, p dataset.Prompt, response string) (float64, error) {
			if p.ID != prompt.ID || response != "4" {
				t.Errorf("%s: called with %q, %q", tt.reason, p.ID, response)
			}
			return tt.value, tt.err
		})
		got, err := o.Label(t.Context(), tag, prompt, "4")
		if tt.err != nil && !errors.Is(err, tt.err) || err != nil && (!strings.HasPrefix(err.Error(), "oracle: mine@1") ||
			!strings.Contains(err.Error(), key.String())) {
			t.Errorf("%s: error %v", tt.reason, err)
		}
		r := Record(Assignment{Key: key, Role: RoleCalibration}, "hash", o, got, err)
		if tt.class == "" && (r.Label != dataset.Known(tt.value) || r.Oracle != "mine@1") || tt.class != "" &&
			(r.Error == nil || r.Error.Class != string(tt.class) || r.Label.Valid()) {
			t.Errorf("%s: %+v, want class %q", tt.reason, r, tt.class)
		}
	}
	mustPanic(t, func() { Func("", func(context.Context, dataset.Prompt, string) (float64, error) { return 0, nil }) })
	mustPanic(t, func() { Func("mine@1", nil) })
}
