package providers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// A reply has no more alternatives than the request can have asked for: what is
// beyond them is left out, in both formats, and the tokens stay.
func TestAlternativesAreBounded(t *testing.T) {
	w := want{most: 100, top: 1}
	n := w.alternatives()/maxCandidates + 10 // tokens with a full list each
	list := func(open, one, end string) string {
		return open + strings.TrimSuffix(strings.Repeat(one+",", maxCandidates), ",") + end
	}
	repeat := func(one string) string { return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]" }
	for name, body := range map[string]string{
		"content": `{"content":` + repeat(list(`{"token":"a","logprob":-1,"top_logprobs":[`, `{"token":"b"}`, `]}`)) + `}`,
		"arrays": `{"tokens":` + repeat(`"a"`) + `,"token_logprobs":` + repeat(`-1`) + `,"top_logprobs":` +
			repeat(list(`{`, `"b":-1`, `}`)) + `}`,
	} {
		tokens, err := read([]byte(body), func(r *reader) []Token { return r.logprobs(w) })
		if err != nil || len(tokens) != n {
			t.Fatalf("%s: %d tokens, %v, want %d", name, len(tokens), err, n)
		}
		kept := 0
		for _, tok := range tokens {
			kept += len(tok.Top)
		}
		if kept > w.alternatives() || kept < w.alternatives()-maxCandidates {
			t.Errorf("%s: %d alternatives, want %d at most and about as many", name, kept, w.alternatives())
		}
		if tokens[0].Top == nil || tokens[n-1].Top != nil {
			t.Errorf("%s: not the last ones are left out", name)
		}
	}
	positions := repeat(`{"1":{},"2":{},"3":{},"4":{},"5":{},"6":{},"7":{},"8":{}}`)
	positions = "[" + strings.Repeat(positions[1:len(positions)-1]+",", 8) + "null]"
	if _, err := read([]byte(positions), func(r *reader) []position { return r.positions(w) }); err == nil {
		t.Error("positions with more alternatives than can have been asked for are read")
	}
}

// The file of a batch's answers is read by lines, has a bound and ends with its
// context. Of a line that is too long no more is kept than shows it.
func TestBatchOutputsByLine(t *testing.T) {
	line := `{"custom_id":"%d","response":{"status_code":200,"body":{}}}` + "\n"
	long := strings.Repeat("x", 3*chunkBytes)
	var b bytes.Buffer
	for i := range 3 {
		fmt.Fprintf(&b, line, i)
		fmt.Fprintf(&b, `{"custom_id":"long %d","response":{"status_code":200,"body":"%s"}}`+"\n", i, long)
	}
	file := strings.TrimSpace(b.String()) // the last line may lack its end
	answers := func(ctx context.Context, limit int64) (int, int, error) {
		a, malformed, err := readBatchOutputs(&input{ctx: ctx, src: strings.NewReader(file), limit: limit})
		return len(a), malformed, err
	}
	if n, malformed, err := answers(t.Context(), 1<<20); n != 6 || malformed != 0 || err != nil {
		t.Errorf("%d answers, %d malformed, %v, want 6 and none", n, malformed, err)
	}
	if _, _, err := answers(t.Context(), 2*chunkBytes); !errors.Is(err, errTooLarge) {
		t.Errorf("a file that is too large: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := answers(ended, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	lines := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 200)+"\nabc"), 16)
	first, err := lineOf(lines, nil, 20)
	if len(first) <= 20 || len(first) > 20+16 || err != nil {
		t.Errorf("%d bytes of a line of 200, %v, want a little more than 20", len(first), err)
	}
	if last, err := lineOf(lines, first[:0], 20); string(last) != "abc" || err != io.EOF {
		t.Errorf("the line after it is %q, %v", last, err)
	}
}
