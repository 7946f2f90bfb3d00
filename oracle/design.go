package oracle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// The roles of a label.
const (
	RoleCalibration = "calibration" // of a logged response: fits the calibrator
	RoleProbe       = "probe"       // of a target's own response: tests it there
)

// Design says which responses are to be labelled. It is fixed before the first
// label, or inclusion probabilities would be a story told afterwards.
type Design struct {
	// Seed decides the draw.
	Seed uint64
	// Fraction of the logged responses that is labelled, in (0, 1]; 0 means 1.
	// The number is rounded to the nearest, and at least one.
	Fraction float64
	// Probes is how many of each target's own responses are labelled, or all if
	// there are fewer; 0 means none.
	Probes int
}

// Validate reports a field that is out of range.
func (d Design) Validate() error {
	switch {
	case !(d.Fraction >= 0 && d.Fraction <= 1):
		return fmt.Errorf("oracle: design: Fraction %v: want a number in (0, 1], or 0 for 1", d.Fraction)
	case d.Probes < 0:
		return fmt.Errorf("oracle: design: Probes %d: want 0 or more", d.Probes)
	}
	return nil
}

// Assignment is one response to be labelled.
type Assignment struct {
	Key dataset.Key
	// InclusionProb is the probability, before the draw, that this response
	// would be labelled: m/n where m of its policy's n responses are.
	InclusionProb float64
	Role          string // "calibration" or "probe"
}

// Assign draws the responses to be labelled from keys, all responses of all
// policies in any order, and returns those that are to be, sorted by key.
// Responses of the policy named logging are drawn by Fraction, those of each
// other policy by Probes. A response of the same policy that was not drawn had
// the same inclusion probability.
//
// The draw is simple random sampling without replacement: the m smallest by
// SHA-256 of seed and key. It depends on the set of keys alone, not on their
// order. Assign panics if d is not valid or a key stands twice.
func (d Design) Assign(keys []dataset.Key, logging string) []Assignment {
	if err := d.Validate(); err != nil {
		panic(err.Error())
	}
	if d.Fraction == 0 {
		d.Fraction = 1
	}
	sorted := slices.SortedFunc(slices.Values(keys), dataset.Key.Compare)
	byPolicy := map[string][]dataset.Key{}
	for i, k := range sorted {
		if i > 0 && k == sorted[i-1] {
			panic(fmt.Sprintf("oracle: design: key %s stands twice", k))
		}
		byPolicy[k.Policy] = append(byPolicy[k.Policy], k)
	}
	var out []Assignment
	for policy, pool := range byPolicy {
		n, m, role := len(pool), min(d.Probes, len(pool)), RoleProbe
		if policy == logging {
			role = RoleCalibration
			m = max(1, int(math.Round(d.Fraction*float64(n))))
		}
		for _, k := range d.draw(pool, m) {
			out = append(out, Assignment{k, float64(m) / float64(n), role})
		}
	}
	slices.SortFunc(out, func(a, b Assignment) int { return a.Key.Compare(b.Key) })
	return out
}

func (d Design) draw(pool []dataset.Key, m int) []dataset.Key {
	type ranked struct {
		rank [sha256.Size]byte
		key  dataset.Key
	}
	list := make([]ranked, len(pool))
	for i, k := range pool {
		h := sha256.New()
		h.Write(binary.BigEndian.AppendUint64([]byte("oracle design 1"), d.Seed))
		for _, s := range []string{k.PromptID, k.Policy} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(k.DrawIdx)))
		list[i].key = k
		h.Sum(list[i].rank[:0])
	}
	slices.SortFunc(list, func(a, b ranked) int {
		return cmp.Or(bytes.Compare(a.rank[:], b.rank[:]), a.key.Compare(b.key))
	})
	out := make([]dataset.Key, m)
	for i := range out {
		out[i] = list[i].key
	}
	return out
}
