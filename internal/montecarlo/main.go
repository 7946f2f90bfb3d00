package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/reweigh/reweigh/offpolicy"
)

type tally struct {
	n, answered, missed int
	sum, sq, se, width  float64
}

func (t *tally) add(e *offpolicy.Estimate, truth float64) {
	t.n++
	if e == nil || e.Refused() {
		return
	}
	t.answered++
	t.sum += e.Value - truth
	t.sq += (e.Value - truth) * (e.Value - truth)
	t.se += e.SE
	t.width += e.Upper - e.Lower
	if truth < e.Lower || truth > e.Upper {
		t.missed++
	}
}

func main() {
	reps := flag.Int("reps", 200, "")
	method := flag.String("method", "bootstrap", "")
	only := flag.Int("n", 0, "")
	ov := flag.String("overlap", "", "")
	lab := flag.Int("labels", 0, "")
	conc := flag.Int("c", 1, "")
	flag.Parse()
	start := time.Now()
	for _, c := range cells() {
		if c.Probes == 0 || *only > 0 && c.N != *only || *ov != "" && *ov != c.Overlap || *lab > 0 && *lab != c.Labels {
			continue
		}
		var t [3]tally
		ests := []offpolicy.Estimator{offpolicy.DR, offpolicy.LabeledSNIPS, offpolicy.Direct}
		for i := range *reps {
			r, err := offpolicy.Evaluate(c.samples(uint64(i)), offpolicy.Config{Estimators: ests, Replicates: 400, Method: offpolicy.ErrorMethod(*method), Concurrency: *conc})
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			for j, e := range ests {
				t[j].add(r.Policy("target").Estimate(e), c.truth())
			}
		}
		for j, e := range ests {
			x := t[j]
			a := float64(x.answered)
			sd := math.Sqrt(x.sq/a - x.sum/a*x.sum/a)
			fmt.Printf("%4d %4d %-6s %-5v %-14s ans %.3f bias %+.4f sd %.4f se/sd %.3f cov %.3f width %.4f a&m %.3f\n", c.N, c.Labels, c.Overlap, c.Transports, e,
				a/float64(x.n), x.sum/a, sd, x.se/a/sd, 1-float64(x.missed)/a, x.width/a, float64(x.missed)/float64(x.n))
		}
	}
	fmt.Println(time.Since(start))
}
