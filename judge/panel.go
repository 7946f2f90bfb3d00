package judge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// NewPanel returns a panel of two or more judges, no two with one identity. It
// gives the mean of their m means x_j, with the variance of that mean, v_j being
// what the members state:
//
//	Mean = Σ x_j / m,   Variance = max(Σ (x_j - Mean)²/(m-1), Σ v_j/m) / m
//
// The first is the variance between judges, and has what varies within each in
// it; the second keeps members that happen to agree from claiming more than
// they each do. Judges of different makers share less of one maker's taste. If
// one member gives no score, the response has none.
//
// The members are asked one after the other. Their tags differ in Call, which
// begins with "judge0", "judge1", … The panel's identity is its name and a hash
// over its members' identities, in their order.
func NewPanel(name string, members ...Scorer) (Scorer, error) {
	fail := func(err error) (Scorer, error) { return nil, fmt.Errorf("judge: new panel %q: %w", name, err) }
	if name == "" {
		return fail(errors.New("the name is empty: records refer to the panel by it"))
	}
	if len(members) < 2 {
		return fail(fmt.Errorf("%d members: want two or more", len(members)))
	}
	h := sha256.New()
	seen := map[string]bool{}
	for _, m := range members {
		id := m.Identity()
		if seen[id] {
			return fail(fmt.Errorf("two members are %s: one judge asked twice is no second opinion; use NewRepeated", id))
		}
		seen[id] = true
		fmt.Fprintf(h, "%q\n", id)
	}
	return panelJudge{slices.Clone(members), name + "@" + hex.EncodeToString(h.Sum(nil)[:8])}, nil
}

type panelJudge struct {
	members  []Scorer
	identity string
}

func (p panelJudge) Identity() string { return p.identity }

func (p panelJudge) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt,
	response string) (Score, error) {
	s := Score{Source: SourcePanel}
	var stated float64
	for j, m := range p.members {
		one, err := m.Score(ctx, within(tag, "judge"+strconv.Itoa(j)), prompt, response)
		if err != nil {
			return Score{}, fmt.Errorf("member %d of %d: %w", j+1, len(p.members), err)
		}
		if problem := one.problem(); problem != nil {
			return Score{}, fmt.Errorf("member %d of %d: %w", j+1, len(p.members), problem)
		}
		s.Readings = append(s.Readings, one.Mean.OrNaN())
		s.Repaired = s.Repaired || one.Repaired
		if one.Variance.OrNaN() > 0 { // NaN is a member that knows none
			stated += one.Variance.OrNaN()
		}
	}
	m := float64(len(p.members))
	mean, between := moments(s.Readings)
	s.Mean, s.Variance = dataset.Known(mean), dataset.Known(max(between, stated/m)/m)
	return s, nil
}
