package main

import (
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// flagWord is what looks like a command's flag in a text: "-probes", and
// neither "log-prob" nor "-1" nor an exponent.
var flagWord = regexp.MustCompile("(^|[\\s\"'`(\\[,;:|])(--?[a-z][a-z0-9]*(-[a-z0-9]+)*)")

// flags finds what looks like a flag in a text of a library: libraries name
// fields, and a command puts them into its own words. A struct's tags are no
// text; an embedded template is. .ci/allow/flags answers by PACKAGE:-word.
func flags(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	var out []finding
	for _, p := range h.libraries() {
		find := func(text, place string) {
			for _, m := range flagWord.FindAllStringSubmatch(text, -1) {
				say := "a library's text names the flag " + m[2] + ": " + excerpt(text, m[2])
				out = append(out, finding{h.short(p.PkgPath) + ":" + m[2], place, say})
			}
		}
		for _, name := range p.EmbedFiles {
			if !strings.HasSuffix(name, ".tmpl") {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			find(string(text), filepath.Base(name))
		}
		for _, file := range p.Syntax {
			tags := map[*ast.BasicLit]bool{}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ImportSpec:
					return false
				case *ast.Field:
					tags[n.Tag] = true
				case *ast.BasicLit:
					if n.Kind != token.STRING || tags[n] {
						break
					}
					text, err := strconv.Unquote(n.Value)
					if err != nil {
						break
					}
					find(text, h.place(p.Fset, n.Pos()))
				}
				return true
			})
		}
	}
	return out, nil
}

// excerpt is the part of the text around the word, on one line.
func excerpt(text, word string) string {
	at := strings.Index(text, word)
	from, to := max(0, at-30), min(len(text), at+len(word)+30)
	return strconv.Quote(strings.ToValidUTF8(text[from:to], ""))
}
