package engine

import (
	"fmt"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

// progress completes an event and passes it on.
func (r *Run) progress(e record.Event) {
	if r.job.Progress == nil {
		return
	}
	e.Limited, e.Retries = int(r.limited.Load()), int(r.retries.Load())
	e.Spent, e.Reserved = r.store.money()
	e.Budget = r.job.Budget
	e.InFlight, e.Allowed = r.inFlight()
	e.Forcing = r.store.forcing()
	if e.Alert == "" {
		e.Alert = r.alert(e.Spent + e.Reserved)
	}
	r.job.Progress(e)
}

// inFlight adds up the attempts that are on their way, and how many may be, over
// the models of the run.
func (r *Run) inFlight() (now, allowed int) {
	add := func(c *providers.Client, models []string) {
		for _, m := range models {
			s := c.LimitStatus(m)
			now += s.InFlight
			allowed += s.Concurrency
		}
	}
	add(r.policies, r.job.Arms.Models())
	if r.grader != nil {
		add(r.grader, r.job.GraderModels)
	}
	return now, allowed
}

// budgetAlerts are the shares of the budget, in percent, whose spending is told
// of, once each a start.
var budgetAlerts = []int64{100, 80, 50}

// alert says that another share of the budget is spent, the first time it is.
// Attempts in flight count at their reservation, so that an alert comes too
// early rather than too late.
func (r *Run) alert(spent providers.USD) string {
	if r.job.Budget <= 0 {
		return ""
	}
	for _, percent := range budgetAlerts {
		before := r.alerted.Load()
		// To a hundredth of a percent: a budget that is spent to the last call
		// is rarely spent to the last cent.
		if 100*float64(spent) < (float64(percent)-0.01)*float64(r.job.Budget) || percent <= before {
			continue
		}
		if r.alerted.CompareAndSwap(before, percent) {
			return fmt.Sprintf("%d%% of the budget of $%.2f is spent or reserved", percent, float64(r.job.Budget))
		}
	}
	return ""
}

// A running report is rewritten every renderEvery; if writing it takes long, so much less
// often that it takes a twentieth of the time. What it shows is never older than staleAfter,
// or a tenth of the time that this start has taken, whichever is more.
const (
	renderEvery = 2 * time.Second
	staleAfter  = time.Minute
)

// untilNext is how long a running report is left as it is, if the last one took so long to
// write, the run having gone on for ran.
func untilNext(took, ran time.Duration) time.Duration {
	stale := max(staleAfter, ran/10) - took // writing the next takes as long
	return min(max(renderEvery, 20*took), max(stale, took))
}

func (r *Run) renderAsItGoes(quit <-chan struct{}, stages []*stage) {
	start := time.Now()
	t := time.NewTimer(renderEvery)
	defer t.Stop()
	for {
		select {
		case <-quit:
			return
		case <-t.C:
			begun := time.Now()
			// A running report is a courtesy: what keeps it from being
			// written will keep the last one from it too, and stop the run.
			if open := unfinished(stages); len(open) > 0 {
				_ = r.show(&record.Stop{Stage: open[0], Kind: record.StopRunning, Message: "the run is under way", Open: open})
			}
			t.Reset(untilNext(time.Since(begun), time.Since(start)))
		}
	}
}
