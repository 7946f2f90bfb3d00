// Mutants breaks the code on purpose, one line at a time, and checks that a test
// notices: a test that cannot fail proves nothing.
//
//	go run ./internal/mutants            # all of them, a few minutes
//	go run ./internal/mutants NAME...    # these
//	go run ./internal/mutants -list
//
// Each mutation of the table is applied to a copy of its file, the package is
// tested with the copy in its place (go test -overlay), and the named test has
// to fail. The working tree is not touched.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	list := flag.Bool("list", false, "list the mutations")
	flag.Parse()
	if err := run(*list, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(list bool, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(mutations, func(m mutation) bool { return m.name == name }) {
			return fmt.Errorf("no mutation %q; -list shows them", name)
		}
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	survivors := 0
	for _, m := range mutations {
		switch {
		case len(names) > 0 && !slices.Contains(names, m.name):
		case list:
			fmt.Printf("%-28s %-46s %s: %s\n", m.name, m.file, m.test, m.reason)
		default:
			if err := m.kill(root); err != nil {
				survivors++
				fmt.Printf("SURVIVES %-28s %v\n", m.name, err)
				continue
			}
			fmt.Printf("killed   %-28s by %s\n", m.name, m.test)
		}
	}
	if survivors > 0 {
		return fmt.Errorf("%d mutations survive", survivors)
	}
	return nil
}

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", err
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}

// mutate returns the file's text with the mutation in it.
func (m mutation) mutate(root string) (string, error) {
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(b), m.old); n != 1 {
		return "", fmt.Errorf("%s: %q occurs %d times, want once: the code has moved on, and the table has to follow",
			m.file, m.old, n)
	}
	return strings.Replace(string(b), m.old, m.new, 1), nil
}

// kill tests the package with the mutation in it, and reports why no test
// noticed.
func (m mutation) kill(root string) error {
	text, err := m.mutate(root)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, overlay := filepath.Join(dir, "mutant.go"), filepath.Join(dir, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root,
		filepath.FromSlash(m.file)): file}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return err
	}
	pkg := m.pkg
	if pkg == "" {
		pkg = "./" + filepath.ToSlash(filepath.Dir(m.file))
	}
	cmd := exec.Command("go", "test", "-vet=off", "-overlay", overlay, "-run", "^"+m.test+"$", pkg)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "no tests to run"):
		return fmt.Errorf("%s has no %s", pkg, m.test)
	case err == nil:
		return fmt.Errorf("%s passes although %s", m.test, m.reason)
	case !strings.Contains(string(out), "--- FAIL: "+m.test):
		return fmt.Errorf("%s was not run to its end: %v\n%s", m.test, err, out)
	}
	return nil
}
