package offpolicy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
)

// lookalikes are notes on policies whose names look like one name spelt twice and which
// share no record: no row has log-probs of both, and no prompt a response of both. A name that is
// mistyped makes two policies of one, each with a part of its data.
func (t *Table) lookalikes() (out []string) {
	names := append(t.policies(), t.plan.Logging)
	slices.Sort(names)
	of := func(name string) string {
		if name == t.plan.Logging {
			return fmt.Sprintf("%d logged responses", t.rows)
		}
		return fmt.Sprintf("%d log-probs and %d responses of its own", known(t.logProb[name]), len(t.responded(name)))
	}
	for i, a := range names {
		for _, b := range names[i+1:] {
			if alike(a, b) && !t.share(a, b) {
				out = append(out, fmt.Sprintf("Are %s and %s one policy? %s has %s, %s has %s, and nothing has both: if a "+
					"name is mistyped, correct it.", a, b, a, of(a), b, of(b)))
			}
		}
	}
	return out
}

// known counts the values of a column that are not missing.
func known(column []float64) (n int) {
	for _, v := range column {
		if !math.IsNaN(v) {
			n++
		}
	}
	return n
}

// share reports whether a row has log-probs of both policies, or a prompt a response of
// both.
func (t *Table) share(a, b string) bool {
	x, y := t.logProb[a], t.logProb[b]
	for i := range min(len(x), len(y)) {
		if !math.IsNaN(x[i]) && !math.IsNaN(y[i]) {
			return true
		}
	}
	prompts := make([]bool, len(t.prompts))
	for _, p := range t.responded(a) {
		prompts[p] = true
	}
	return slices.ContainsFunc(t.responded(b), func(p int32) bool { return prompts[p] })
}

// responded are the prompts, by code, of the responses of the policy's own.
func (t *Table) responded(policy string) []int32 {
	switch c := t.draws[policy]; {
	case policy == t.plan.Logging:
		return t.prompt
	case c != nil:
		return c.prompt
	}
	return nil
}

// alike reports whether two names differ by case, spaces and marks alone, or by one
// letter that is added, left out, changed or swapped with its neighbour.
func alike(a, b string) bool {
	plain := func(s string) []rune {
		return []rune(strings.Map(func(r rune) rune {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				return unicode.ToLower(r)
			}
			return -1
		}, s))
	}
	x, y := plain(a), plain(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	if string(x) == string(y) {
		return len(x) > 0
	}
	if len(x) < 4 || len(y)-len(x) > 1 {
		return false
	}
	i := 0
	for i < len(x) && x[i] == y[i] {
		i++
	}
	if len(x) < len(y) {
		return !unicode.IsDigit(y[i]) && slices.Equal(x[i:], y[i+1:])
	}
	if unicode.IsDigit(x[i]) || unicode.IsDigit(y[i]) {
		return false // pi_1 and pi_2 are two
	}
	return slices.Equal(x[i+1:], y[i+1:]) ||
		i+1 < len(x) && x[i] == y[i+1] && x[i+1] == y[i] && slices.Equal(x[i+2:], y[i+2:])
}
