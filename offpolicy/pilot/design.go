package pilot

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/oracle"
)

// assignments are the responses that the oracle labels; false where that follows
// from scores and has not been drawn yet.
func (r *run) assignments() ([]oracle.Assignment, bool) {
	if !r.cfg.stratified() {
		return r.cfg.assignments(), true
	}
	return get(r.store, r.store.designs, r.design)
}

// labelsAfter are the stages that decide what the oracle is asked.
func (r *run) labelsAfter() []string {
	var after []string
	if _, drawn := r.assignments(); !drawn {
		after = append(after, stageJudge) // whose scores are the strata
	}
	if r.cfg.BatchLabels != nil {
		after = append(after, stageP0, stageTargets) // a batch takes all that there is
	}
	return after
}

// drawDesign draws the responses to be labelled by their scores and keeps the
// draw. Nothing is labelled before that: a score that is made later, where there
// was none, changes neither what is labelled nor with which probability.
func (r *run) drawDesign() ([]oracle.Assignment, error) {
	scores := map[dataset.Key]float64{}
	for _, k := range responseKeys(r.cfg.Prompts, r.cfg.Arms) {
		scores[k] = math.NaN()
		if row, ok := get(r.store, r.store.scores, k); ok && row.Mean.Valid() {
			scores[k] = row.Mean.OrNaN()
		}
	}
	return r.store.putDesign(r.design, r.cfg.Labels.AssignByScore(scores, loggingArm(r.cfg.Arms).Policy.Name))
}

// designKey names a design and the responses that it is drawn from.
func (r *run) designKey() string {
	h := sha256.New()
	fmt.Fprintf(h, "%+v\n", r.cfg.Labels)
	for _, k := range responseKeys(r.cfg.Prompts, r.cfg.Arms) {
		fmt.Fprintf(h, "%q %q\n", k.PromptID, k.Policy)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// designPart is how many responses of one policy and stratum a design labels in
// one role, and of how many.
type designPart struct {
	role, policy, stratum string
	drawn, of             int
}

func (p designPart) probability() float64 { return float64(p.drawn) / float64(p.of) }

// designParts lists the parts of a design that have labels.
func designParts(design []oracle.Assignment) []designPart {
	var out []designPart
	for _, a := range design {
		p := designPart{role: a.Role, policy: a.Key.Policy, stratum: a.Stratum}
		i := slices.IndexFunc(out, func(q designPart) bool {
			return q.role == p.role && q.policy == p.policy && q.stratum == p.stratum
		})
		if i < 0 {
			i, out = len(out), append(out, p)
		}
		out[i].drawn++
		// m of n have the probability m/n.
		out[i].of = int(math.Round(float64(out[i].drawn) / a.InclusionProb.OrNaN()))
	}
	slices.SortFunc(out, func(a, b designPart) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.policy, b.policy), cmp.Compare(a.stratum, b.stratum))
	})
	return out
}

// tellDesign says which design the labels are of, and lists its parts as figures.
// It is empty where every response of the logging policy is labelled, and nothing
// else.
func tellDesign(r *Records, c *Check) string {
	parts := designParts(r.Design)
	if !slices.ContainsFunc(parts, func(p designPart) bool { return p.drawn < p.of || p.role != oracle.RoleCalibration }) {
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
		c.figure(fmt.Sprintf("probability of a label, %s (%d of %d)", name, p.drawn, p.of), p.probability(), "")
	}
	var say []string
	for _, w := range order {
		s := fmt.Sprintf("%d of %d of %s", drawn[w], of[w], w.policy)
		if w.role == oracle.RoleDuplicate {
			s += " twice"
		}
		if n := strata[w]; n > 0 {
			s += fmt.Sprintf(" within %s of judge score", plural(n, "stratum", "strata"))
		}
		say = append(say, s)
	}
	return "; drawn at random: " + strings.Join(say, ", ")
}
