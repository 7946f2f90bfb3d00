package offpolicy

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// MixtureLogProb is the log-prob of a response under the mixture of the policies that wrote
// the logs, log Σ_k (n_k/n) π_k, nats, n_k of n rows being logger k's: the target's log-prob less
// it is the log-ratio of [Samples.Pooled] logs. It is missing if a logger's log-prob is, and
// -Inf if no logger gives the response. It panics if a number of rows is negative or all
// are 0.
func MixtureLogProb(rows map[string]int, logProbs map[string]dataset.Float) dataset.Float {
	total := 0
	for name, n := range rows {
		if n < 0 {
			panic(fmt.Sprintf("offpolicy: mixture: %d rows of %s", n, name))
		}
		total += n
	}
	if total == 0 {
		panic("offpolicy: mixture: no logger has a row")
	}
	parts := make([]float64, 0, len(rows))
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		if rows[name] > 0 {
			parts = append(parts, math.Log(float64(rows[name])/float64(total))+logProbs[name].OrNaN())
		}
	}
	return dataset.Known(logSum(parts))
}

// loggerSum is what an accumulator adds up of one logger's rows.
type loggerSum struct {
	rows, finite int64 // all; those with log w above -Inf
	log          twofold
	sums         []moments // by streamed method
}

// logger is the sums of a logger, made if there are none.
func (a *Accumulator) logger(name string) *loggerSum {
	l := a.loggers[name]
	if l == nil {
		l = &loggerSum{sums: make([]moments, len(streamedMethods))}
		if a.loggers == nil {
			a.loggers = map[string]*loggerSum{}
		}
		a.loggers[name] = l
	}
	return l
}

func (l *loggerSum) clone() *loggerSum {
	out := *l
	out.sums = slices.Clone(l.sums)
	return &out
}

func (l *loggerSum) merge(o *loggerSum) {
	l.rows, l.finite = l.rows+o.rows, l.finite+o.finite
	l.log.merge(o.log)
	for k := range l.sums {
		for i := range l.sums[k] {
			l.sums[k][i].merge(o.sums[k][i])
		}
	}
}

// whose says why a row's logger does not fit those before it; empty if it does.
func (a *Accumulator) whose(r StreamRow) string {
	switch {
	case (r.Logger != "") != (len(a.loggers) > 0) && a.n+a.missing > 0:
		return "some rows name their logger, others do not; name it of all or of none"
	case r.Logger != "" && a.current.open && a.current.id == r.PromptID:
		return "prompt " + r.PromptID + " has several rows, of pooled logs: evaluate a Table of them"
	}
	return ""
}

// divergence is the least of the loggers': see [loggers.judge].
func (a *Accumulator) divergence() float64 {
	out := math.Inf(1)
	for _, l := range a.loggers {
		if n := float64(l.finite); n > 0 {
			out = min(out, -l.log.value()/n+math.Log(float64(a.n)/n))
		}
	}
	return out
}

// centred takes out of Σ r², with and without what leaving a prompt out adds, and of Σ r⁴ what
// each logger's rows add on average, as [loggers.centre] does: β_k = Σ r / n_k over its rows.
func (a *Accumulator) centred(k int, mean, den float64, leave bool, sum, plain, fourth float64) (s, p, f float64) {
	for _, name := range slices.Sorted(maps.Keys(a.loggers)) {
		l := a.loggers[name]
		m, n := &l.sums[k], float64(l.rows)
		r := func(d int) float64 { return m.of(1, d).plus(-mean, m.of(0, d+1)).value() } // Σ r D^d
		first := r(0)
		whole := first
		if leave { // √(1 + 2h + 3h²) = 1 + h + h² - h³ + …
			whole += r(1)/den + r(2)/(den*den) - r(3)/(den*den*den)
		}
		sum -= whole * whole / n
		plain -= first * first / n
		if leave {
			beta := first / n
			second := m.of(2, 0).plus(-2*mean, m.of(1, 1)).plus(mean*mean, m.of(0, 2)).value()
			third := m.of(3, 0).plus(-3*mean, m.of(2, 1)).plus(3*mean*mean, m.of(1, 2)).
				plus(-mean*mean*mean, m.of(0, 3)).value()
			fourth += -4*beta*third + 6*beta*beta*second - 4*beta*beta*beta*first + n*beta*beta*beta*beta
		}
	}
	return max(sum, 0), max(plain, 0), fourth
}
