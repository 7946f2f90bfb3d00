package temper_test

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/reweigh/reweigh/teacherforce/temper"
)

// Servers write log-probs in many ways. Whatever is lost in writing, the value holds, to
// the rounding of what is shown, and is not refused for it.
func TestRounding(t *testing.T) {
	fixed := func(n int) func(float64) string {
		return func(v float64) string { return strconv.FormatFloat(v, 'f', n, 64) }
	}
	for _, form := range []struct {
		name  string
		write func(float64) string
	}{
		{"64 bits", func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }},
		{"64 bits, without an exponent", fixed(25)},
		{"32 bits, as 64", func(v float64) string { return strconv.FormatFloat(float64(float32(v)), 'g', -1, 64) }},
		{"32 bits, shortest", func(v float64) string { return strconv.FormatFloat(float64(float32(v)), 'g', -1, 32) }},
		{"6 digits", func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }},
		{"4 digits", func(v float64) string { return strconv.FormatFloat(v, 'e', 3, 64) }},
		{"4 decimals", fixed(4)},
		{"2 decimals", fixed(2)},
	} {
		rng := rand.New(rand.NewPCG(5, 17))
		for i := range 600 {
			m := 8 + rng.IntN(60)
			p := make([]float64, m)
			peaked := 1 + 30*rng.Float64() // up to a token that is all but certain
			sum := 0.0
			for j := range p {
				p[j] = math.Exp(-peaked * rng.Float64() * math.Sqrt(float64(j)))
				sum += p[j]
			}
			for j := range p {
				p[j] /= sum
			}
			s := setting([]float64{.5, .7, 1.3}[rng.IntN(3)], 1, 0)
			id := rng.IntN(6)
			pos := position(p, id, 5)
			worst := 0.0
			write := func(tok *temper.Token) {
				v, err := strconv.ParseFloat(form.write(tok.LogProb), 64)
				if err != nil {
					t.Fatal(err)
				}
				worst = max(worst, math.Abs(v-tok.LogProb))
				tok.LogProb = min(v, 0)
			}
			write(&pos.Scored)
			for j := range pos.Top {
				write(&pos.Top[j])
			}
			v := temper.LogProb(pos, s, temper.TemperatureTopKTopP)
			// The scored token and the sum are each off by what their own terms are.
			slack := 2*worst/s.Temperature + 1e-9
			if truth := sampled(p, s, temper.TemperatureTopKTopP)[id]; !holds(v, truth, slack) || v.Kind == temper.Unbounded {
				t.Errorf("%s, case %d, %+v: truth %v, got %+v", form.name, i, s, truth, v)
				break
			}
		}
	}
}
