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

func TestStrict(t *testing.T) {
	type policy struct {
		Name  string         `json:"name"`
		TopP  *float64       `json:"top_p"`
		TopK  int            `json:"top_k"`
		Extra map[string]any `json:"extra,omitempty"`
	}
	for in, want := range map[string]string{
		"":                                       "line 1: the file is empty",
		"[\n{\"name\": \"a\", \"top_p\": 1}\n,]": "line 3: invalid character ',' at start of value",
		"[{\"name\": \"a\",\n\"top_p\": .1}]":    "line 2: invalid character '.' at start of value",
		"[{\"name\": \"a\",\n\"min_p\": 0.1}]":   "line 2: unknown field \"min_p\": known are name, top_p, top_k, extra",
		"[{\"Top_p\": 0.1}]":                     "line 1: unknown field \"Top_p\": known are name, top_p, top_k, extra",
		"[{\"top_p\": 0.1,\n\"top_p\": 1}]":      "line 2: field \"top_p\" stands twice",
		"{\"policies\": []}":                     "line 1: an object, where an array should be",
		"[{\"name\": \"a\"},\n\n\"b\"]":          "line 3: a string, where an object should be",
		"[{\"top_p\":\n\"0.7\"}]":                "line 2: field \"top_p\" holds a string, where a number should be",
		"[{\"name\": [\"a\"]}]":                  "line 1: field \"name\" holds an array, where a string should be",

		"[{\"top_k\": 1.5}]":          "line 1: field \"top_k\" holds 1.5, where a whole number in range should be",
		"[{\"top_p\": 1e999}]":        "line 1: field \"top_p\" holds 1e999, where a number in range should be",
		"[{\"extra\": true}]":         "line 1: field \"extra\" holds true or false, where an object should be",
		"[]\n[]":                      "line 2: something follows the value: want one",
		"[{\"name\": \"a\xff\"}]":     "line 1: invalid UTF-8",
		"- name: p0\n  role: logging": "line 1: invalid character ' ' in number (expecting digit)",
	} {
		var v []policy
		err := Strict([]byte(in), &v)
		if err == nil {
			t.Errorf("%q is read as %+v", in, v)
			continue
		}
		if err.Error() != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	var v []policy
	in := "\ufeff[{\"name\": null, \"top_p\": null, \"top_k\": 5, \"extra\": {\"a\": [1]}}]\n"
	if err := Strict([]byte(in), &v); err != nil || len(v) != 1 || v[0].TopK != 5 ||
		v[0].TopP != nil || len(v[0].Extra) != 1 {
		t.Errorf("read as %+v: %v", v, err)
	}
}
