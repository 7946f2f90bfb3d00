package offpolicy

import (
	"math"
	"slices"
	"testing"

	"github.com/reweigh/reweigh/dataset"
)

func TestCloneCheck(t *testing.T) {
	tests := []struct {
		name   string
		d      []float64
		want   string
		reason string
	}{
		{"none", nil, "fail", "a check that cannot be computed has failed"},
		{"all missing", []float64{nan, nan}, "fail", "missing is not equal"},
		{"equal", make([]float64, 100), "pass", "a deterministic endpoint"},
		{"rounding", repeat(50, 9e-7, 50, -9e-7), "pass", "within 1e-6"},
		{"few but equal", make([]float64, 5), "pass", "equality needs no statistics"},
		{"noise", repeat(50, .01, 50, -.01), "pass", "0 of 100 beyond 0.2"},
		{"one tail of 100", append(repeat(50, .01, 49, -.01), -1), "pass", "1 of 100: upper bound 4.7%"},
		{"two tails of 100", append(repeat(49, .01, 49, -.01), -1, 1), "hold", "2 of 100: upper bound 6.2%"},
		{"small and noisy", repeat(20, .01, 20, -.01), "pass", "0 of 40: the reason names the 59 that bound it"},
		{"one tail of 40", append(repeat(20, .01, 19, -.01), -1), "hold", "1 of 40: upper bound 11%"},
		{"large honest noise", repeat(50, .3, 50, -.3), "pass", "0.3 nats on a response are noise if all rows show them"},
		{"a tail beyond it", append(repeat(45, .3, 45, -.3), slices.Repeat([]float64{-4}, 10)...), "fail",
			"10 of 100 beyond four times that"},
		{"noise alone", repeat(50, 1.1, 50, -1.1), "fail", "log-ratios of more than a nat say nothing"},
		{"many tails", append(repeat(45, .01, 45, -.01), slices.Repeat([]float64{-1}, 10)...), "fail",
			"10 of 100: lower bound 5.5%"},
		{"shifted", repeat(100, .03, 0, 0), "hold", "mean .03 is beyond .02, median within .05"},
		{"shifted far", repeat(100, -.06, 0, 0), "fail", "median beyond .05"},
		{"high", repeat(100, .049, 0, 0), "hold", "e-value 5.7: mean too large, nothing convicts"},
		{"mean one violated", append(make([]float64, 99), 9), "fail",
			"one weight of 8,103 makes an e-value of 1,000 and more"},
		{"leaning", append(make([]float64, 99), 5), "hold", "one weight of 148: e-value between 20 and 1,000"},
		{"impossible", append(make([]float64, 99), -inf), "pass", "-Inf is one tail of 100"},
	}
	for _, tt := range tests {
		r := CloneCheck(weightsOf(t, tt.d), ones(len(tt.d)), dataset.Float{})
		if string(r.Status) != tt.want || len(r.Reasons) == 0 {
			t.Errorf("%s: %s %q, want %s: %s\n%+v", tt.name, r.Status, r.Reasons, tt.want, tt.reason, r)
		}
	}
}

func ones(n int) []float64 { return slices.Repeat([]float64{1}, n) }

func TestCloneCheckFigures(t *testing.T) {
	d := append(repeat(30, .01, 67, -.02), nan, .5, -inf, .1)
	r := CloneCheck(weightsOf(t, d), ones(len(d)), dataset.Float{})
	if r.N != 100 || r.Missing != 1 || r.Exceeding != 2 || !slices.Equal(r.Rows, []int{98, 99}) {
		t.Errorf("N %d, missing %d, exceeding %d at %v; want 100, 1, 2 at [98 99]", r.N, r.Missing, r.Exceeding, r.Rows)
	}
	if want := (.3 - 1.34 + .1) / 98; !near(r.MeanRest, want, 1e-12) {
		t.Errorf("mean of the rest %v, want %v", r.MeanRest, want)
	}
	if r.MaxAbs != inf || r.Median != -.02 {
		t.Errorf("max |d| %v, median %v", r.MaxAbs, r.Median)
	}
	// 2 of 100, one-sided 95%: P(X >= 2 | .00357) = P(X <= 2 | .06162) = .05.
	if math.Abs(r.ShareLower-.00357) > 5e-6 || math.Abs(r.ShareUpper-.06162) > 5e-6 {
		t.Errorf("share bounds %v, %v", r.ShareLower, r.ShareUpper)
	}
}
