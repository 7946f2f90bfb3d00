// Package shareddata finds reference outputs and real data that tests compare
// with and that are not part of the module.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// File returns the path of a file of the shared data, name's elements separated
// by slashes: under $REWEIGH_SHARED, else in a folder named shared beside the
// module's root. Where it is not there, the test is skipped and says so.
func File(t testing.TB, name string) string {
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
				t.Skip("skipped: no go.mod above the test, so no shared data beside it; set REWEIGH_SHARED to its folder")
			}
			dir = filepath.Dir(dir)
		}
		root = filepath.Join(filepath.Dir(dir), "shared")
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: the shared data has no %s here; set REWEIGH_SHARED to its folder", name)
	}
	return path
}
