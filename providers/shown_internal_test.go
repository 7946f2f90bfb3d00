package providers

import (
	"strings"
	"testing"
)

// TestRefusedAddress: what an address may hide is not printed when it is refused.
func TestRefusedAddress(t *testing.T) {
	for _, base := range []string{"https://h.example/v1?token=hunter2hunter2", "https://h.example/v1#hunter2hunter2",
		"https://me:hunter2hunter2@h.example/v1", "ftp://h.example/v1?hunter2hunter2", "https:///v1?hunter2hunter2"} {
		_, err := newTransport("p", "KEY", "", HTTPConfig{BaseURL: base, Key: NewSecret("k")})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// TestOneLine: nothing that a server says acts on a terminal or reorders its text.
func TestOneLine(t *testing.T) {
	for _, r := range []rune{0x1b, 0x07, 0x9b, 0x7f, 0x202a, 0x202e, 0x2066, 0x2069, 0x200e, 0x200f, 0x061c, 0x2028,
		0x2029, 0xfeff} {
		if got := oneLine("a" + string(r) + "b"); got != "a b" {
			t.Errorf("%U: %q", r, got)
		}
	}
	if got := oneLine("\u0646\u200c\u0645 \U0001f469\u200d\U0001f467"); !strings.Contains(got, "\u200c") ||
		!strings.Contains(got, "\u200d") {
		t.Errorf("joiners are gone: %q", got)
	}
}
