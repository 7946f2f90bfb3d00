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
