package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/offpolicy/pilot"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// render is f(v) as a string.
func render(t testing.TB, f func(io.Writer, *pilot.Verdict) error, v *pilot.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func textOf(width int) func(io.Writer, *pilot.Verdict) error {
	return func(w io.Writer, v *pilot.Verdict) error { return Text(w, v, width) }
}

func TestGolden(t *testing.T) {
	full, running := fullVerdict(), runningVerdict()
	for _, row := range []struct {
		file   string
		render func(io.Writer, *pilot.Verdict) error
		v      *pilot.Verdict
		reason string
	}{
		{"full.json", JSON, full, "the contract with other tools, and a seed of the fuzz test"},
		{"full.md", Markdown, full, "every field, hostile text, missing values"},
		{"full.html", HTML, full, "every field, hostile text, missing values"},
		{"full.txt", textOf(80), full, "a usual terminal"},
		{"full40.txt", textOf(40), full, "the narrowest: columns are dropped"},
		{"running.md", Markdown, running, "empty sections say so"},
		{"running.html", HTML, running, "the banner and empty sections"},
		{"running.txt", textOf(80), running, "the banner and empty sections"},
	} {
		t.Run(row.file, func(t *testing.T) {
			got := render(t, row.render, row.v)
			path := filepath.Join("testdata", row.file)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (%s): -want +got, rewrite with -update if it is meant:\n%s", row.file, row.reason, diff)
			}
		})
	}
}
