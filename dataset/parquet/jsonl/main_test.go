package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/parquet"
)

// TestLinesAreTheRows: what the command writes reads as the file itself does.
func TestLinesAreTheRows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "testdata", "*.parquet"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		want, err := parquet.File(path, parquet.Columns{All: true}).Prompts(dataset.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{path}, {"-columns", "all", path}} {
			var out, say bytes.Buffer
			if code := run(args, &out, &say); code != 0 {
				t.Fatalf("%v: exit %d, %s", args, code, say.String())
			}
			got, err := dataset.ReadPrompts(&out, "out", dataset.ReadOptions{})
			if err != nil || len(got.Prompts) != len(want.Prompts) || got.Prompts[0].Text != want.Prompts[0].Text {
				t.Errorf("%v: %v, %v", args, got, err)
			}
		}
	}
	for _, row := range []struct {
		args []string
		code int
		say  string
	}{
		{nil, 2, "want one Parquet file"},
		{[]string{"-columns", "nothing", files[0]}, 1, `no column "nothing"`},
		{[]string{"absent.parquet"}, 1, "absent.parquet"},
	} {
		var out, say bytes.Buffer
		if code := run(row.args, &out, &say); code != row.code || !strings.Contains(say.String(), row.say) {
			t.Errorf("%v: exit %d, %s", row.args, code, say.String())
		}
	}
}
