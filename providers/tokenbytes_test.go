package providers

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzTokenBytes: a list of bytes is read as encoding/json reads the numbers, in
// whatever way they are written; what holds anything else is no list of bytes,
// and costs nothing else of the reply.
func FuzzTokenBytes(f *testing.F) {
	for _, s := range []string{"[]", "[ ]", "[1]", "[72, 105]", "[255,0]", "[256]", "[-1]", "[1.0]", "null", `"aGk="`,
		"[[1]]", "[1,null]", "{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b, (*reader).bytes)
		if valid := json.Valid(bytes.TrimPrefix(b, bom)); valid != (err == nil) {
			t.Fatalf("valid %v, and the error is %v", valid, err)
		}
		if err != nil {
			return // what was read before it is of no use
		}
		var numbers []uint8
		var raw []json.RawMessage
		plain := json.Unmarshal(bytes.TrimPrefix(b, bom), &raw) == nil && raw != nil
		for _, n := range raw {
			var v uint8
			plain = plain && string(n) != "null" && json.Unmarshal(n, &v) == nil && !bytes.ContainsAny(n, "eE.-")
			numbers = append(numbers, v)
		}
		if len(numbers) > maxPiece {
			return
		}
		if plain != (got != nil) || plain && !bytes.Equal(got, numbers) {
			t.Errorf("%q: got %v, want %v (%v)", b, got, numbers, plain)
		}
	})
}
