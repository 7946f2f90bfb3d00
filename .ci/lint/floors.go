package main

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// floors holds every import of the module to .ci/floors: to a package of the
// same floor or of one below.
func floors(h *house) ([]finding, error) {
	if err := h.load(); err != nil {
		return nil, err
	}
	table, err := readFloors(filepath.Join(h.dir, ".ci", "floors"))
	if err != nil {
		return nil, err
	}
	var out []finding
	used := map[string]bool{}
	floor := func(pkg string) (int, bool) {
		for _, key := range floorKeys(h.short(pkg)) {
			if n, ok := table[key]; ok {
				used[key] = true
				return n, true
			}
		}
		return 0, false
	}
	for _, p := range h.sources() {
		mine, ok := floor(p.PkgPath)
		if !ok {
			out = append(out, finding{p.PkgPath, ".ci/floors", p.PkgPath + " has no floor: add it"})
			continue
		}
		for _, i := range importPaths(p.Imports) {
			if i != h.module && !strings.HasPrefix(i, h.module+"/") {
				continue
			}
			if theirs, ok := floor(i); ok && theirs > mine {
				text := fmt.Sprintf("%s (floor %d) imports %s (floor %d)", h.short(p.PkgPath), mine, h.short(i), theirs)
				out = append(out, finding{p.PkgPath, h.importPlace(p, i), text})
			}
		}
	}
	for key := range table {
		if !used[key] {
			out = append(out, finding{key, ".ci/floors", key + " names no package"})
		}
	}
	return out, nil
}

// importPlace is where a package imports another.
func (h *house) importPlace(p *packages.Package, path string) string {
	for _, file := range p.Syntax {
		for _, i := range file.Imports {
			if i.Path.Value == strconv.Quote(path) {
				return h.place(p.Fset, i.Pos())
			}
		}
	}
	return h.short(p.PkgPath)
}

// floorKeys are the names that a package may have in the table: its own, then
// those of the folders it is in.
func floorKeys(p string) []string {
	keys := []string{p}
	for p != "." {
		keys = append(keys, p+"/...")
		p = path.Dir(p)
	}
	return keys
}

func importPaths[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// readFloors reads lines of FLOOR PACKAGE...
func readFloors(name string) (map[string]int, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	table := map[string]int{}
	scan := bufio.NewScanner(f)
	for scan.Scan() {
		fields := strings.Fields(scan.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %q: want FLOOR PACKAGE", name, scan.Text())
		}
		for _, p := range fields[1:] {
			table[p] = n
		}
	}
	return table, scan.Err()
}
