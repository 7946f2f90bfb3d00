package main

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// longestReadme is how many lines README.md may have.
const longestReadme = 150

// eachFile calls f with every file below the root whose name ends in one of the endings.
func (h *house) eachFile(f func(rel string, text []byte) error, endings ...string) error {
	return filepath.WalkDir(h.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); n == ".git" || n == "testdata" || n == "runs" {
				return filepath.SkipDir
			}
			return nil
		}
		if !slices.Contains(endings, filepath.Ext(name)) {
			return nil
		}
		rel, err := filepath.Rel(h.dir, name)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return f(filepath.ToSlash(rel), text)
	})
}

// words finds the words that .ci/words strikes, in sources and in what people read.
func words(h *house) ([]finding, error) {
	list, err := os.ReadFile(filepath.Join(h.dir, ".ci", "words"))
	if err != nil {
		return nil, nil // a module without a list strikes none
	}
	instead := map[string]string{}
	var struck []string
	for line := range strings.Lines(string(list)) {
		word, to, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if strings.HasPrefix(line, "#") || !ok {
			continue
		}
		instead[strings.ToLower(word)] = to
		struck = append(struck, strings.ReplaceAll(regexp.QuoteMeta(word), " ", `\s+`))
	}
	if len(struck) == 0 {
		return nil, nil
	}
	any := regexp.MustCompile(`(?i)\b(` + strings.Join(struck, "|") + `)\b`)
	var out []finding
	err = h.eachFile(func(rel string, text []byte) error {
		if strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		if filepath.Ext(rel) == ".md" { // output that is shown is as it was
			text = mdFence.ReplaceAllFunc(text, func(b []byte) []byte {
				return bytes.Repeat([]byte("\n"), bytes.Count(b, []byte("\n")))
			})
		}
		scan := bufio.NewScanner(bytes.NewReader(text))
		scan.Buffer(nil, 1<<20)
		for n := 1; scan.Scan(); n++ {
			for _, m := range any.FindAllString(scan.Text(), -1) {
				key := strings.ToLower(strings.Join(strings.Fields(m), " "))
				out = append(out, finding{rel + ":" + strings.ReplaceAll(key, " ", "_"), fmt.Sprintf("%s:%d", rel, n),
					fmt.Sprintf("%q is struck: write %s", m, instead[key])})
			}
		}
		return scan.Err()
	}, ".go", ".md", ".tmpl", ".sh")
	return out, err
}

var (
	mdLink  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdFence = regexp.MustCompile("(?ms)^```.*?^```")
)

// links finds links in Markdown files that lead nowhere, links in doc comments that name
// nothing or stand where godoc shows text as it is, and a README that is too long.
func links(h *house) ([]finding, error) {
	var out []finding
	err := h.eachFile(func(rel string, text []byte) error {
		if n := strings.Count(string(text), "\n"); rel == "README.md" && n > longestReadme {
			out = append(out, finding{rel, rel, fmt.Sprintf("%d lines, %d at most: move what belongs beside the code", n,
				longestReadme)})
		}
		for _, m := range mdLink.FindAllStringSubmatch(mdFence.ReplaceAllString(string(text), ""), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, ":") {
				continue
			}
			if _, err := os.Stat(filepath.Join(h.dir, filepath.Dir(rel), filepath.FromSlash(to))); err != nil {
				out = append(out, finding{rel + ":" + to, rel, "a link to " + to + ", which is not there"})
			}
		}
		return nil
	}, ".md")
	if err != nil {
		return nil, err
	}
	if err := h.load(); err != nil {
		return nil, err
	}
	for _, d := range h.docs() {
		for _, text := range d.texts {
			out = append(out, h.deadNames(d, text)...)
		}
	}
	err = h.eachFile(func(rel string, text []byte) error { // of nested modules, too
		if strings.HasSuffix(rel, "_test.go") || !public(path.Dir(rel)) {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil || f.Name.Name == "main" {
			return err
		}
		out = append(out, unlinked(fset, f, rel)...)
		return nil
	}, ".go")
	return out, err
}

// unlinked finds brackets in what godoc shows as code, the comments inside of a
// declaration, and in a package's first sentence, which lists of packages show as text.
func unlinked(fset *token.FileSet, f *ast.File, rel string) (out []finding) {
	say := func(pos token.Pos, text, why string) {
		for _, m := range bracketed.FindAllStringSubmatch(text, -1) {
			if last := m[1][strings.LastIndex(m[1], ".")+1:]; ast.IsExported(last) {
				at := fmt.Sprintf("%s:%d", rel, fset.Position(pos).Line)
				out = append(out, finding{path.Dir(rel) + ":" + m[1], at, m[0] + " " + why})
			}
		}
	}
	if f.Doc != nil {
		first, _, _ := strings.Cut(f.Doc.Text(), ".\n")
		first, _, _ = strings.Cut(first, ". ")
		say(f.Doc.Pos(), first, "stands in a package's first sentence, which lists show as text")
	}
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, group := range f.Comments {
			if group.Pos() < d.Pos() || group.Pos() > d.End() || documentsType(d, group) {
				continue
			}
			for _, c := range group.List {
				say(c.Pos(), c.Text, "stands inside of a declaration, where it is no link")
			}
		}
	}
	return out
}

