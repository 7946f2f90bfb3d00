package jsonline

import (
	"encoding/json"
	"testing"
)

func TestError(t *testing.T) {
	for in, want := range map[string]string{
		"{\n\"a\": NaN}":         "line 2: invalid character 'N' looking for beginning of value",
		"{\n\"a\": 1,\n":         "line 3: unexpected end of JSON input",
		"{\n\n\"a\": 1e999\n}":   `line 3: field "a" holds a value of another kind, or out of range: number 1e999`,
		"\ufeff{\"a\": 1}":       "line 1: the file begins with a byte order mark, which JSON does not have",
		"{\"a\": 1}\n\ngarbage.": "line 3: invalid character 'g' after top-level value",
	} {
		var v struct {
			A float64 `json:"a"`
		}
		err := json.Unmarshal([]byte(in), &v)
		if err == nil {
			t.Fatalf("%q is read", in)
		}
		if got := Error([]byte(in), err); got.Error() != want {
			t.Errorf("%q: %v, want %s", in, got, want)
		}
	}
}
