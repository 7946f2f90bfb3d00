package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
)

// designPart is how many responses of one policy and stratum a design labels in
// one role, and of how many.
type designPart struct {
	role, policy, stratum string
	drawn, of             int
}

func (p designPart) probability() float64 { return float64(p.drawn) / float64(p.of) }

// designParts lists the parts of a design that have labels.
func designParts(r *record.Records) []designPart {
	var out []designPart
	replaced := map[int]int{} // by part
	for _, a := range r.Design {
		p := designPart{role: a.Role, policy: a.Key.Policy, stratum: a.Stratum}
		i := slices.IndexFunc(out, func(q designPart) bool {
			return q.role == p.role && q.policy == p.policy && q.stratum == p.stratum
		})
		if i < 0 {
			i, out = len(out), append(out, p)
		}
		out[i].drawn++
		if slices.Contains(r.LabelsReplaced, a.Key) {
			replaced[i]++
		}
		// m of n have the probability m/n, and if some were replaced what AssignAround says.
		of, m := float64(out[i].drawn), float64(out[i].drawn-replaced[i])
		if p := a.InclusionProb.OrNaN(); m > 1 && replaced[i] > 0 && p < 1 {
			of = m * (of - 1) / (m - 1)
		}
		out[i].of = int(math.Round(of / a.InclusionProb.OrNaN()))
	}
	slices.SortFunc(out, func(a, b designPart) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.policy, b.policy), cmp.Compare(a.stratum, b.stratum))
	})
	return out
}

// tellDesign says which design the labels are of, and lists its parts as figures.
// It is empty where every response of the logging policy is labeled, and nothing
// else.
func tellDesign(r *record.Records, c *record.Finding) string {
	parts := designParts(r)
	if !slices.ContainsFunc(parts,
		func(p designPart) bool { return p.drawn < p.of || p.role != oracle.RoleCalibration }) {
		return ""
	}
	type whole struct{ role, policy string }
	var order []whole
	drawn, of, strata := map[whole]int{}, map[whole]int{}, map[whole]int{}
	for _, p := range parts {
		w := whole{p.role, p.policy}
		if of[w] == 0 {
			order = append(order, w)
		}
		drawn[w] += p.drawn
		of[w] += p.of
		name := p.policy
		if p.role != oracle.RoleCalibration {
			name += " " + p.role
		}
		if p.stratum != "" {
			strata[w]++
			name += " " + p.stratum
		}
		c.AddFigure(fmt.Sprintf("probability of a label, %s (%d of %d)", name, p.drawn, p.of), p.probability(), "")
	}
	var say []string
	for _, w := range order {
		s := fmt.Sprintf("%d of %d of %s", drawn[w], of[w], w.policy)
		if w.role == oracle.RoleDuplicate {
			s += " twice"
		}
		if n := strata[w]; n > 0 {
			s += fmt.Sprintf(" within %s of judge score", record.Plural(n, "stratum", "strata"))
		}
		say = append(say, s)
	}
	return "; drawn at random: " + strings.Join(say, ", ")
}
