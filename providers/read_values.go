package providers

import (
	"bytes"
	"math"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// scalar is the next value as it is written, if it is no object and no list; else
// it is passed over, and nil.
func (r *reader) scalar() []byte {
	switch r.kind() {
	case 0:
		return nil
	case '{', '[':
		r.skip()
		return nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
		return nil
	}
	return v
}

// number is a JSON number, or a string that holds one and nothing else.
func (r *reader) number() (float64, bool) { return numberOf(r.scalar()) }

func numberOf(v []byte) (float64, bool) {
	if len(v) > 2 && v[0] == '"' {
		v = bytes.TrimSpace(v[1 : len(v)-1])
		// Go's own spellings
		if len(v) == 0 || len(v) > 40 || v[0] != '-' && v[0]-'0' > 9 || bytes.ContainsAny(v, "_xXpPiInN") {
			return 0, false
		}
	}
	if len(v) == 0 || v[0] != '-' && v[0]-'0' > 9 {
		return 0, false
	}
	f, err := parseFloat(v)
	return f, err == nil
}

// maxCount is more tokens than can be told apart from nonsense.
const maxCount = 1 << 53

// count is a number of something: whole and not negative, however it is spelled,
// and -1 where there is none.
func (r *reader) count() int { return countOf(r.scalar()) }

func countOf(v []byte) int {
	n := 0
	for i, c := range v {
		if c-'0' > 9 || i == 15 {
			break
		}
		if n = 10*n + int(c-'0'); i == len(v)-1 {
			return n
		}
	}
	f, ok := numberOf(v)
	if !ok || f < 0 || f > maxCount || f != math.Trunc(f) {
		return -1
	}
	return int(f)
}

// id is a token id, -1 where it is missing or none.
func (r *reader) id() int { return idOf(r.scalar()) }

func idOf(v []byte) int {
	if n := countOf(v); n <= math.MaxInt32 {
		return n
	}
	return -1
}

// logProb is a log-prob as servers write it: absent, null, a number, the
// sentinel, or a number or infinity in quotes. Anything else is an error.
func (r *reader) logProb() dataset.Float {
	v := r.scalar()
	f, ok := logProbOf(v)
	if !ok {
		r.fail("a log-prob that is no number")
	}
	return f
}

func logProbOf(v []byte) (dataset.Float, bool) {
	if string(v) == "null" {
		return dataset.Float{}, true
	}
	if f, ok := numberOf(v); ok {
		if f == missingLogProb {
			return dataset.Float{}, true
		}
		return dataset.Known(f), true
	}
	if len(v) > 2 && len(v) < 20 && v[0] == '"' {
		switch strings.ToLower(strings.Trim(string(v), `" +-`)) {
		case "inf", "infinity", "nan", "null", "none":
			return dataset.Float{}, true
		}
	}
	return dataset.Float{}, false
}

// missingLogProb stands for "no value" in some servers' numbers: OpenAI reports
// it for a token outside the top 20, and vLLM clamps -Inf to it. Neither is a
// log-probability, so it is missing, like null: a sum that meets it is missing
// too, where -9999 would pass for an unlikely text.
const missingLogProb = -9999

// filled reports whether a value says something: it is neither null, false, 0
// nor an empty string, list or object.
func (r *reader) filled() bool {
	switch k := r.kind(); k {
	case '"':
		s, _ := r.raw()
		return len(s) > 0
	case '{', '[':
		some := r.enter(k)
		for ok := some; ok; ok = r.more(k + 2) {
			if k == '{' {
				r.key()
			}
			r.skip()
		}
		return some
	case '0':
		f, ok := r.number()
		return !ok || f != 0
	default:
		r.skip()
		return k == 't'
	}
}

// name is a string that is used as it is, empty where there is none. One that is
// too long would be another when it is cut, and is none.
func (r *reader) name() string {
	if r.kind() != '"' {
		r.skip()
		return ""
	}
	s, whole := r.raw()
	if !whole || len(s) > maxName {
		return ""
	}
	return string(s)
}

// value is a value as it is written.
func (r *reader) value() []byte {
	if r.err != nil {
		return nil
	}
	v, err := r.dec.ReadValue()
	if err != nil {
		r.broken(err)
	}
	return bytes.Clone(v)
}
