package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

// FuzzReader: what the reader passes over is JSON exactly where encoding/json
// says so, in whatever pieces it comes; a text is the one that encoding/json
// reads, or an error where that would replace something; and a list has the
// elements that encoding/json finds.
func FuzzReader(f *testing.F) {
	for _, s := range append(validReplies, `"\ud83d\ude00\n"`, `"\ud83d"`, `[1 , "a,]\"" ,{"b":[2,3]},null ]`, `[]`,
		`[[],[ ]]`, "\xef\xbb\xbf1", `{"a":1,"a":2}`, `01`, `"`, `1e999`) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		plain := bytes.TrimPrefix(body, bom)
		for _, src := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body))} {
			in := &input{ctx: context.Background(), src: src, limit: 1 << 20}
			if err := readJSON(in, (*reader).skip); (err == nil) != json.Valid(plain) {
				t.Fatalf("valid %v, and the error is %v", json.Valid(plain), err)
			}
		}
		if !json.Valid(plain) {
			return
		}
		var want string
		isText := json.Unmarshal(plain, &want) == nil && strings.HasPrefix(strings.TrimSpace(string(plain)), `"`)
		got, err := read(body, func(r *reader) string { s, _ := r.text(1 << 20); return s })
		if isText && err == nil && got != want {
			t.Errorf("the text is %q, want %q", got, want)
		}
		if isText && err != nil && utf8.Valid(plain) && !strings.Contains(want, "\uFFFD") {
			t.Errorf("the text %q is refused: %v", want, err)
		}
		if !isText && got != "" {
			t.Errorf("a text %q, where none stands", got)
		}
		var elementsWant []json.RawMessage
		if v := bytes.TrimSpace(plain); v[0] == '[' && json.Unmarshal(v, &elementsWant) == nil {
			i := 0
			for e := range elements(v) {
				if i >= len(elementsWant) || !bytes.Equal(e, elementsWant[i]) {
					t.Fatalf("element %d is %q of %q", i, e, elementsWant)
				}
				i++
			}
			if i != len(elementsWant) {
				t.Errorf("%d elements of %d", i, len(elementsWant))
			}
		}
	})
}

// A reader ends with its context between two pieces of a document that does not
// end, and says so.
func TestReaderEndsWithItsContext(t *testing.T) {
	for name, unit := range map[string]string{"numbers": "1,", "keys": `{"k":`, "lists": "[", "text": "a",
		"digits": "1"} {
		start := map[string]string{"numbers": "[", "keys": "", "lists": "", "text": `"`, "digits": ""}[name]
		ctx, cancel := context.WithCancel(t.Context())
		pieces, at := 0, 0
		src := io.MultiReader(strings.NewReader(start), readerFunc(func(p []byte) (int, error) {
			if pieces++; pieces == 20 {
				cancel()
			}
			for i := range p {
				p[i] = unit[at%len(unit)]
				at++
			}
			return len(p), nil
		}))
		in := &input{ctx: ctx, src: src, limit: 1 << 40}
		err := readJSON(in, (*reader).skip)
		deep := name == "keys" || name == "lists" // refused for its depth before
		if !deep && !errors.Is(err, context.Canceled) || deep && err == nil || pieces > 20 {
			t.Errorf("%s: %v after %d pieces", name, err, pieces)
		}
		cancel()
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
