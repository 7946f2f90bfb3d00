package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/reweigh/reweigh/offpolicy"
)

const lookCount, lookPrompts = 20, 1000

// looked is what became of one figure in runs that were looked at as they grew.
type looked struct {
	runs        int
	once        int // runs in which an interval for one look misses at some look
	anytime     int // in which one for any time does
	stopped     int // in which one does where the run would have been stopped
	end         int // answered at the last look
	ratio, wide float64
}

// look is one figure at one look.
type look struct {
	truth, lower, upper, anytimeLower, anytimeUpper float64
	answered                                        bool
}

func outside(truth, lo, hi float64) bool { return truth < lo-1e-12 || truth > hi+1e-12 }

// take takes in a run; stop is the look that it would have been stopped at.
func (l *looked) take(all []look, stop int) {
	l.runs++
	var once, anytime bool
	for k, x := range all {
		if !x.answered {
			continue
		}
		once = once || outside(x.truth, x.lower, x.upper)
		miss := outside(x.truth, x.anytimeLower, x.anytimeUpper)
		anytime = anytime || miss
		if k == stop && miss {
			l.stopped++
		}
		if k == len(all)-1 {
			l.end++
			l.ratio += (x.anytimeUpper - x.anytimeLower) / (x.upper - x.lower)
			l.wide += x.upper - x.lower
		}
	}
	l.once += int(step(once))
	l.anytime += int(step(anytime))
}

// looks evaluates runs of 1,000 prompts at every 50.
func looks(out io.Writer, repetitions int) error {
	fmt.Fprintf(out, `# Looked at as it grows

Written by `+"`go run ./internal/trials -part looks -out offpolicy/montecarlo.md`"+`. %d runs a world that grow to %d prompts, a
quarter of them labeled and a tenth of the far target's responses, evaluated (influence form) at %d sizes with an Anytime of
%d. Held to: an anytime interval misses at some look in at most 5%% of runs, and is at most 1.75 times as wide as that for one
look, at the end; so does one of a run that was stopped when every comparison is decided or known to ±.05. left and right
have the same value: that Holm's adjusted p falls below .05 for them, or for a difference of the other sign, at some look is
the last row of a world. One standard error of 5%% is %.1f points.

| world | of | one look: misses at some %% | anytime: misses at some %% | stopped and missed %% | anytime / one look, width |
| --- | --- | ---: | ---: | ---: | ---: |
`, repetitions, lookPrompts, lookCount, lookPrompts, 100*math.Sqrt(.05*.95/float64(repetitions)))
	for _, kind := range worldKinds[:3] {
		if err := lookAt(out, newWorld(kind), repetitions); err != nil {
			return err
		}
	}
	return nil
}

// lookedRun is one run: its figures by name and look, where it would have been stopped, and
// whether Holm's p called a difference wrongly.
type lookedRun struct {
	figures map[string][]look
	stop    int
	wrong   bool
	err     error
}

func lookAt(out io.Writer, w *world, repetitions int) error {
	all := policies{"p0": {}, "left": {.3, .4}, "right": {.3, -.4}, "far": {tilt: 1.5}}
	runs := make([]lookedRun, repetitions)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < repetitions; i = int(next.Add(1)) - 1 {
				runs[i] = lookOnce(w, all, i)
			}
		})
	}
	wg.Wait()
	totals, names := map[string]*looked{}, []string(nil)
	wrong, stopped, at := 0, 0, 0.0
	for i := range runs {
		r := &runs[i]
		if r.err != nil {
			return r.err
		}
		for _, name := range figureNames(all) {
			if totals[name] == nil {
				totals[name], names = &looked{}, append(names, name)
			}
			totals[name].take(r.figures[name], r.stop)
		}
		wrong += int(step(r.wrong))
		if r.stop >= 0 {
			stopped++
			at += float64(r.stop+1) * lookPrompts / lookCount
		}
	}
	n := float64(repetitions)
	for _, name := range names {
		l := totals[name]
		fmt.Fprintf(out, "| %s | %s | %.1f | %.1f | %.1f | %.2f |\n", w.name, name, 100*float64(l.once)/n,
			100*float64(l.anytime)/n, 100*float64(l.stopped)/n, l.ratio/float64(l.end))
	}
	stop := "none stops"
	if stopped > 0 {
		stop = fmt.Sprintf("%.0f%% stop, after %.0f prompts on average", 100*float64(stopped)/n, at/float64(stopped))
	}
	fmt.Fprintf(out, "| %s | Holm; %s | – | %.1f | – | – |\n", w.name, stop, 100*float64(wrong)/n)
	return nil
}

func figureNames(all policies) (out []string) {
	names := sorted(all)
	for i, a := range names {
		out = append(out, a)
		for _, b := range names[:i] {
			out = append(out, a+" - "+b)
		}
	}
	return out
}

func lookOnce(w *world, all policies, rep int) lookedRun {
	s := w.samples(stream("looks", w.name, rep), all, run{logging: "p0", prompts: lookPrompts, labels: lookPrompts / 4,
		draws: true, probes: lookPrompts / 10})
	out := lookedRun{figures: map[string][]look{}, stop: -1}
	c := quick
	c.Anytime = lookPrompts
	for k := range lookCount {
		n := (k + 1) * lookPrompts / lookCount
		part := s
		part.Rows = s.Rows[:n]
		part.Draws = map[string][]offpolicy.Draw{}
		for name, d := range s.Draws {
			part.Draws[name] = d[:n]
		}
		r, err := offpolicy.Evaluate(part, c)
		if err != nil {
			out.err = err
			return out
		}
		for name, by := range all {
			x := look{truth: w.value(by)}
			p := r.Policy(name)
			if e := p.Estimate(p.Answer.Estimator); e != nil {
				x = look{x.truth, e.Lower, e.Upper, e.AnytimeLower, e.AnytimeUpper, true}
			}
			out.figures[name] = append(out.figures[name], x)
		}
		names := sorted(all)
		for i, a := range names {
			for _, b := range names[:i] {
				x := look{truth: w.value(all[a]) - w.value(all[b])}
				for j := range r.Comparisons {
					d, sign := &r.Comparisons[j], 1.0
					if d.A == b && d.B == a {
						sign = -1
					} else if d.A != a || d.B != b {
						continue
					}
					if d.Refused() {
						continue
					}
					x = look{x.truth, sign * d.Lower, sign * d.Upper, sign * d.AnytimeLower, sign * d.AnytimeUpper, true}
					if sign < 0 {
						x.lower, x.upper, x.anytimeLower, x.anytimeUpper = x.upper, x.lower, x.anytimeUpper, x.anytimeLower
					}
					none := math.Abs(x.truth) < 1e-9
					out.wrong = out.wrong || d.AnytimeHolm < .05 && (none || sign*d.Difference*x.truth < 0)
				}
				out.figures[a+" - "+b] = append(out.figures[a+" - "+b], x)
			}
		}
		if stop, _ := r.Decided(.05); stop && out.stop < 0 {
			out.stop = k
		}
	}
	return out
}
