package pilot

import (
	"strings"
	"testing"
	"time"
)

func TestPriceAge(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	tests := []struct{ date, want, reason string }{
		{"2026-11-22", "", "of today"},
		{"2026-05-26", "", "180 days exactly is not older than 180 days"},
		{"2026-05-25", "181 days", "older"},
		{"", "no date", "unknown age is worth a warning too"},
		{"22.11.2026", "no date", "only one form is read"},
	}
	for _, tt := range tests {
		got := priceAge(tt.date, now)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%q: %q, want %q (%s)", tt.date, got, tt.want, tt.reason)
		}
	}
}
