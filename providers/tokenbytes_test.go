package providers

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// FuzzTokenBytes holds the reader of byte lists to encoding/json's numbers: the
// same lists are accepted, with the same bytes.
func FuzzTokenBytes(f *testing.F) {
	for _, s := range []string{`[]`, `[0]`, `[255, 1,2 ]`, `[256]`, `[25,600]`, `[-1]`, `[1.5]`, `[1e2]`, `[null]`, `["1"]`, `[[1]]`, `{}`, `7`, `null`, "[\n]", `[99999999999999999999]`, `[1 , 2]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.TrimSpace(b)
		if !json.Valid(b) {
			return // encoding/json hands over valid values alone
		}
		var want []json.Number
		ok := json.Unmarshal(b, &want) == nil && (b[0] == '[' || string(b) == "null") && !slices.Contains(want, "")
		var list []byte
		for _, n := range want {
			v, err := n.Int64()
			ok = ok && err == nil && v >= 0 && v <= 255 && n.String() != "-0"
			list = append(list, byte(v))
		}
		// A number in a string is no number here.
		ok = ok && !bytes.ContainsAny(b, `"`)
		var got wireBytes
		err := got.UnmarshalJSON(b)
		if (err == nil) != ok {
			t.Fatalf("%s: error %v, want accepted %v", b, err, ok)
		}
		if ok && (!bytes.Equal(got, list) || (got == nil) != (string(b) == "null")) {
			t.Fatalf("%s: %v, want %v", b, got, list)
		}
	})
}
