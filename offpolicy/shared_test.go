package offpolicy

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// sharedFile returns the path of a reference file: under $REWEIGH_SHARED, else
// in "shared" beside the module's root. The test is skipped where it is absent.
func sharedFile(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("REWEIGH_SHARED")
	if root == "" {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				break
			}
			if dir == filepath.Dir(dir) {
				t.Skip("skipped: no go.mod above the test, so no reference files beside it")
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(dir, "..", "shared")
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: reference file %s is not here; set REWEIGH_SHARED to the folder that holds it", name)
	}
	return path
}

func readShared(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile(sharedFile(t, name))
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
