package endpoints

import (
	"strings"
	"testing"
)

func TestCheckPlain(t *testing.T) {
	for _, tt := range []struct {
		address string
		refused bool
		reason  string
	}{
		{"", false, "the service's own address"},
		{"https://api.example.com/v1", false, "encrypted"},
		{"http://127.0.0.1:8000/v1", false, "this machine"},
		{"http://127.8.9.1/v1", false, "so is all of 127"},
		{"http://[::1]:8000/v1", false, "and the loopback of IPv6"},
		{"http://localhost:8000/v1", false, "by name"},
		{"http://api.example.com/v1", true, "a public host"},
		{"HTTP://api.example.com/v1", true, "a scheme has no case"},
		{"http://10.0.0.7:8000/v1", true, "a private network is a network"},
		{"http://0.0.0.0:8000/v1", true, "no loopback address"},
		{"http://localhost.example.com/v1", true, "a name that begins like this machine's"},
		{"http://user:secret@api.example.com/v1?token=secret", true, "with secrets of its own"},
	} {
		err := checkPlain(tt.address, false)
		if (err != nil) != tt.refused {
			t.Errorf("%s: %v (%s)", tt.address, err, tt.reason)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error holds a secret: %v", tt.address, err)
		}
		if err := checkPlain(tt.address, true); err != nil {
			t.Errorf("%s, allowed: %v", tt.address, err)
		}
	}
}
