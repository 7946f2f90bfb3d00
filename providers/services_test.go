package providers

import (
	"strings"
	"testing"
)

// No word of the tables means two things: none stands twice (their index panics),
// and none is covered by the beginning of another row.
func TestWordsOfServicesMeanOneThing(t *testing.T) {
	for p := range codePrefixes {
		for q := range codePrefixes {
			if p != q && strings.HasPrefix(q, p) {
				t.Errorf("%s* is one of %s*", q, p)
			}
		}
		for w := range codeWords {
			if strings.HasPrefix(w, p) {
				t.Errorf("%s is one of %s*", w, p)
			}
		}
	}
	for w := range codeWords {
		if w != strings.ToLower(w) {
			t.Errorf("%s is not in lower case", w)
		}
		if _, isFinish := finishWords[w]; isFinish && codeWords[w] != ClassFiltered {
			t.Errorf("%s is a code and a reason to end", w)
		}
	}
}
