package pilot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// badListing is a service whose listing of models is not to be had.
type badListing struct {
	providers.Provider
	list func(context.Context) ([]providers.Model, error)
}

func (b badListing) Models(ctx context.Context) ([]providers.Model, error) { return b.list(ctx) }

// TestPreflightSaysWhatItWaitsFor: while a listing fails or is late, something is said at
// least every half minute, and a service that does not answer at all is given up in minutes.
func TestPreflightSaysWhatItWaitsFor(t *testing.T) {
	for _, c := range []struct {
		name, says string
		list       func(context.Context) ([]providers.Model, error)
	}{
		{"no answer", "timeout", func(ctx context.Context) ([]providers.Model, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		{"refused", "overloaded, status 503", func(context.Context) ([]providers.Model, error) {
			return nil, &providers.Error{Class: providers.ClassOverloaded, Status: 503, Err: errors.New("down")}
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := sim.New(sim.Config{Seed: 7})
			defer s.Close()
			cfg := config(t, s, t.TempDir(), 2)
			cfg.Policies, cfg.Retry = badListing{cfg.Policies, c.list}, providers.Retry{}
			begun := time.Now()
			last, longest, said := begun, time.Duration(0), ""
			cfg.Progress = func(e record.Event) {
				longest, last = max(longest, time.Since(last)), time.Now()
				said += e.Alert + "\n"
			}
			_, err := pilot.RunPreflight(t.Context(), cfg)
			took := time.Since(begun)
			var refused *pilot.PreflightError
			if !errors.As(err, &refused) || took > 6*time.Minute {
				t.Errorf("%s: %v after %v", c.name, err, took)
			}
			if longest = max(longest, time.Since(last)); longest > time.Minute || !strings.Contains(said, c.says) ||
				!strings.Contains(said, "waiting for") {
				t.Errorf("%s: silent for %v, said\n%s", c.name, longest, said)
			}
		})
	}
}
