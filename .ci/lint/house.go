package main

import (
	"bufio"
	"errors"
	"fmt"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// house is the module under check, loaded when a check first needs it.
type house struct {
	dir    string
	stats  []string // figures of the check under way
	module string
	pkgs   []*packages.Package // with their test variants
	users  []*packages.Package // of the modules nested in this one
}

func (h *house) load() error {
	if h.pkgs != nil {
		return nil
	}
	root, err := filepath.Abs(h.dir)
	if err != nil {
		return err
	}
	h.dir = root
	h.pkgs, err = loadModule(root)
	if err != nil {
		return err
	}
	for _, p := range h.pkgs {
		if p.Module != nil && h.module == "" {
			h.module = p.Module.Path
		}
	}
	nested, err := nestedModules(root)
	for _, dir := range nested {
		users, e := loadModule(dir)
		h.users = append(h.users, users...)
		err = errors.Join(err, e)
	}
	return err
}

// nestedModules are the folders of the modules inside root, hidden ones apart.
func nestedModules(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == root:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.Name() == "go.mod" && filepath.Dir(name) != root:
			out = append(out, filepath.Dir(name))
		}
		return nil
	})
	return out, err
}

func loadModule(dir string) ([]*packages.Package, error) {
	cfg := &packages.Config{
		Dir:   dir,
		Tests: true,
		Env:   append(os.Environ(), "GOWORK=off"),
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo | packages.NeedForTest |
			packages.NeedModule | packages.NeedExportFile | packages.NeedEmbedFiles,
	}
	pkgs, err := packages.Load(cfg, "./...")
	if err != nil {
		return nil, err
	}
	for _, p := range pkgs {
		for _, e := range p.Errors {
			err = errors.Join(err, e)
		}
	}
	if err == nil && len(pkgs) == 0 {
		err = fmt.Errorf("no package in %s", dir)
	}
	return pkgs, err
}

// sources are the packages as an importer sees them: without tests.
func (h *house) sources() []*packages.Package {
	var out []*packages.Package
	for _, p := range h.pkgs {
		if p.ForTest == "" && !strings.HasSuffix(p.PkgPath, ".test") {
			out = append(out, p)
		}
	}
	return out
}

// libraries are the sources that are no command.
func (h *house) libraries() []*packages.Package {
	return slices.DeleteFunc(h.sources(), func(p *packages.Package) bool { return p.Name == "main" })
}

// public says whether another module may import the package.
func public(path string) bool {
	return !strings.Contains("/"+path+"/", "/internal/")
}

// short is a package's path without the module's.
func (h *house) short(path string) string {
	if path == h.module {
		return "."
	}
	return strings.TrimPrefix(path, h.module+"/")
}

func (h *house) place(fset *token.FileSet, pos token.Pos) string {
	p := fset.Position(pos)
	file, err := filepath.Rel(h.dir, p.Filename)
	if err != nil {
		file = p.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(file), p.Line)
}

// allow leaves the findings that .ci/allow/CHECK does not answer, and adds one
// for each of its lines that answers none or gives no reason.
func (h *house) allow(check string, found []finding) ([]finding, error) {
	name := ".ci/allow/" + check
	f, err := os.Open(filepath.Join(h.dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	reasons := map[string]int{} // key to line
	var out []finding
	scan := bufio.NewScanner(f)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, _ := strings.Cut(line, " ")
		if strings.TrimSpace(reason) == "" {
			out = append(out, finding{key, fmt.Sprintf("%s:%d", name, n), key + " gives no reason"})
		}
		reasons[key] = n
	}
	used := map[string]bool{}
	for _, f := range found {
		key := f.key
		if i := strings.LastIndexByte(key, '.'); reasons[key] == 0 && i > 0 {
			key = key[:i] + ".*"
		}
		if reasons[key] == 0 {
			out = append(out, f)
		}
		used[key] = true
	}
	for key, n := range reasons {
		if !used[key] {
			out = append(out, finding{key, fmt.Sprintf("%s:%d", name, n), key + " allows nothing; delete the line"})
		}
	}
	slices.SortFunc(out, func(a, b finding) int { return strings.Compare(a.place+a.text, b.place+b.text) })
	return out, scan.Err()
}

// named is the type's own name, through pointers and type arguments, or nil.
func named(t types.Type) *types.Named {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	n, _ := t.(*types.Named)
	if n != nil {
		n = n.Origin()
	}
	return n
}
