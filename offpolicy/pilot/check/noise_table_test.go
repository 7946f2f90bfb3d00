package check

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/internal/healthy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// noisy draws healthy records with pi_cot near the logs, whose every log-prob was scored with noise of
// sigma nats a token.
func noisy(n int, seed uint64, sigma float64) *healthy.Run {
	r := healthy.New(n, seed)
	rng := rand.New(rand.NewPCG(seed, 77))
	base := map[string]float64{}
	for _, row := range r.LogProbs {
		if row.Policy == "p0" {
			base[row.PromptID] = row.LogProb.OrNaN()
		}
	}
	for i := range r.LogProbs {
		row := &r.LogProbs[i]
		if row.Policy == "pi_cot" {
			row.LogProb = dataset.Known(base[row.PromptID] + .4*rng.NormFloat64() - .08)
		}
		d := sigma * math.Sqrt(float64(row.Tokens)) * rng.NormFloat64()
		row.LogProb = dataset.Known(row.LogProb.OrNaN() + d)
		for k := range row.TokenLogProbs {
			row.TokenLogProbs[k] += d / float64(row.Tokens)
		}
		for name, m := range row.Methods {
			m.LogProb = row.LogProb
			row.Methods[name] = m
		}
	}
	return r
}

// TestNoiseDecides prints what runs decide by the noise of their log-probs, beside its harm: how
// far it moves pi_cot's value, in standard errors. The records of runs are drawn and none is made.
// No honest noise may end in NO-GO, and little of it holds not more often than once in twenty runs.
// REWEIGH_NOISE is the number of seeds a cell.
func TestNoiseDecides(t *testing.T) {
	seeds, _ := strconv.Atoi(os.Getenv("REWEIGH_NOISE"))
	sizes, sigmas := []int{40, 100, 1000}, []float64{0, .003, .006, .01, .03}
	if seeds == 0 {
		seeds, sizes, sigmas = 1, []int{1000}, []float64{.03}
	}
	var table strings.Builder
	for _, n := range sizes {
		clean := map[uint64]*offpolicy.Estimate{}
		for _, sigma := range sigmas {
			decisions, why := map[record.Decision]int{}, map[string]int{}
			moved, given, ips, worlds := 0.0, 0, 0, seeds
			if n == 1000 {
				worlds = max(1, seeds/5)
			}
			for seed := range uint64(worlds) {
				rows := noisy(n, seed, sigma).Evaluated()
				checks := findings(rows, nil)
				d, _ := record.Decide(checks)
				decisions[d]++
				for _, c := range checks {
					if c.Status == record.Hold || c.Status == record.Fail {
						why[c.ID+" "+string(c.Status)]++
					}
				}
				e := rows.Evaluation.Policy("pi_cot").Estimate(offpolicy.DR)
				if sigma == 0 {
					clean[seed] = e
				} else if c, ok := clean[seed]; ok && !e.Refused() && !c.Refused() {
					given++
					moved += math.Abs(e.Value-c.Value) / c.SE
				}
				if rows.Evaluation.Policy("pi_cot").Estimate(offpolicy.IPS).Refused() {
					ips++
				}
			}
			fmt.Fprintf(&table, "n %4d σ %.3f: %v of %d, %v; dr of pi_cot given %d, moved by %.2f SE; ips refused %d\n", n,
				sigma, decisions, worlds, why, given, moved/float64(max(1, given)), ips)
			if decisions[record.NoGo] > 0 || sigma <= .006 && 20*decisions[record.HOLD] > max(worlds, 20) {
				t.Errorf("n %d, σ %v: %v, %v", n, sigma, decisions, why)
			}
		}
	}
	t.Log("\n" + table.String())
}
