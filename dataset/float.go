package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Float is a float64 whose NaN is JSON null: in a record, a value that could
// not be obtained is NaN in Go and null on disk, and never a number. Infinities
// have no JSON form and are refused by MarshalJSON; a scorer turns them into a
// failed record before they get here.
//
// The zero Float is the number 0, not a missing value: use [Missing].
type Float float64

// Missing is the Float that stands for "no value".
func Missing() Float { return Float(math.NaN()) }

// Valid reports whether f holds a number.
func (f Float) Valid() bool { return !math.IsNaN(float64(f)) }

// MarshalJSON writes the shortest decimal that reads back as f, or null.
func (f Float) MarshalJSON() ([]byte, error) { return appendFloat(nil, f) }

// UnmarshalJSON reads a number, or null as NaN.
func (f *Float) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		*f = Missing()
		return nil
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("dataset: %q is neither a number nor null", b)
	}
	*f = Float(v)
	return nil
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
		if b, err = appendFloat(b, Float(f)); err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
	}
	return append(b, ']'), nil
}

// UnmarshalJSON reads an array of numbers and nulls; null itself is a nil
// slice.
func (fs *Floats) UnmarshalJSON(b []byte) error {
	var raw []Float
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	if raw == nil {
		*fs = nil
		return nil
	}
	out := make(Floats, len(raw))
	for i, f := range raw {
		out[i] = float64(f)
	}
	*fs = out
	return nil
}

// appendFloat follows encoding/json's own choice of format, so that a record
// reads the same whichever of the two wrote it.
func appendFloat(b []byte, f Float) ([]byte, error) {
	v := float64(f)
	switch {
	case math.IsNaN(v):
		return append(b, "null"...), nil
	case math.IsInf(v, 0):
		return nil, fmt.Errorf("dataset: %v has no JSON form; record a failure instead", v)
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
