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

// goldenSets are the synthetic evaluations that the reference was run on.
var goldenSets = []string{"syn_dup150", "syn_full100", "syn_mid200", "syn_missing120", "syn_nonmono300", "syn_ties200",
	"syn_under120"}

// maybe is a number of the goldens, where NaN and infinities are strings.
type maybe float64

func (m *maybe) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`, "null":
		*m = maybe(nan)
	case `"+Inf"`:
		*m = maybe(inf)
	case `"-Inf"`:
		*m = maybe(-inf)
	default:
		return json.Unmarshal(b, (*float64)(m))
	}
	return nil
}
