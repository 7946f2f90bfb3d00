package oracle

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/reweigh/reweigh/dataset"
)

// The roles of a label. No response has both of the first two.
const (
	RoleCalibration = "calibration" // of a logged response: fits the calibrator
	RoleProbe       = "probe"       // of a target's own response: tests it there
	RoleDuplicate   = "duplicate"   // a second label of a calibration response: does the oracle repeat itself?
)

// Design says which responses are labeled. It is fixed before the first label:
// probabilities that are stated afterwards mean nothing.
//
// A design is topped up by a larger Fraction, Probes or Duplicates under the
// same Seed: the draw is nested, so that no label is lost, and every label gets
// the probability that the larger draw gives it. (If the smaller draw had fewer
// labels than strata, and so wider ranges, some labels may fall out.) Later
// responses, of other prompts, are a draw of their own: assign them separately and
// join the two lists; or draw again from all of them, and leave out the labels
// that fall out. Either way is unbiased as long as the labels' values play no part
// in the decision to top up.
type Design struct {
	// Seed decides the draw.
	Seed uint64
	// Fraction of the logged responses that is labeled, in (0, 1]; 0 means 1.
	// The number of labels is rounded, and is at least one.
	Fraction float64
	// Probes is how many of each target's own responses are labeled, or all if
	// there are fewer; 0 means none.
	Probes int
	// Strata, if more than 1, is the number of equal ranges of judge scores,
	// within each policy, that share the labels equally as far as each has
	// responses, so that rare scores are labeled too: see Design.AssignByScore.
	// Such a design can be drawn once the scores are there; others at any time.
	Strata int
	// Duplicates is how many of the logged responses are labeled twice, or all
	// that are labeled if there are fewer; 0 means none.
	Duplicates int
	// Shares, if not nil, are the labels by policy, in place of Fraction and Probes: those
	// of a policy that it lacks are none. Share makes them of one budget.
	Shares map[string]int `json:",omitempty"`
}

// Validate reports a field that is out of range.
func (d Design) Validate() error {
	switch {
	case !(d.Fraction >= 0 && d.Fraction <= 1):
		return fmt.Errorf("oracle: design: Fraction %v: want a number in (0, 1], or 0 for 1", d.Fraction)
	case d.Probes < 0 || d.Strata < 0 || d.Duplicates < 0:
		return fmt.Errorf("oracle: design: Probes %d, Strata %d, Duplicates %d: want 0 or more", d.Probes,
			d.Strata, d.Duplicates)
	}
	for policy, n := range d.Shares {
		if n < 0 {
			return fmt.Errorf("oracle: design: Shares has %d labels of %q: want 0 or more", n, policy)
		}
	}
	return nil
}

// Assignment is one response to be labeled.
type Assignment struct {
	Key dataset.Key
	// InclusionProb is the probability, before the draw, that this response
	// would be labeled in this role: m/n if m of the n responses of its policy, or
	// of its policy's stratum, are; see Design.AssignAround for replacements.
	InclusionProb dataset.Float
	Role          string // "calibration", "probe" or "duplicate"
	// Stratum is the range of scores within which the response was drawn, as
	// "[0.2,0.4)", or "unscored"; empty if its policy was not divided.
	Stratum string
}

// unscored is the stratum of the responses that have no score.
const unscored = "unscored"

// Assign draws the responses to be labeled from keys, all responses of all
// policies in any order, and returns the drawn ones sorted by key, a duplicate
// after its original. Responses of the policy named logging are drawn by Fraction,
// those of each other policy by Probes. A response that was not drawn had the
// inclusion probability of those of its policy that were.
//
// The draw is simple random sampling without replacement: the m smallest by
// SHA-256 of seed and key. It depends on the set of keys alone, not on their
// order. Assign panics if d is not valid, asks for strata, or a key appears
// twice.
func (d Design) Assign(keys []dataset.Key, logging string) []Assignment {
	return d.AssignAround(keys, logging, nil)
}

// AssignAround is Assign around responses that were found to have no label, such as ones
// that the oracle declines: each gives way to the next in the order of the draw. What was
// tried is in the list, those that failed among it. With m labels of t that were tried, of
// n responses, the probability of all n is
//
//	m (t-1) / ((m-1) n)
//
// since (m-1)/(t-1) estimates without bias what share of the responses can be labeled
// (Haldane, Biometrika 33 (1945), 222-225): sums over the labels, each 1/p times, are
// then unbiased for sums over the responses that can be labeled. If m is 1 it is t/n, and it is
// never more than 1: if hardly more than m can be labeled, sums are too large by a few percent.
func (d Design) AssignAround(keys []dataset.Key, logging string, failed map[dataset.Key]bool) []Assignment {
	if d.Strata > 1 {
		panic("oracle: design: strata are ranges of judge scores: use AssignByScore")
	}
	scores := make(map[dataset.Key]float64, len(keys))
	for _, k := range keys {
		if _, ok := scores[k]; ok {
			panic(fmt.Sprintf("oracle: design: key %s appears twice", k))
		}
		scores[k] = math.NaN()
	}
	return d.assign(scores, logging, failed)
}

// AssignByScore is Assign with strata: within each policy the responses are
// divided by judge score, in [0, 1], into d.Strata ranges of equal width; NaN
// stands for no score, which is a stratum of its own, "unscored". The labels go
// to the strata in turns, so that each gets as many as the others, or all that it
// has responses for. There are never more strata than labels: with fewer labels
// the ranges are wider.
//
// Within a stratum the draw is that of Assign. It panics if d is not valid, or a
// score is neither NaN nor in [0, 1].
func (d Design) AssignByScore(scores map[dataset.Key]float64, logging string) []Assignment {
	return d.assign(scores, logging, nil)
}

