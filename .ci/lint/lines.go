package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// longest is a line's limit in characters, a tab being one.
const longest = 119

// lines finds the lines of Go and shell sources that are longer than that.
func lines(h *house) ([]finding, error) {
	var out []finding
	err := filepath.WalkDir(h.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(h.dir, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if !isSource(rel) {
			return nil
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		scan := bufio.NewScanner(f)
		scan.Buffer(nil, 1<<20)
		for n := 1; scan.Scan(); n++ {
			if width := utf8.RuneCountInString(scan.Text()); width > longest {
				text := fmt.Sprintf("%d characters, %d at most", width, longest)
				out = append(out, finding{rel, fmt.Sprintf("%s:%d", rel, n), text})
			}
		}
		return scan.Err()
	})
	return out, err
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".sh") || strings.HasPrefix(name, ".ci/") &&
		!strings.Contains(strings.TrimPrefix(name, ".ci/"), "/")
}
