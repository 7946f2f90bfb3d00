package offpolicy

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Audit is the transport audit of one policy: whether the calibrator, fitted on
// the logs, means the same under this policy.
type Audit struct {
	// Status is StatusPass if the interval of the mean residual lies within
	// ±Margin, StatusFail if it lies outside, StatusInconclusive otherwise or with
	// fewer than 20 effective prompts, StatusNotGraded without a margin, and
	// StatusNoProbes without probes.
	Status       Status
	Probes       int
	Residual     float64 // weighted mean of Y - f(S) over the probes
	SE           float64 // clustered by prompt
	Lower, Upper float64
	DF           float64
}

// minAuditClusters is the effective number of prompts below which an audit
// cannot pass.
const minAuditClusters = 20

// TransportAudit asks whether residuals Y - f(S) of a target's probes average 0
// within ±margin:
//
//	δ = Σ w e / Σ w,   Var δ = G/(G-1) Σ_g (Σ_{i in g} w (e - δ))² / (Σw)²
//
// over G clusters, t with ⌊G_eff⌋ - 1 degrees of freedom, G_eff = (Σw)² / Σ_g w_g².
// family is the number of audits made together: the interval is at level
// 1 - .05/family. The status is fail where the interval does not meet
// [-margin, margin], else inconclusive below 20 effective clusters, pass
// where the interval lies inside, and inconclusive otherwise; not_graded
// where margin is 0. weights is nil for all ones.
//
// At 25 to 50 probes it can hardly pass a policy that has no bias at all (with
// margin .05 and residuals of sd .2: never at 25, .01 at 50, .39 at 100, .88 at
// 200), so it gates nothing but the plug-in. It panics if lengths differ.
//
// Source: CJE 0.6.0, transport audit.
func TransportAudit(residuals, weights []float64, clusters []string, margin float64, family int) Audit {
	const op = "transport audit"
	mustMatch(op, len(residuals), len(clusters))
	if weights != nil {
		mustMatch(op, len(residuals), len(weights))
	}
	n := math.NaN()
	out := Audit{Status: StatusNoProbes, Probes: len(residuals), Residual: n, SE: n, Lower: n, Upper: n, DF: n}
	if len(residuals) == 0 {
		return out
	}
	weight := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return weights[i]
	}
	var sw, swe float64
	for i, e := range residuals {
		sw += weight(i)
		swe += weight(i) * e
	}
	out.Residual = swe / sw
	index := map[string]int{}
	var total, part []float64 // by cluster, in order of appearance
	for i, e := range residuals {
		g, ok := index[clusters[i]]
		if !ok {
			g = len(total)
			index[clusters[i]] = g
			total, part = append(total, 0), append(part, 0)
		}
		total[g] += weight(i)
		part[g] += weight(i) * (e - out.Residual)
	}
	var ss, sw2 float64
	for g := range total {
		ss += part[g] * part[g]
		sw2 += total[g] * total[g]
	}
	effective := sw * sw / sw2
	if g := float64(len(total)); g > 1 {
		out.SE = math.Sqrt(g/(g-1)*ss) / sw
		// Equal clusters are all of them, whatever the rounding says.
		if out.DF = math.Floor(effective+1e-9) - 1; out.DF >= 1 {
			half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: out.DF}.Quantile(1-.025/float64(max(family, 1))) * out.SE
			out.Lower, out.Upper = out.Residual-half, out.Residual+half
		}
	}
	switch {
	case margin == 0:
		out.Status = StatusNotGraded
	case math.IsNaN(out.Lower):
		out.Status = StatusInconclusive
	case out.Lower > margin || out.Upper < -margin:
		out.Status = StatusFail
	case effective >= minAuditClusters-1e-9 && out.Lower >= -margin && out.Upper <= margin:
		out.Status = StatusPass
	default:
		out.Status = StatusInconclusive
	}
	return out
}

// audit runs the transport audit of one policy on the residuals that the fit
// without the prompt's fold leaves.
func (r *Result) audit(p *PolicyResult, c *Config, w *worker, family int) {
	fr := r.frame
	d := fr.draws[p.Policy]
	var e, u []float64
	var prompts []string
	if d != nil && fr.fits != nil {
		for i, y := range d.label {
			if !math.IsNaN(y) && !math.IsNaN(d.score[i]) {
				e, u = append(e, y-w.f[d.at+i]), append(u, d.allInvP[i])
				prompts = append(prompts, fr.prompts[d.prompt[i]])
			}
		}
	}
	p.Audit = TransportAudit(e, u, prompts, c.Margin, family)
}