func (d Design) assign(scores map[dataset.Key]float64, logging string, failed map[dataset.Key]bool) []Assignment {
	if err := d.Validate(); err != nil {
		panic(err.Error())
	}
	byPolicy := map[string][]dataset.Key{}
	for k, s := range scores {
		if s < 0 || s > 1 {
			panic(fmt.Sprintf("oracle: design: score %v of %s is not in [0, 1]", s, k))
		}
		byPolicy[k.Policy] = append(byPolicy[k.Policy], k)
	}
	var out []Assignment
	for policy, pool := range byPolicy {
		m, twice, role := d.labels(policy, logging, len(pool))
		strata := d.strata(pool, scores, m)
		out = append(out, draw(strata, m, role, failed)...)
		second := draw(strata, twice, RoleDuplicate, failed) // of those that have a first label
		out = append(out, slices.DeleteFunc(second, func(a Assignment) bool { return failed[a.Key] })...)
	}
	return inOrder(out)
}

// inOrder sorts assignments by key, a duplicate after its original.
func inOrder(out []Assignment) []Assignment {
	slices.SortFunc(out, func(a, b Assignment) int { return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Role, b.Role)) })
	return out
}

// labels is how many of a policy's responses are labeled, how many of these twice, and what
// for.
func (d Design) labels(policy, logging string, responses int) (m, twice int, role string) {
	m, role = d.Probes, RoleProbe
	if policy == logging {
		m, role = max(1, int(math.Round(cmp.Or(d.Fraction, 1)*float64(responses)))), RoleCalibration
	}
	if d.Shares != nil {
		m = d.Shares[policy]
	}
	if m = min(m, responses); policy == logging {
		twice = min(d.Duplicates, m)
	}
	return m, twice, role
}

// stratum is a part of a policy's responses, in the order of its draw.
type stratum struct {
	name string
	keys []dataset.Key
}

// strata divides a policy's responses.
func (d Design) strata(pool []dataset.Key, scores map[dataset.Key]float64, labels int) []stratum {
	var out []stratum
	for n := max(d.Strata, 1); ; n-- {
		byRange := make([]stratum, n+1) // the last is for no score
		for i := range byRange {
			byRange[i].name = rangeName(i, n)
		}
		for _, k := range pool {
			i := n
			if s := scores[k]; n == 1 {
				i = 0
			} else if !math.IsNaN(s) {
				i = min(int(s*float64(n)), n-1)
			}
			byRange[i].keys = append(byRange[i].keys, k)
		}
		out = slices.DeleteFunc(byRange, func(s stratum) bool { return len(s.keys) == 0 })
		if len(out) <= max(labels, 1) {
			break
		}
	}
	for _, s := range out {
		d.rank(s.keys)
	}
	return out
}

// rangeName names the i-th of n ranges of scores, and the n-th, of no score.
func rangeName(i, n int) string {
	end := func(i int) string { return strconv.FormatFloat(float64(i)/float64(n), 'g', 3, 64) }
	switch {
	case n == 1:
		return ""
	case i == n:
		return unscored
	case i == n-1:
		return "[" + end(i) + ",1]"
	}
	return "[" + end(i) + "," + end(i+1) + ")"
}

// draw takes the first of every stratum, m in all, in turns; of those that failed it takes
// note and goes on.
func draw(strata []stratum, m int, role string, failed map[dataset.Key]bool) []Assignment {
	room := make([]int, len(strata)) // responses that may have a label
	for i, s := range strata {
		for _, k := range s.keys {
			if !failed[k] {
				room[i]++
			}
		}
	}
	take, left := make([]int, len(strata)), m
	for open := true; left > 0 && open; {
		open = false
		for i := range strata {
			if take[i] < room[i] && left > 0 {
				take[i]++
				left--
				open = true
			}
		}
	}
	var out []Assignment
	for i, s := range strata {
		tried, labels := 0, 0
		for labels < take[i] || left > 0 && tried < len(s.keys) { // left: all are tried
			if !failed[s.keys[tried]] {
				labels++
			}
			tried++
		}
		for _, k := range s.keys[:tried] {
			out = append(out, Assignment{k, dataset.Known(inclusion(labels, tried, len(s.keys))), role, s.name})
		}
	}
	return out
}

// inclusion is the probability of each of n responses of which m were labeled, after t were
// tried.
func inclusion(m, t, n int) float64 {
	p := float64(t) / float64(n)
	if t > m && m > 1 {
		p = min(float64(m)*float64(t-1)/(float64(m-1)*float64(n)), 1)
	}
	return p
}

// rank sorts keys by SHA-256 of seed and key.
func (d Design) rank(keys []dataset.Key) {
	ranks := make(map[dataset.Key][sha256.Size]byte, len(keys))
	for _, k := range keys {
		h := sha256.New()
		h.Write(binary.BigEndian.AppendUint64([]byte("oracle design 1"), d.Seed))
		for _, s := range []string{k.PromptID, k.Policy} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
			h.Write([]byte(s))
		}
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(k.DrawIdx)))
		ranks[k] = [sha256.Size]byte(h.Sum(nil))
	}
	slices.SortFunc(keys, func(a, b dataset.Key) int {
		x, y := ranks[a], ranks[b]
		return cmp.Or(bytes.Compare(x[:], y[:]), a.Compare(b))
	})
}
