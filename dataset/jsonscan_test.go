package dataset

import (
	"encoding/json"
	"maps"
	"testing"
	"unicode/utf8"
)

// FuzzSplitObject: of UTF-8, exactly the objects that encoding/json accepts are split, but
// for numbers that no float64 holds, and the parts are those that it finds.
func FuzzSplitObject(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1,"b":[1,{"c":null}],"a":"x"}`, ` { "k\u00e9y" : -0.5e-3 , "" : [ ] } `,
		`{"a":"\ud83d\ude00\ud83d\u0041\n\/"}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e400}`, `{"a":tru}`, `{"a":"\x"}`, "{\"a\":\"\t\"}", `{"a":1,}`,
		`{"a" 1}`, `{"a":1}x`, `{"a":[1,]}`, `{"a":"\u12"}`, `{"a":-}`, `[{}]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if !utf8.Valid(b) {
			return // refused before
		}
		got, err := splitObject(b, nil)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(b, &want)
		if wantErr == nil && want == nil {
			wantErr = errSyntax // null
		}
		if err != nil {
			var any map[string]any
			if wantErr == nil && json.Unmarshal(b, &any) == nil {
				t.Fatalf("%q: %v, encoding/json accepts it", b, err)
			}
			return
		}
		if wantErr != nil {
			t.Fatalf("%q: accepted, encoding/json says %v", b, wantErr)
		}
		names := map[string]bool{}
		for _, m := range got {
			names[m.name] = true
			if surrogateIn([]byte(m.name)) != nil {
				return // encoding/json makes one name of two such
			}
		}
		if len(names) != len(want) {
			t.Fatalf("%q: %v, want %v", b, names, want)
		}
		for name := range maps.Keys(want) {
			if string(got.get(name)) != string(want[name]) {
				t.Fatalf("%q: %s is %s, want %s", b, name, got.get(name), want[name])
			}
			if raw := got.get(name); raw[0] == '"' {
				var s string
				if err := json.Unmarshal(raw, &s); err != nil {
					t.Fatal(err)
				}
				if mine, err := unquote(raw); surrogateIn(raw) != nil {
					if err == nil {
						t.Fatalf("%s has half a surrogate pair, and reads as %q", raw, mine)
					}
				} else if err != nil || mine != s {
					t.Fatalf("%s reads as %q, %v; want %q", raw, mine, err, s)
				}
			}
		}
	})
}
