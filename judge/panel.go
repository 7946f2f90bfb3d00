package judge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// Panel asks several judges and gives the mean of their m means x_j, with the
// variance of that mean, v_j being what the members state:
//
//	Mean = Σ x_j / m,   Variance = max(Σ (x_j - Mean)²/(m-1), Σ v_j/m) / m
//
// The first is the variance between judges, and has what varies within each in
// it; the second keeps members that happen to agree from claiming more than
// they each do. Judges of different makers have less of one maker's taste.
type Panel struct {
	members  []Scorer
	identity string
}

// NewPanel returns a panel of at least two judges, no two of one identity.
func NewPanel(name string, members ...Scorer) (*Panel, error) {
	fail := func(err error) (*Panel, error) { return nil, fmt.Errorf("judge: new panel %q: %w", name, err) }
	if name == "" {
		return fail(errors.New("the name is empty: it is how records refer to the panel"))
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
	return &Panel{members, name + "@" + hex.EncodeToString(h.Sum(nil)[:8])}, nil
}

// Identity returns the panel's name and a hash over its members' identities, in
// their order.
func (p *Panel) Identity() string { return p.identity }

// Score implements [Scorer] by asking the members, one after the other. The
// calls' tags differ in Call, which begins with "judge0", "judge1", … If one
// member gives no score the response has none.
func (p *Panel) Score(ctx context.Context, tag providers.Tag, prompt dataset.Prompt, response string) (Score, error) {
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
