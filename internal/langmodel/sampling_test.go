package langmodel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Expected values are worked out by hand from p = (.5, .25, .125, .125).
func TestApply(t *testing.T) {
	p := []float64{.5, .25, .125, .125}
	for _, tt := range []struct {
		s      Sampling
		p      []float64
		want   []float64
		reason string
	}{
		{Sampling{1, 1, 0}, p, p, "neutral settings change nothing"},
		{Sampling{0, 1, 0}, p, []float64{1, 0, 0, 0}, "greedy"},
		{Sampling{0, 1, 0}, []float64{.1, .45, .45}, []float64{0, 1, 0}, "greedy takes the lower id of equals"},
		{Sampling{0.5, 1, 0}, p, []float64{16. / 22, 4. / 22, 1. / 22, 1. / 22}, "T=1/2 squares: 16:4:1:1"},
		{Sampling{2, 1, 0}, []float64{.64, .36}, []float64{.8 / 1.4, .6 / 1.4}, "T=2 takes roots"},
		{Sampling{1, 1, 2}, p, []float64{2. / 3, 1. / 3, 0, 0}, "top-k keeps two"},
		{Sampling{1, 1, 3}, p, []float64{4. / 7, 2. / 7, 1. / 7, 0}, "a tie at the edge of top-k goes to the lower id"},
		{Sampling{1, 1, 9}, p, p, "top-k beyond the vocabulary keeps all"},
		{Sampling{1, .75, 0}, p, []float64{2. / 3, 1. / 3, 0, 0}, "top-p reached exactly keeps no more"},
		{Sampling{1, .76, 0}, p, []float64{4. / 7, 2. / 7, 1. / 7, 0},
			"top-p just passed takes one more, the lower id of equals"},
		{Sampling{1, .01, 0}, p, []float64{1, 0, 0, 0}, "at least one token stays"},
		{Sampling{1, .6, 2}, p, []float64{1, 0, 0, 0}, "top-p is a share of what top-k kept: .5/.75 reaches .6"},
		{Sampling{1, .7, 2}, p, []float64{2. / 3, 1. / 3, 0, 0}, "... and does not reach .7"},
		{Sampling{0.5, .8, 0}, p, []float64{.8, .2, 0, 0}, "temperature comes first: 16/22 < .8 <= 20/22"},
		{Sampling{0.001, 1, 0}, p, []float64{1, 0, 0, 0}, "a tiny temperature neither overflows nor loses the mass"},
		{Sampling{0.5, 1, 0}, []float64{0, .5, .5}, []float64{0, .5, .5}, "zero stays zero"},
	} {
		got := slices.Clone(tt.p)
		tt.s.Apply(got)
		if diff := cmp.Diff(tt.want, got, cmpopts.EquateApprox(0, 1e-15)); diff != "" {
			t.Errorf("%+v on %v: %s (-want +got):\n%s", tt.s, tt.p, tt.reason, diff)
		}
	}
}

func TestApplyPanicsOutOfRange(t *testing.T) {
	for _, s := range []Sampling{
		{-1, 1, 0}, {math.NaN(), 1, 0}, {math.Inf(1), 1, 0}, {1, 0, 0}, {1, 1.1, 0}, {1, math.NaN(), 0}, {1, 1, -1},
	} {
		func() {
			defer func() {
				if r := recover(); r == nil {
					t.Errorf("%+v did not panic", s)
				}
			}()
			s.Apply([]float64{.5, .5})
		}()
	}
}

// The share of each id among n draws lies within 5 standard errors of p, which a
// right sampler misses once in 10^6.
func TestDraw(t *testing.T) {
	p := []float64{.5, 0, .3, .2, 0}
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 20000
	counts := make([]float64, len(p))
	for range n {
		counts[draw(p, rng)]++
	}
	for v := range p {
		if se := math.Sqrt(p[v] * (1 - p[v]) / n); math.Abs(counts[v]/n-p[v]) > 5*se {
			t.Errorf("id %d drawn with share %v, want %v", v, counts[v]/n, p[v])
		}
	}
}
