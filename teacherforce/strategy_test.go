package teacherforce

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// custom is a strategy of a caller's own that always says the same.
type custom struct{ answer Reading }

func (custom) Name() string           { return "custom" }
func (c custom) Score(_ Pair) Reading { return c.answer }

// TestStrategyIsChecked: an answer that is no log-probability of the tokens asked
// for is a failure, whoever gives it.
func TestStrategyIsChecked(t *testing.T) {
	ok := func(v float64, tokens ...float64) Reading {
		return Reading{MethodResult: MethodResult{LogProb: dataset.Known(v), Status: OK}, TokenLogProbs: tokens}
	}
	sampled := Response{Text: "Hi.", TokenIDs: []int{1, 2}, Model: policy("llama4").Model}
	for _, c := range []struct {
		name     string
		answer   Reading
		response Response
		class    Reason // empty: accepted
		message  string
		reason   string
	}{
		{"a value", ok(-2, -1, -1), Response{Text: answer}, "", "", "a strategy may answer"},
		{"+2 nats", ok(2, 1, 1), Response{Text: answer}, ReasonInvalid, "+2 nats", "a probability above 1"},
		{"-Inf", ok(math.Inf(-1), -1), Response{Text: answer}, ReasonInvalid, "-Inf", "no echo states a probability of 0"},
		{"NaN", ok(math.NaN(), -1), Response{Text: answer}, ReasonMissing, "no value", "ok promises a value"},
		{"a positive token", ok(-1, -2, 1), Response{Text: answer}, ReasonInvalid, "token 1", "a sum hides it"},
		{"a token without a value", ok(-1, math.NaN(), -1), Response{Text: answer}, ReasonMissing, "token 0",
			"a null is not skipped"},
		{"no tokens", ok(-1), Response{Text: answer}, ReasonInvalid, "no tokens", "a value is of tokens"},
		{"fewer tokens than sampled", ok(-1, -1), sampled, ReasonInvalid, "1 tokens, and 2 were sampled", "of another text"},
		{"nothing", Reading{}, Response{Text: answer}, ReasonInvalid, "status", "the zero value answers nothing"},
		{"failed without a reason", Reading{MethodResult: MethodResult{Status: Failed}}, Response{Text: answer},
			ReasonInvalid, "reason", "counts of reasons add up"},
		{"failed with a value", Reading{MethodResult: MethodResult{LogProb: dataset.Known(-1), Status: Failed,
			Reason: ReasonSeam}},
			Response{Text: answer}, ReasonInvalid, "no value", "a failure has no number"},
		{"failed", Reading{MethodResult: MethodResult{Status: Failed, Reason: ReasonSeam}}, Response{Text: answer},
			ReasonSeam, "", "it may fail"},
	} {
		f, err := New(Config{Scorer: &fake{}, Strategies: []Strategy{custom{c.answer}}})
		if err != nil {
			t.Fatal(err)
		}
		res, err := f.Score(t.Context(), tag(), policy("llama4"), prompt(question), c.response)
		if c.class == "" {
			if err != nil || res.LogProb != c.answer.LogProb || res.Method != "custom" {
				t.Errorf("%s: %+v, %v: %s", c.name, res, err, c.reason)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || e.Reason != c.class || !strings.Contains(e.Message, c.message) {
			t.Errorf("%s: %v, want %s and %q: %s", c.name, err, c.class, c.message, c.reason)
			continue
		}
		if m := e.Methods["custom"]; m.Status != Failed || m.Reason == "" || m.LogProb.Valid() {
			t.Errorf("%s: the method's result is %+v, want a failure with a reason and no value", c.name, m)
		}
	}
}
