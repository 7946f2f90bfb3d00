package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// TestReadmeExampleRefuses: what forbids a weight is an error of the example in the
// README, and no number.
func TestReadmeExampleRefuses(t *testing.T) {
	server := sim.New(sim.Config{})
	defer server.Close()
	p0 := offpolicy.Policy{
		Name: "p0", Model: sim.ScoutModel, Template: "llama4",
		Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, TopK: 0, MaxTokens: 64},
	}
	cold, unknown, unpriced := p0, p0, p0
	cold.Name, cold.Sampling.Temperature = "cold", .3
	unknown.Name, unknown.Model = "unknown", "accounts/fireworks/models/no-such-model"
	unpriced.Name, unpriced.Model = "unpriced", "accounts/fireworks/models/never-priced"
	var logged []teacherforce.Logged
	for i := range 100 {
		logged = append(logged, teacherforce.Logged{
			Prompt:   dataset.Prompt{ID: fmt.Sprintf("q%02d", i), Text: fmt.Sprintf("What is %d * 23?", i)},
			Response: teacherforce.Response{Text: "That depends on how you look at it.", Ended: true},
		})
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	class := func(want providers.Class) func(error) bool {
		return func(err error) bool {
			var e *providers.Error
			return errors.As(err, &e) && e.Class == want
		}
	}
	for _, tt := range []struct {
		reason string
		ctx    context.Context
		client *providers.Client
		target offpolicy.Policy
		right  func(error) bool
	}{
		{"another temperature", context.Background(), simulated(server), cold, func(err error) bool {
			var wide *teacherforce.IntervalRatioError // five alternatives to each token are too few
			return errors.As(err, &wide) && wide.Side == "target"
		}},
		{"a context that ended", ended, simulated(server), cold,
			func(err error) bool { return errors.Is(err, context.Canceled) }},
		{"a spent budget", context.Background(), simulatedWithin(server, providers.NewBudget(1e-5)), p0,
			class(providers.ClassBudget)},
		{"an unknown model", context.Background(), simulated(server), unknown, class(providers.ClassModelNotFound)},
		{"a model without a price", context.Background(), simulated(server), unpriced,
			func(err error) bool { return errors.Is(err, providers.ErrNoPrice) }},
	} {
		w, err := weigh(tt.ctx, tt.client, p0, tt.target, logged)
		if w != nil || !tt.right(err) {
			t.Errorf("%s: weights %v, error %v", tt.reason, w, err)
		}
	}
	// One response that cannot be scored is a gap, and no error.
	logged[7].Response.Filtered = true
	clone := p0
	clone.Name = "clone"
	w, err := weigh(context.Background(), simulated(server), p0, clone, logged)
	if err != nil || w.N != 99 || w.Missing != 1 || w.Mean != 1 {
		t.Errorf("one response filtered: %+v, %v", w, err)
	}
	for i := range logged {
		logged[i].Response.Filtered = true
	}
	if _, err := weigh(context.Background(), simulated(server), p0, clone, logged); err == nil ||
		!strings.Contains(err.Error(), "none of 100") {
		t.Errorf("nothing can be scored: %v", err)
	}
}
