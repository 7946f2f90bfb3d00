package pilot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/engine"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// RunPreflight runs the preflight alone: free calls only, nothing written.
func RunPreflight(ctx context.Context, cfg Config) (Preflight, error) {
	soft, release := gently(ctx, cfg.Stop)
	defer release()
	p, err := newPreflight(soft, cfg)
	return p.found, err
}

// Run runs the pilot in cfg.Dir, from where an earlier start left it, and
// returns its verdict, which is also in the folder.
//
// The error is a [*PreflightError] where the run was refused before anything
// was spent; it wraps context.Canceled, beside a verdict of state
// "interrupted", where ctx or cfg.Stop ended the run, which can then be resumed.
// A run that failed has a verdict that says so, and no error.
//
// With Config.Looks the run grows by steps and may end before its last one: a warning of
// the verdict says so, and why.
func Run(ctx context.Context, cfg Config) (*Verdict, error) {
	if cfg.Looks > 1 && cfg.Anytime > 0 && cfg.Shard.Whole() {
		return runLooks(ctx, cfg)
	}
	v, _, err := runOnce(ctx, cfg)
	return v, err
}

// runOnce runs it at one size. end says that it is not to grow further: it was stopped, or
// decides.
func runOnce(ctx context.Context, cfg Config) (v *Verdict, end bool, err error) {
	started := time.Now()
	soft, release := gently(ctx, cfg.Stop)
	defer release()
	p, err := newPreflight(soft, cfg)
	if err != nil {
		return nil, false, err
	}
	if p.cfg.Announce != nil {
		p.cfg.Announce(p.found)
	}
	w := &writer{cfg: &p.cfg, started: started, estimate: p.found.Cost, warnings: p.found.Warnings}
	j := p.job()
	if p.cfg.Render != nil {
		j.Show = func(rec *record.Records) error { _, err := w.write(rec); return err }
	}
	r, err := engine.Open(ctx, j)
	if err != nil {
		return nil, false, p.cfg.refused(err)
	}
	defer r.Close()
	w.warnings = append(w.warnings, r.Warnings...)
	rec, err := r.Do(soft)
	if err != nil {
		return nil, false, err
	}
	if rec.Stop == nil && rec.Evaluation != nil && p.cfg.Anytime > 0 {
		var why string
		end, why = rec.Evaluation.Decided(p.cfg.Resolution)
		w.warnings = append(w.warnings, fmt.Sprintf("looked at after %s: %s",
			record.Plural(rec.Prompts.Len(), "prompt", "prompts"), why))
	}
	if v, err = w.write(rec); err != nil {
		return nil, false, err
	}
	if s := rec.Stop; s != nil && s.Kind == record.StopInterrupted {
		return v, false, fmt.Errorf("pilot: interrupted in stage %s; start again to go on: %w", s.Stage, context.Canceled)
	}
	return v, end || rec.Stop != nil, nil
}

// ReadEvaluation reads from a run's folder what its evaluation is made of: the samples,
// joined from its records, and the configuration that the run evaluated them with.
// [offpolicy.Evaluate] of the two is the evaluation in report.json, to the last digit.
//
// It is an error if dir is not the folder of a run, or one of an earlier build.
func ReadEvaluation(dir string) (offpolicy.Samples, offpolicy.Config, error) {
	return engine.ReadEvaluation(dir)
}

// writer makes verdicts of the records of one start, and has them rendered.
type writer struct {
	cfg      *Config
	started  time.Time
	estimate record.CostEstimate
	warnings []string
}

func (w *writer) write(rec *record.Records) (*Verdict, error) {
	v := w.verdict(rec)
	if w.cfg.Render != nil {
		if err := w.cfg.Render(w.cfg.Dir, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// gently returns the context under which calls are begun: it ends with ctx, and
// when the run is asked to stop.
func gently(ctx context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	soft, cancel := context.WithCancelCause(ctx)
	if stop != nil {
		go func() {
			select {
			case <-stop:
				cancel(errStopped)
			case <-soft.Done():
			}
		}()
	}
	return soft, func() { cancel(nil) }
}

// errStopped is the cause of a run that was asked to stop.
var errStopped = errors.New("asked to stop")
