package pilot

import (
	"context"
	"errors"
	"fmt"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// runLooks runs ever larger parts of the sample, each extending the one before, until one
// of them decides or the whole one is done. Sizes that an earlier start has passed, and
// those that have too few labels for any estimate, are left out.
func runLooks(ctx context.Context, cfg Config) (*Verdict, error) {
	whole, err := RunPreflight(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Announce != nil {
		cfg.Announce(whole)
		cfg.Announce = nil
	}
	n := len(cfg.Prompts)
	for k := 1; k <= cfg.Looks; k++ {
		size := n * k / cfg.Looks
		if size == n*(k-1)/cfg.Looks {
			continue // nothing new
		}
		part := cfg
		if part.Prompts, err = dataset.SamplePrompts(cfg.Prompts, size, cfg.Seed); err != nil {
			return nil, fmt.Errorf("pilot: %w", err)
		}
		part.Labels.Probes = cfg.Labels.Probes * size / n
		if size < n && logged(part.withDefaults().assignments()) < offpolicy.MinLabels {
			continue // nothing is estimated from so few
		}
		v, end, err := runOnce(ctx, part)
		switch {
		case errors.Is(err, record.ErrShortened) && size < n:
			continue
		case err != nil, end, size == n:
			return v, err
		}
	}
	panic("pilot: the last look is of all prompts") // never: size is n there
}
