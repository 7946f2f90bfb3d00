package temper

import "math"

// Kind says what is known of a log-prob.
type Kind int

// The kinds. The zero Kind is that nothing is known.
const (
	Unbounded Kind = iota // nothing can be said; Value.Why says why
	Exact                 // the value is known: Lower = Upper
	Interval              // it lies in [Lower, Upper]; Lower is -Inf if the token may be outside the support
	Outside               // the token is outside the support: probability 0
)

// Value is a log-prob in nats, as far as it is known.
type Value struct {
	Kind         Kind
	Lower, Upper float64
	Why          string // why the value is Unbounded
}

// exactWidth is the widest interval that counts as one number, in nats.
const exactWidth = 1e-9

// NoVocabulary is why a value is [Unbounded] that needs the size of the vocabulary.
const NoVocabulary = "at a temperature above 1 the tokens that are not shown weigh more the more there are, and the " +
	"size of the vocabulary is not known"

func unbounded(why string) Value { return Value{Why: why} }

// between is the value in [lower, upper].
func between(lower, upper float64) Value {
	upper = min(upper, 0) // rounding may put a certain token above 0
	lower = min(lower, upper)
	if upper-lower <= exactWidth {
		v := lower + (upper-lower)/2
		return Value{Kind: Exact, Lower: v, Upper: v}
	}
	return Value{Kind: Interval, Lower: lower, Upper: upper}
}

// either is the value if it is one of v and w.
func either(v, w Value) Value {
	switch {
	case v.Kind == Unbounded || w.Kind == Outside && v.Kind == Outside:
		return v
	case w.Kind == Unbounded:
		return w
	case v.Kind == Outside:
		return Value{Kind: Interval, Lower: math.Inf(-1), Upper: w.Upper}
	case w.Kind == Outside:
		return Value{Kind: Interval, Lower: math.Inf(-1), Upper: v.Upper}
	}
	return between(min(v.Lower, w.Lower), max(v.Upper, w.Upper))
}

// Sum is the log-prob of a response, the sum of its tokens' values. One token outside
// the support puts the response there; one that is unbounded leaves nothing to be
// said of the rest. The sum of no tokens is exactly 0.
func Sum(tokens []Value) Value {
	total := Value{Kind: Exact}
	var lost Value // what is known of none, unless another token settles it
	for _, t := range tokens {
		switch t.Kind {
		case Outside:
			return t
		case Unbounded:
			if lost.Why == "" {
				lost = t
			}
		case Interval:
			total.Kind = Interval
		}
		total.Lower += t.Lower
		total.Upper += t.Upper
	}
	if lost.Why != "" {
		return lost
	}
	return total
}
