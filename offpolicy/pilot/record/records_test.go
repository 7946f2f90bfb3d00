package record

import (
	"testing"
)

func TestPromptOf(t *testing.T) {
	for key, want := range map[string]string{"q1/p0/0": "q1", "a/b/p0/0": "a/b", "p0": "p0"} {
		if got := PromptOf(key); got != want {
			t.Errorf("promptOf(%q) = %q, want %q", key, got, want)
		}
	}
}
