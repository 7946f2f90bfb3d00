package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// longest is a line's limit in characters, a tab being one.
const longest = 119

// lines finds the lines of Go and shell sources that are longer than that. What
// cannot be broken does not count: the text of a raw string, and an example's
// output.
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
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		var raw map[int]int
		if strings.HasSuffix(rel, ".go") {
			raw = rawCharacters(text)
		}
		output := false
		scan := bufio.NewScanner(bytes.NewReader(text))
		scan.Buffer(nil, 1<<20)
		for n := 1; scan.Scan(); n++ {
			line := strings.TrimSpace(scan.Text())
			output = strings.HasPrefix(line, "//") && (output || outputMark.MatchString(line))
			width := utf8.RuneCountInString(scan.Text())
			if width-raw[n] > longest && !output {
				text := fmt.Sprintf("%d characters, %d at most", width, longest)
				out = append(out, finding{rel, fmt.Sprintf("%s:%d", rel, n), text})
			}
		}
		return scan.Err()
	})
	return out, err
}

var outputMark = regexp.MustCompile(`^//\s*(?i:(unordered )?output:)`)

// rawCharacters counts, by line, the characters inside raw strings.
func rawCharacters(src []byte) map[int]int {
	out := map[int]int{}
	fset := token.NewFileSet()
	file := fset.AddFile("", -1, len(src))
	var s scanner.Scanner
	s.Init(file, src, nil, 0)
	for {
		pos, t, lit := s.Scan()
		if t == token.EOF {
			return out
		}
		if t == token.STRING && strings.HasPrefix(lit, "`") {
			for i, part := range strings.Split(lit, "\n") {
				out[file.Line(pos)+i] += utf8.RuneCountInString(part)
			}
		}
	}
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".go") || strings.HasSuffix(name, ".sh") || strings.HasPrefix(name, ".ci/") &&
		!strings.Contains(strings.TrimPrefix(name, ".ci/"), "/")
}
