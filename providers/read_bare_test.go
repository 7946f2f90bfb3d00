package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

func TestBareWords(t *testing.T) {
	tests := []struct{ in, want, why string }{
		{`{"a":NaN,"b":[-Infinity, Infinity]}`, `{"a":null,"b":[null, null]}`, "what Python writes"},
		{`NaN`, `null`, "the whole document"},
		{`{"a":"NaN, \"Infinity\" and -Infinity\\"}`, `{"a":"NaN, \"Infinity\" and -Infinity\\"}`, "texts stay"},
		{`{"NaN":NaN}`, `{"NaN":null}`, "so do names"},
		{`["\\",NaN]`, `["\\",null]`, "a backslash that ends a text"},
		{`["\\\"",NaN,"\"NaN"]`, `["\\\"",null,"\"NaN"]`, "a quotation mark behind a backslash"},
		{`{"a":-1,"b":"Infin`, `{"a":-1,"b":"Infin`, "an end in the middle of a word"},
		{`[Na]`, `[Na]`, "no word"},
		{`[-]`, `[-]`, "nor this"},
	}
	for _, tt := range tests {
		for size := 1; size <= len(tt.in); size++ {
			var b bare
			var out []byte
			for at := 0; at < len(tt.in); at += size {
				end := min(at+size, len(tt.in))
				out = append(out, b.next([]byte(tt.in[at:end]), end == len(tt.in))...)
			}
			if string(out) != tt.want {
				t.Errorf("%s, %d bytes at a time: %s, want %s", tt.why, size, out, tt.want)
			}
		}
	}
}

// Invariant: valid JSON is read as it is, however it comes; and a document is read
// like the one with null in place of each word outside of its texts.
func FuzzBareWords(f *testing.F) {
	f.Add([]byte(`{"a":[NaN,-Infinity,"NaN\"",{"b\\":Infinity}],"c":-1}`))
	f.Add([]byte(`["\\",NaN,"\\\"Infinity"]`))
	piece := regexp.MustCompile(`"(?:[^"\\]|\\.)*"|NaN|-?Infinity`)
	f.Fuzz(func(t *testing.T, doc []byte) {
		want := piece.ReplaceAllFunc(doc, func(m []byte) []byte {
			if m[0] == '"' {
				return m
			}
			return []byte("null")
		})
		if !json.Valid(want) {
			return
		}
		in := &input{ctx: context.Background(), src: iotest.OneByteReader(bytes.NewReader(doc)), limit: 1 << 20}
		var got []byte
		if err := readJSON(in, func(r *reader) { got = r.value() }); err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		if strings.TrimSpace(string(got)) != strings.Trim(string(want), " \t\r\n") {
			t.Errorf("%q is read as %q, want %q", doc, got, want)
		}
	})
}
