package offpolicy

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// meanRewardsNaive is the formulas as they are written, in units of exp(top).
func meanRewardsNaive(l, r []float64) RewardMeans {
	out := RewardMeans{IPS: nan, IPSSE: nan, SNIPS: nan, SNIPSSE: nan, Mean: nan}
	top := -inf
	for i := range l {
		if !math.IsNaN(l[i]) && !math.IsNaN(r[i]) {
			top = max(top, l[i])
			out.N++
		} else {
			out.Missing++
		}
	}
	if out.N == 0 {
		return out
	}
	if math.IsInf(top, -1) {
		top = 0
	}
	n := float64(out.N)
	var s, ss, sr float64
	each := func(f func(w, r float64)) {
		for i := range l {
			if !math.IsNaN(l[i]) && !math.IsNaN(r[i]) {
				f(math.Exp(l[i]-top), r[i])
			}
		}
	}
	each(func(w, r float64) { s, ss, sr = s+w, ss+w*w, sr+w*r })
	out.Mean, out.IPS = math.Exp(top)*(s/n), math.Exp(top)*(sr/n)
	if s > 0 {
		out.ESS, out.SNIPS = s*s/ss, sr/s
	}
	if out.N > 1 {
		var a, b float64
		each(func(w, r float64) { a, b = a+(w*r-sr/n)*(w*r-sr/n), b+w*w*(r-sr/s)*(r-sr/s) })
		out.IPSSE = math.Exp(top) * math.Sqrt(a/(n-1)/n)
		if s > 0 {
			out.SNIPSSE = math.Sqrt(n/(n-1)*b) / s
		}
	}
	return out
}

func TestMeanRewards(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	long, rewards := make([]float64, 30000), make([]float64, 30000) // several blocks
	for i := range long {
		long[i], rewards[i] = 2*rng.NormFloat64()-2, .9+1e-3*rng.Float64()
	}
	add := func(v []float64, by float64) []float64 {
		out := slices.Clone(v)
		for i := range out {
			out[i] += by
		}
		return out
	}
	tests := []struct {
		name   string
		l, r   []float64
		reason string
	}{
		{"none", nil, nil, "no rows, no figures"},
		{"one", []float64{.5}, []float64{.3}, "no error from one row"},
		{"missing", []float64{nan, .1, .2, -.3}, []float64{.1, nan, .5, .7}, "NaN on either side leaves the row out"},
		{"all missing", []float64{nan}, []float64{nan}, "missing rows are no rows"},
		{"zeros", []float64{-inf, -inf}, []float64{.5, .7}, "no row carries weight: IPS 0, SNIPS undefined"},
		{"some zero", []float64{-inf, 0, .3}, []float64{.5, .7, .2}, "zero weights count in n"},
		{"negative rewards", []float64{0, 1, -1}, []float64{-5, 3, -2}, "rewards need no range"},
		{"several blocks", long, rewards, "rewards that hardly vary: nothing may cancel"},
		{"tiny", add(long, -600), rewards, "squares of raw weights underflow"},
		{"huge", add(long, 500), rewards, "squares of raw weights overflow"},
		{"overflow", []float64{800, 800.5, 0}, []float64{.2, .4, 1}, "raw weights overflow: IPS is infinite, SNIPS exact"},
	}
	for _, tt := range tests {
		got, err := MeanRewards(tt.l, tt.r)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(meanRewardsNaive(tt.l, tt.r), got, cmpopts.EquateApprox(1e-11, 0), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s (-naive +got):\n%s", tt.name, tt.reason, diff)
		}
	}
	for _, bad := range [][2][]float64{{{0, inf}, {1, 1}}, {{0, 0}, {1, -inf}}, {{0, -inf}, {1, inf}}} {
		_, err := MeanRewards(bad[0], bad[1])
		var row *RowError
		if !errors.As(err, &row) || row.Row != 1 {
			t.Errorf("MeanRewards(%v, %v): error %v, want a RowError of row 1", bad[0], bad[1], err)
		}
	}
	mustPanic(t, "lengths differ", func() { _, _ = MeanRewards([]float64{1}, nil) })
}

// The exponential written out is within 2 units in the last place of math.Exp.
func TestMeanRewardsExp(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for i := range 100000 {
		x := rng.Float64()*1398 - 699
		if i%2 == 0 {
			x = rng.NormFloat64()
		}
		s := sumRewards([]float64{x}, []float64{1}, 0, 0)
		if want := math.Exp(x); math.Abs(s.w-want) > 2*math.Abs(math.Nextafter(want, inf)-want) {
			t.Fatalf("exp(%v) = %v, want %v", x, s.w, want)
		}
	}
}

// The reference's IPS and SNIPS by NumPy, of several rewards and policies: SNIPS,
// ESS and means to 1e-12.
func TestMeanRewardsGolden(t *testing.T) {
	for _, name := range goldenSets {
		var golden struct {
			NValid  int `json:"n_valid"`
			Weights map[string]struct {
				LogRatio []maybe `json:"log_ratio"`
				Judge    plain   `json:"plain_judge"`
				Reward   plain   `json:"plain_calibrated_reward"`
				Oracle   plain   `json:"plain_oracle_subset"`
			}
			Calibration struct {
				Judge, Oracle, Rewards []maybe
			}
			Valid []int `json:"valid_index"`
		}
		readShared(t, "goldens/10_estimators030_"+name+".json", &golden)
		for policy, w := range golden.Weights {
			n := len(w.LogRatio)
			if n != len(golden.Calibration.Judge) {
				continue // rows of any policy's missing log-prob were dropped there
			}
			for what, c := range map[string]struct {
				rewards []maybe
				want    plain
			}{"judge": {golden.Calibration.Judge, w.Judge}, "calibrated": {golden.Calibration.Rewards, w.Reward}, "oracle": {golden.Calibration.Oracle, w.Oracle}} {
				if c.want.N == 0 {
					continue
				}
				got, err := MeanRewards(floats(w.LogRatio), floats(c.rewards))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range []struct {
					what      string
					got, want float64
				}{
					{"n", float64(got.N), float64(c.want.N)}, {"IPS", got.IPS, c.want.IPS}, {"SNIPS", got.SNIPS, c.want.SNIPS},
					{"ESS", got.ESS, c.want.ESS}, {"mean weight", got.Mean, c.want.MeanW},
				} {
					if !near(v.got, v.want, 1e-12) {
						t.Errorf("%s, %s, %s: %s %v, reference %v", name, policy, what, v.what, v.got, v.want)
					}
				}
				if !near(got.IPSSE, c.want.IPSSE, 1e-10) || !near(got.SNIPSSE, c.want.SNIPSSE, 1e-10) {
					t.Errorf("%s, %s, %s: errors %v and %v, reference %v and %v", name, policy, what, got.IPSSE, got.SNIPSSE, c.want.IPSSE, c.want.SNIPSSE)
				}
			}
		}
	}
}

type plain struct {
	N       int
	IPS     float64
	IPSSE   float64 `json:"ips_se"`
	SNIPS   float64
	SNIPSSE float64 `json:"snips_se_delta_ddof1"`
	ESS     float64
	MeanW   float64 `json:"mean_w"`
}
