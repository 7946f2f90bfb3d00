package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Float is a number that may be missing. The zero Float is the missing one, so that
// no field left out can count as a score, a label, a log-prob or a probability.
// It is null in JSON, and null is written: readers such as CJE look for the key.
//
// A Float takes 8 bytes and is compared with ==: two are equal if both are missing
// or both are the same number (-0 is 0). [Known] makes one, [Float.Get] reads it.
// Infinities are numbers, but have no JSON form and are refused by MarshalJSON.
type Float struct {
	// The bits of the number, xor those of NaN: 0 is missing, and there is no second
	// form of it.
	bits uint64
}

var nanBits = math.Float64bits(math.NaN())

// Known returns the Float that holds x. NaN is no number: Known(NaN) is missing,
// which turns a column's value into a field's.
func Known(x float64) Float {
	if math.IsNaN(x) {
		return Float{}
	}
	return Float{math.Float64bits(x+0) ^ nanBits}
}

// Get returns the number, and whether there is one; 0 and false if it is missing.
func (f Float) Get() (float64, bool) {
	if f.bits == 0 {
		return 0, false
	}
	return f.OrNaN(), true
}

// OrNaN returns the number, or NaN if it is missing: the form of a column.
func (f Float) OrNaN() float64 { return math.Float64frombits(f.bits ^ nanBits) }

// Valid reports whether f holds a number.
func (f Float) Valid() bool { return f.bits != 0 }

// Equal is ==; github.com/google/go-cmp asks for it.
func (f Float) Equal(o Float) bool { return f == o }

// String returns the number as JSON has it, or "missing".
func (f Float) String() string {
	if !f.Valid() {
		return "missing"
	}
	return strconv.FormatFloat(f.OrNaN(), 'g', -1, 64)
}

// MarshalJSON writes the shortest decimal that reads back as f, or null.
func (f Float) MarshalJSON() ([]byte, error) { return appendFloat(nil, f.OrNaN()) }

// UnmarshalJSON reads a number, or null as missing. A number too large for a
// float64 is an error.
func (f *Float) UnmarshalJSON(b []byte) error {
	v, err := parseFloat(b)
	*f = Known(v)
	return err
}

// parseFloat returns NaN for null, and with an error.
func parseFloat(b []byte) (float64, error) {
	if string(b) == "null" {
		return math.NaN(), nil
	}
	// ParseFloat would take +1, Inf, NaN, 1_0 and 0x1p-2 too, which JSON does not
	// have.
	digits := bytes.TrimPrefix(b, []byte{'-'})
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' || len(digits) > 1 && digits[1]|' ' == 'x' ||
		bytes.IndexByte(b, '_') >= 0 {
		return math.NaN(), fmt.Errorf("%.40s is neither a number nor null", b)
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return math.NaN(), fmt.Errorf("%.40s has no float64 form: %w", b, errors.Unwrap(err))
	}
	return v, nil
}

// Floats is a slice of values some of which may be missing; it marshals like a
// slice of [Float], in one pass.
type Floats []float64

// MarshalJSON writes an array with null for NaN; a nil slice is null.
func (fs Floats) MarshalJSON() ([]byte, error) {
	if fs == nil {
		return []byte("null"), nil
	}
	b := append(make([]byte, 0, 2+20*len(fs)), '[')
	for i, f := range fs {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendFloat(b, f); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads an array of numbers and nulls; null itself is a nil
// slice.
func (fs *Floats) UnmarshalJSON(b []byte) error {
	// Token log-probs are most of a run's bytes: one pass over them, instead of
	// encoding/json's call of an UnmarshalJSON for every element, which is several
	// times slower.
	*fs = nil
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		return nil
	}
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return fmt.Errorf("%.40s is no array of numbers", b)
	}
	b = bytes.TrimSpace(b[1 : len(b)-1])
	out := make(Floats, 0, bytes.Count(b, []byte(","))+1)
	for len(b) > 0 {
		elem, rest, more := bytes.Cut(b, []byte(","))
		v, err := parseFloat(bytes.TrimSpace(elem))
		if err != nil {
			return fmt.Errorf("element %d: %w", len(out), err)
		}
		out = append(out, v)
		if b = bytes.TrimSpace(rest); more && len(b) == 0 {
			return errors.New("an array of numbers ends with a comma")
		}
	}
	*fs = out
	return nil
}

// appendFloat follows encoding/json's own choice of format, so that a record
// reads the same whichever of the two wrote it.
func appendFloat(b []byte, v float64) ([]byte, error) {
	switch {
	case math.IsNaN(v):
		return append(b, "null"...), nil
	case math.IsInf(v, 0):
		return nil, fmt.Errorf("dataset: %v has no JSON form (record a failure instead)", v)
	}
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, v, format, -1, 64)
	if format == 'e' {
		if n := len(b); n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
			b[n-2] = b[n-1]
			b = b[:n-1]
		}
	}
	return b, nil
}
