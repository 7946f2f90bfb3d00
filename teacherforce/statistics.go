package teacherforce

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
)

// PolicyStatistics is what a set of records says of the scoring under one policy.
type PolicyStatistics struct {
	Policy   string
	Attempts int            // records
	Scored   int            // those with a value
	Failures map[string]int // the others, by error class
	Flags    map[string]int
	// Repeatability is of the responses that were scored more than once: under this
	// policy and under one of equal hash, a clone, which makes calls of its own.
	Repeatability Repeatability
	// KLPerToken estimates KL(P0 ‖ π) per token of P0's responses, in nats:
	//
	//	Σ (log P0(a|c) - log π(a|c)) / Σ tokens
	//
	// over the responses that have both, and KLSE is its standard error (of a
	// ratio, by linearisation; NaN below two). It costs no label and no judge, and
	// tells how large an effective sample can be before any weight is formed:
	// responses of L tokens need about exp(L·KLPerToken) rows. NaN for P0 itself,
	// if no response has both, and if a value is not of the sampling
	// distribution.
	KLPerToken, KLSE float64
	// RowsPerEffective is that number, exp(L·KLPerToken) with L the mean length of
	// the responses that have both values. NaN if KLPerToken is.
	RowsPerEffective float64
}

// MethodStatistics is how often a method was put to a pair, how often it answered
// and gave the value, and why it did not.
type MethodStatistics struct {
	Attempts, Answered, Used int
	Reasons                  map[Reason]int
}

// Repeatability is how far apart two scorings of one response lie, in nats per token. It
// is about the server alone: the text, the context and the model are the same.
type Repeatability struct {
	N        int     // responses scored twice
	RMS, Max float64 // NaN if N is 0
}

// Statistics sums up records, one for each policy in the order in which they
// first occur. base names the policy whose responses they are. records are read
// twice, and none is kept if they are in the order of their prompts' ids. They need no
// Methods: [CountMethods] is of these.
func Statistics(records iter.Seq[dataset.LogProb], base string) []PolicyStatistics {
	var out []PolicyStatistics
	index := map[string]int{}
	ordered, last := true, ""
	for r := range records {
		if _, ok := index[r.Policy]; !ok {
			index[r.Policy] = len(out)
			out = append(out, PolicyStatistics{
				Policy: r.Policy, Failures: map[string]int{}, Flags: map[string]int{},
				Repeatability: Repeatability{RMS: math.NaN(), Max: math.NaN()}, KLPerToken: math.NaN(), KLSE: math.NaN(),
				RowsPerEffective: math.NaN(),
			})
		}
		ordered, last = ordered && last <= r.PromptID, r.PromptID
	}
	if !ordered {
		records = slices.Values(slices.SortedStableFunc(records, func(a, b dataset.LogProb) int {
			return cmp.Compare(a.PromptID, b.PromptID)
		}))
	}
	type sums struct{ d, tokens []float64 }
	pairs := make([]sums, len(out))
	// of takes what the policies gave one response.
	of := func(rows []dataset.LogProb) {
		var logged *dataset.LogProb // base's
		for i := range rows {
			if rows[i].Policy == base && rows[i].LogProb.Valid() {
				logged = &rows[i]
			}
		}
		for _, r := range rows {
			s, p := &out[index[r.Policy]], &pairs[index[r.Policy]]
			s.add(r)
			if !r.LogProb.Valid() {
				continue
			}
			for _, other := range rows {
				if other.PolicyHash == r.PolicyHash && other.Policy != r.Policy && other.LogProb.Valid() && r.Tokens > 0 {
					s.Repeatability.add(math.Abs(r.LogProb.OrNaN()-other.LogProb.OrNaN()) / float64(r.Tokens))
				}
			}
			if b := logged; b != nil && r.Policy != base && b.Tokens > 0 && !r.Raw() && !b.Raw() {
				p.d, p.tokens = append(p.d, b.LogProb.OrNaN()-r.LogProb.OrNaN()), append(p.tokens, float64(b.Tokens))
			}
		}
	}
	var rows []dataset.LogProb
	for r := range records {
		if len(rows) > 0 && rows[0].PromptID != r.PromptID {
			of(rows)
			rows = rows[:0]
		}
		rows = append(rows, r)
	}
	of(rows)
	for i := range out {
		out[i].Repeatability.finish()
		out[i].KLPerToken, out[i].KLSE = ratio(pairs[i].d, pairs[i].tokens)
		tokens := 0.0
		for _, n := range pairs[i].tokens {
			tokens += n
		}
		if n := float64(len(pairs[i].tokens)); n > 0 {
			out[i].RowsPerEffective = math.Exp(out[i].KLPerToken * tokens / n)
		}
	}
	return out
}

func (s *PolicyStatistics) add(r dataset.LogProb) {
	s.Attempts++
	switch {
	case r.LogProb.Valid():
		s.Scored++
	case r.Bounded():
		s.Failures["bounded"]++
	case r.Error != nil:
		s.Failures[r.Error.Class]++
	default:
		s.Failures["null"]++
	}
	for _, f := range r.Flags {
		s.Flags[f]++
	}
}

// CountMethods counts what became of every method, by policy and by name. A policy that has
// records and no methods has an empty map.
func CountMethods(records iter.Seq[dataset.LogProb]) map[string]map[string]MethodStatistics {
	out := map[string]map[string]MethodStatistics{}
	for r := range records {
		methods := out[r.Policy]
		if methods == nil {
			methods = map[string]MethodStatistics{}
			out[r.Policy] = methods
		}
		for name, m := range r.Methods {
			ms := methods[name]
			if ms.Reasons == nil {
				ms.Reasons = map[Reason]int{}
			}
			ms.Attempts++
			if m.Status == string(OK) {
				ms.Answered++
			} else {
				ms.Reasons[Reason(m.Reason)]++
			}
			if r.Method == name {
				ms.Used++
			}
			methods[name] = ms
		}
	}
	return out
}

// add counts one difference; RMS holds the sum of squares until finish.
func (n *Repeatability) add(d float64) {
	if n.N == 0 {
		n.RMS, n.Max = 0, 0
	}
	n.N++
	n.RMS += d * d
	n.Max = max(n.Max, d)
}

func (n *Repeatability) finish() {
	if n.N > 0 {
		n.RMS = math.Sqrt(n.RMS / float64(n.N))
	}
}

// ratio is Σy/Σx with the standard error of a ratio of means over the rows.
func ratio(y, x []float64) (r, se float64) {
	var sy, sx float64
	for i := range y {
		sy += y[i]
		sx += x[i]
	}
	if len(y) == 0 || sx == 0 {
		return math.NaN(), math.NaN()
	}
	r = sy / sx
	n := float64(len(y))
	if n < 2 {
		return r, math.NaN()
	}
	var ss float64
	for i := range y {
		e := y[i] - r*x[i]
		ss += e * e
	}
	return r, math.Sqrt(ss*n/(n-1)) / sx
}
