package offpolicy

import "testing"

func TestX(t *testing.T) {
	s := arena(t)
	for i := range s.Rows {
		s.Rows[i].Segments = map[string]string{"len": map[bool]string{true: "long", false: "short"}[s.Rows[i].Length > 300]}
	}
	r, err := Evaluate(s, Config{Seed: 42, Margin: .05, Clones: []string{"clone"}, Segments: []string{"len"}, LabelUSD: .01})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Policies {
		t.Logf("%s: %+v\n %+v\n %+v\n %+v", p.Policy, p.Answer, p.Diagnostics, p.Balance, p.Audit)
		if p.Clone != nil {
			t.Logf("%+v", p.Clone.Reasons)
		}
		for _, g := range p.Segments {
			t.Logf("  %s=%s n=%d %v %v ±%v %v", g.Kind, g.Name, g.Prompts, g.Estimate.Estimator, g.Estimate.Value, g.Estimate.SE, g.Estimate.Refusals)
		}
	}
	for _, c := range r.Comparisons {
		t.Logf("%+v", c)
	}
	t.Logf("%+v %+v", r.Labels, r.Pilot())
	t.Log(AuditPower(0, .2, .05, 25), AuditPower(0, .2, .05, 50), AuditPower(0, .2, .05, 100), AuditPower(0, .2, .05, 200), DetectableDifference(.25, 100, .8), GatePower(3, 100, 200, 1), GatePower(.5, 500, 200, 1))
}