// documentsType says whether a comment within d is the doc comment of a type, or lies in a
// type that is not exported.
func documentsType(d *ast.GenDecl, group *ast.CommentGroup) bool {
	return slices.ContainsFunc(d.Specs, func(s ast.Spec) bool {
		t, ok := s.(*ast.TypeSpec)
		return ok && (t.Doc == group || !t.Name.IsExported() && t.Pos() < group.Pos() && group.Pos() < t.End())
	})
}

// documented is a library's documentation.
type documented struct {
	pkg   *packages.Package
	texts []commentText
}

type commentText struct {
	place, text string
}

func (h *house) docs() []documented {
	var out []documented
	for _, p := range h.libraries() {
		if !public(p.PkgPath) || len(p.Syntax) == 0 {
			continue
		}
		d := documented{pkg: p}
		for _, f := range p.Syntax {
			for _, group := range f.Comments {
				if group == f.Doc || attached(f, group) {
					d.texts = append(d.texts, commentText{h.place(p.Fset, group.Pos()), group.Text()})
				}
			}
		}
		out = append(out, d)
	}
	return out
}

// attached says whether a comment documents a declaration at the top of the file.
func attached(f *ast.File, group *ast.CommentGroup) bool {
	return slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
		switch d := d.(type) {
		case *ast.FuncDecl:
			return d.Doc == group && d.Name.IsExported()
		case *ast.GenDecl:
			return d.Doc == group
		}
		return false
	})
}

var bracketed = regexp.MustCompile(`\[\*?([A-Za-z_][A-Za-z0-9_.]*)\]`)

// deadNames finds links of a doc comment that godoc does not make: in brackets, and no
// name of the package or of one that it imports.
func (h *house) deadNames(d documented, c commentText) (out []finding) {
	parser := &comment.Parser{
		LookupPackage: func(name string) (string, bool) {
			if name == d.pkg.Name {
				return d.pkg.PkgPath, true
			}
			for path, p := range d.pkg.Imports {
				if p.Name == name || filepath.Base(path) == name {
					return path, true
				}
			}
			return comment.DefaultLookupPackage(name)
		},
		LookupSym: func(recv, name string) bool {
			if recv == "" {
				return d.pkg.Types.Scope().Lookup(name) != nil
			}
			obj := d.pkg.Types.Scope().Lookup(recv)
			if obj == nil {
				return false
			}
			member, _, _ := types.LookupFieldOrMethod(obj.Type(), true, d.pkg.Types, name)
			return member != nil
		},
	}
	say := func(text, why string) {
		for _, m := range bracketed.FindAllStringSubmatch(text, -1) {
			if ast.IsExported(m[1]) || strings.Contains(m[1], ".") {
				out = append(out, finding{h.short(d.pkg.PkgPath) + ":" + m[1], c.place, m[0] + " " + why})
			}
		}
	}
	var walk func(blocks []comment.Block)
	walk = func(blocks []comment.Block) {
		for _, b := range blocks {
			switch b := b.(type) {
			case *comment.Code:
				say(b.Text, "stands in preformatted text, where it is no link")
			case *comment.Paragraph:
				for _, t := range b.Text {
					if p, ok := t.(comment.Plain); ok {
						say(string(p), "names nothing")
					}
				}
			case *comment.List:
				for _, item := range b.Items {
					walk(item.Content)
				}
			}
		}
	}
	walk(parser.Parse(c.text).Content)
	return out
}

// undocumented finds exported names without a doc comment, and libraries without an
// Example.
func undocumented(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	examples := map[string]bool{}
	for _, p := range h.pkgs {
		for _, f := range p.Syntax {
			if len(doc.Examples(f)) > 0 {
				examples[strings.TrimSuffix(p.PkgPath, "_test")] = true
			}
		}
	}
	var out []finding
	for _, p := range h.libraries() {
		if !public(p.PkgPath) || len(p.Syntax) == 0 || p.PkgPath == h.module {
			continue
		}
		if path := p.PkgPath; !examples[path] {
			out = append(out, finding{h.short(path), h.place(p.Fset, p.Syntax[0].Pos()), "no Example of " + h.short(path)})
		}
		missing := func(name string, pos token.Pos) {
			out = append(out, finding{h.short(p.PkgPath) + "." + name, h.place(p.Fset, pos), name + " has no doc comment"})
		}
		for _, f := range p.Syntax {
			for _, decl := range f.Decls {
				switch d := decl.(type) {
				case *ast.FuncDecl:
					// What every Error and String says is known.
					known := d.Recv != nil && asked[d.Name.Name] != nil
					if d.Name.IsExported() && d.Doc == nil && !known && (d.Recv == nil || exportedReceiver(d.Recv)) {
						missing(d.Name.Name, d.Pos())
					}
				case *ast.GenDecl:
					for _, s := range d.Specs {
						switch s := s.(type) {
						case *ast.TypeSpec:
							if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
								missing(s.Name.Name, s.Pos())
							}
						case *ast.ValueSpec:
							if s.Names[0].IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
								missing(s.Names[0].Name, s.Pos())
							}
						}
					}
				}
			}
		}
	}
	return out, nil
}

func exportedReceiver(recv *ast.FieldList) bool {
	t := recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
