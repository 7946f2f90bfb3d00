package offpolicy

import (
	"math"
	"testing"
)

// The audit's power at margin .05 and residual sd .2, as simulated for the rules
// of the transport audit: 0 at 25, .01 at 50, .39 at 100, .88 at 200.
func TestAuditPower(t *testing.T) {
	for m, want := range map[int]float64{19: 0, 25: 0, 50: .01, 100: .39, 200: .88} {
		if got := AuditPower(0, .2, .05, m); math.Abs(got-want) > .01 {
			t.Errorf("%d probes: %v, want %v", m, got, want)
		}
	}
	if got := AuditPower(.2, .2, .05, 200); got > .001 {
		t.Errorf("a policy far outside the margin passes with probability %v", got)
	}
	mustPanic(t, "sd", func() { AuditPower(0, 0, .05, 50) })
}

// Detectable differences and gates, as found for a pilot of 100.
func TestPlanning(t *testing.T) {
	if got := DetectableDifference(.25, 100, .8); math.Abs(got-.07) > .0005 {
		t.Errorf("detectable difference %v, want .07", got)
	}
	// Log-normal weights of sd 3 are refused, of sd .3 never: 1.000 and 0.000 in
	// simulation at each of these sizes (within 1 in 200).
	for _, n := range []int{100, 500, 1000} {
		if lo, hi := GatePower(.3, n, 200, 1), GatePower(3, n, 200, 1); lo > 0 || hi < .99 {
			t.Errorf("n=%d: refused %v and %v", n, lo, hi)
		}
	}
	w, err := WeightsFromLogRatios([]float64{0, 0, math.Log(2), math.Log(2)})
	if err != nil {
		t.Fatal(err)
	}
	// ESS 36/10 = 3.6 of 4.
	if got := ESSBound(w, 1000); !near(got, 900, 1e-12) {
		t.Errorf("ESS of 1,000 at most %v", got)
	}
	if got, want := IPSHalfWidthBound(w, .5, 0, 100), 1.959963984540054*math.Sqrt((.25/.9-.25)/100); !near(got, want,
		1e-9) {
		t.Errorf("IPS half-width %v, want %v", got, want)
	}
	none, err := WeightsFromLogRatios(nil)
	if err != nil || !math.IsNaN(ESSBound(none, 10)) || !math.IsNaN(IPSHalfWidthBound(none, .5, .1, 10)) {
		t.Error("no weights, no bound")
	}
	mustPanic(t, "n", func() { DetectableDifference(.25, 0, .8) })
}

// What a pilot of 200 says of a run of 1,000 is what such runs have: mean width
// of the intervals within 15%, for the logging policy, dr and direct.
func TestPilotForecastsWidths(t *testing.T) {
	pilot := evaluate(t, world{prompts: 400, labels: 200, draws: 1}.samples(20), Config{Replicates: 2}).Planning()
	if math.Abs(pilot.LabelSD-math.Sqrt(.25/12+.08*.08)) > .02 || math.Abs(pilot.ResidualSD-.08) > .015 {
		t.Errorf("pilot %+v", pilot)
	}
	var p0, dr, direct float64
	const runs = 10
	for i := range runs {
		r := evaluate(t, world{prompts: 1000, labels: 250, draws: 1, probes: 50}.samples(uint64(30+i)),
			Config{Method: InfluenceFunction, Replicates: 2})
		width := func(policy string, e Estimator) float64 {
			est := r.Policy(policy).Estimate(e)
			return (est.Upper - est.Lower) / 2 / runs
		}
		p0 += width("p0", DR)
		dr += width("near", DR)
		direct += width("near", Direct)
	}
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"P0", pilot.LoggingHalfWidth(1000, 250), p0}, {"dr", pilot.DRHalfWidth(1000, 250, .89), dr},
		{"direct", pilot.DirectHalfWidth(1000, 50), direct},
	} {
		if math.Abs(c.got/c.want-1) > .15 {
			t.Errorf("%s: half-width forecast %v, found %v", c.what, c.got, c.want)
		}
	}
	if got := pilot.DRHalfWidth(100, 20, .5); !math.IsInf(got, 1) {
		t.Errorf("ten effective labels are refused, not forecast: %v", got)
	}
	mustPanic(t, "labels", func() { pilot.DirectHalfWidth(10, 20) })
	mustPanic(t, "relative ESS", func() { pilot.DRHalfWidth(100, 50, 0) })
}

func TestTransportAudit(t *testing.T) {
	ids := func(n int) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = string(rune('A' + i))
		}
		return out
	}
	alternating := func(n int, mean, swing float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = mean + swing*float64(1-2*(i%2))
		}
		return out
	}
	tests := []struct {
		name      string
		residuals []float64
		clusters  []string
		margin    float64
		status    Status
		reason    string
	}{
		{"none", nil, nil, .05, StatusNoProbes, "nothing was labeled"},
		{"exact", alternating(40, 0, .01), ids(40), .05, StatusPass, "±.003 lies inside ±.05"},
		{"biased", alternating(40, .2, .01), ids(40), .05, StatusFail, "the interval lies outside"},
		{"negative bias", alternating(40, -.2, .01), ids(40), .05, StatusFail, "on either side"},
		{"wide", alternating(40, 0, .4), ids(40), .05, StatusInconclusive, "±.13 is wider than the margin"},
		{"few", alternating(18, 0, .001), ids(18), .05, StatusInconclusive,
			"18 prompts cannot pass, however close they are"},
		{"one cluster", alternating(40, 0, .001), make([]string, 40), .05, StatusInconclusive, "one prompt has no spread"},
		{"ungraded", alternating(40, 0, .01), ids(40), 0, StatusNotGraded, "no margin was asked for"},
	}
	for _, tt := range tests {
		if got := TransportAudit(tt.residuals, nil, tt.clusters, tt.margin, 1); got.Status != tt.status {
			t.Errorf("%s: %+v, want %q: %s", tt.name, got, tt.status, tt.reason)
		}
	}
	// By hand: residuals .1, .3 with weights 1, 3: δ = .25; (1·-.15)² + (3·.05)²
	// = .045; Var = 2·.045/16; G_eff = 16/10, one effective cluster: no interval.
	got := TransportAudit([]float64{.1, .3}, []float64{1, 3}, []string{"a", "b"}, .1, 1)
	if !near(got.Residual, .25, 1e-12) || !near(got.SE, math.Sqrt(2*.045/16), 1e-12) || got.DF != 0 ||
		got.Status != StatusInconclusive {
		t.Errorf("by hand: %+v", got)
	}
	// A family of audits widens each.
	one, two := TransportAudit(alternating(40, 0, .1), nil, ids(40), .05, 1), TransportAudit(alternating(40, 0, .1), nil,
		ids(40), .05, 2)
	if !(two.Upper > one.Upper) || one.SE != two.SE {
		t.Errorf("alone %+v, of two %+v", one, two)
	}
	mustPanic(t, "lengths", func() { TransportAudit([]float64{1}, nil, nil, .1, 1) })
}
