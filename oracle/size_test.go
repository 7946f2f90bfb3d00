package oracle

import (
	"math"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

// sized are 60 responses with sizes of a long tail, two of them unknown.
func sized() map[dataset.Key]float64 {
	out := map[dataset.Key]float64{}
	for i, k := range keys(60, "p0") {
		out[k] = math.Exp(2 * math.Sin(float64(i*i)))
	}
	out[keys(3, "p0")[1]], out[keys(3, "p0")[2]] = math.NaN(), 0
	return out
}

// Every response is drawn as often as its probability says, within 4.5 standard errors of
// 3,000 draws; large sizes are more often, and none hardly ever.
func TestAssignBySize(t *testing.T) {
	const draws, m = 3000, 24
	sizes, hits := sized(), map[dataset.Key]int{}
	_, stated := Design{Shares: map[string]int{"p0": m}}.AssignBySize(sizes, "p0")
	for seed := range uint64(draws) {
		drawn, p := Design{Seed: seed, Shares: map[string]int{"p0": m}}.AssignBySize(sizes, "p0")
		if len(drawn) != m {
			t.Fatalf("%d labels, want %d", len(drawn), m)
		}
		for _, a := range drawn {
			hits[a.Key]++
			if a.InclusionProb != p[a.Key] || p[a.Key] != stated[a.Key] {
				t.Fatalf("%s: stated %v, %v and %v", a.Key, a.InclusionProb, p[a.Key], stated[a.Key])
			}
		}
	}
	sum := 0.0
	for k, size := range sizes {
		p := stated[k].OrNaN()
		sum += p
		if rate := float64(hits[k]) / draws; math.Abs(rate-p) > 4.5*math.Sqrt(p*(1-p)/draws) {
			t.Errorf("%s of size %.2f was drawn in %.4f of the designs, stated is %.4f", k, size, rate, p)
		}
		if p < .6*sizeFloor*m/60 {
			t.Errorf("%s of size %.2f has the probability %.4f, far below the floor of %.4f", k, size, p, sizeFloor*m/60.)
		}
		for other, larger := range sizes {
			if larger > size && stated[other].OrNaN() < p-1e-12 {
				t.Errorf("size %.3f has the probability %.3f, size %.3f only %.3f", size, p, larger, stated[other].OrNaN())
			}
		}
	}
	if math.Abs(sum-m) > 1e-9 || stated[keys(3, "p0")[2]].OrNaN() > .15 {
		t.Errorf("probabilities sum to %v, want %d; that of no size is %v", sum, m, stated[keys(3, "p0")[2]])
	}
}

// A larger design has the labels of a smaller one.
func TestAssignBySizeIsNested(t *testing.T) {
	sizes := sized()
	var before []Assignment
	for m := 20; m <= 60; m += 5 {
		now, _ := Design{Seed: 5, Shares: map[string]int{"p0": m}}.AssignBySize(sizes, "p0")
		if m > 20 {
			kept(t, before, now)
		}
		before = now
	}
}
