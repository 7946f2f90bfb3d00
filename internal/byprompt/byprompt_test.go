package byprompt_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/internal/byprompt"
)

// of is a list of rows that are written "prompt row".
func of(rows ...string) byprompt.List[string] {
	return byprompt.Of(len(rows), func(i int) string { id, _, _ := strings.Cut(rows[i], " "); return id },
		func(i int) string { _, row, _ := strings.Cut(rows[i], " "); return row })
}

func read(a, b byprompt.List[string]) (got []string) {
	for id := range byprompt.Each(&a, &b) {
		got = append(got, fmt.Sprint(id, a.Take(id, nil), b.Take(id, nil)))
	}
	return got
}

func TestEach(t *testing.T) {
	for _, test := range []struct {
		why  string
		a, b byprompt.List[string]
		want []string
	}{
		{"lists without a row have no prompt", of(), of(), nil},
		{"prompts of either list, each once", of("p 1", "q 2", "q 3"), of("q 4", "r 5"),
			[]string{"p[1] []", "q[2 3] [4]", "r[] [5]"}},
		{"rows of one prompt stay in their order, wherever they stand", of("q 1", "p 2", "q 0", "p 3"), of("q 4"),
			[]string{"p[2 3] []", "q[1 0] [4]"}},
		{"an empty id is a prompt's too, and the first", of("p 1", " 2"), of(), []string{"[2] []", "p[1] []"}},
		{"ids are compared as bytes", of("p10 1", "p9 2", "P9 3"), of(),
			[]string{"P9[3] []", "p10[1] []", "p9[2] []"}},
	} {
		if got := read(test.a, test.b); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.why, got, test.want)
		}
		if again := read(test.a, test.b); !slices.Equal(again, test.want) {
			t.Errorf("%s: read again: %q, want %q", test.why, again, test.want)
		}
	}
}

// Rows are read when their prompt comes, not before.
func TestEachIsLazy(t *testing.T) {
	reads := 0
	l := byprompt.Of(3, func(i int) string { return "pqr"[i : i+1] }, func(i int) int { reads++; return i })
	for id := range byprompt.Each(&l) {
		l.Take(id, nil)
		break
	}
	if reads != 1 {
		t.Errorf("%d rows read for the first prompt, want 1", reads)
	}
}
