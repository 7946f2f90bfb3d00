package offpolicy

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/reweigh/reweigh/internal/shareddata"
)

func readShared(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(shareddata.File(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// near reports whether got is want to a relative tolerance, absolute where want
// is 0; NaN is near NaN.
func near(got, want, tol float64) bool {
	if math.IsNaN(want) || math.IsInf(want, 0) {
		return got == want || math.IsNaN(got) && math.IsNaN(want)
	}
	if want == 0 {
		return math.Abs(got) <= tol
	}
	return math.Abs(got-want) <= tol*math.Abs(want)
}
