package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// inputOf parses flags and reads what they say, "in" standing for a file with the text.
func inputOf(t *testing.T, text string, flags ...string) (ids []string, notes string, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, f := range flags {
		flags[i] = strings.ReplaceAll(f, "in.jsonl", path)
	}
	o, err := parse(append([]string{"-n", "1"}, flags...), io.Discard)
	if err != nil {
		return nil, "", err
	}
	prompts, in, err := readInput(o, strings.NewReader(text))
	for _, p := range prompts {
		ids = append(ids, p.ID)
	}
	return ids, strings.Join(in.Notes, "\n"), err
}

// TestFilters: what a row needs to be kept, by flag and by default, and that it is said.
func TestFilters(t *testing.T) {
	row := func(id, language, more string) string {
		return `{"conversation_id":"` + id + `","conversation":[{"role":"user","content":"` + id + ` asks"}],"language":"` +
			language + `"` + more + "}\n"
	}
	en, de := row("a", "en", ""), row("b", "German", "")
	toxic := row("c", "English", `,"toxic":true`)
	tool := `{"conversation_id":"d","conversation":[{"role":"tool","content":"7"}],"language":"en"}` + "\n"
	rows := []struct {
		text  string
		flags []string
		id    string
		says  string // in the notes, or the error where id is ""
	}{
		{en + de, nil, "a", "kept: English, of conversations that state a language (-languages); not flagged"},
		{de, nil, "", "the languages are: German 1"},
		{de, nil, "", "(-languages)"},
		{en + de, []string{"-languages", "deu"}, "b", "kept: deu;"},
		{de, []string{"-languages", "all"}, "b", "kept: every language"},
		{toxic, nil, "", "(-keep-flagged)"},
		{toxic, []string{"-keep-flagged"}, "c", "flagged or not"},
		{en, []string{"-min-bytes", "100"}, "", "100 bytes or more"},
		{tool + en, nil, "", "-set-aside FILE"},
		{tool + en, []string{"-set-aside", "in.jsonl.aside"}, "a", "dropped 1: use of tools"},
		{en, []string{"-set-aside", "in.jsonl"}, "", "name another"},
	}
	for _, r := range rows {
		for _, input := range []string{"in.jsonl", "-"} {
			if input == "-" && len(r.flags) > 1 && r.flags[1] == "in.jsonl" {
				continue
			}
			ids, notes, err := inputOf(t, r.text, append([]string{"-input", input}, r.flags...)...)
			if err != nil {
				notes = err.Error()
			}
			if strings.Join(ids, " ") != r.id || !strings.Contains(notes, r.says) {
				t.Errorf("%v from %s: %v, %q; want %q and %q", r.flags, input, ids, notes, r.id, r.says)
			}
		}
	}
	for _, bad := range [][]string{{"-languages", ","}, {"-max-moderation-score", "2"}, {"-min-bytes", "9", "-max-bytes",
		"3"}} {
		if _, _, err := inputOf(t, en, append([]string{"-input", "in.jsonl"}, bad...)...); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

// TestPublishedSets: with no flag but -input, every set that the README names passes the
// preflight, whether its languages are words or codes.
func TestPublishedSets(t *testing.T) {
	dir := filepath.Join("..", "..", "dataset", "testdata", "schemas")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 9 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	words := strings.NewReplacer(`"language": "en"`, `"language": "English"`, `"language": "es"`, `"language": "Spanish"`)
	codes := strings.NewReplacer(`"language": "English"`, `"language": "en"`, `"language": "Spanish"`, `"language": "es"`)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{string(b)}
		if strings.Contains(texts[0], `"language"`) && !strings.HasPrefix(f.Name(), "cje") {
			texts = []string{words.Replace(texts[0]), codes.Replace(texts[0])}
		}
		for _, text := range texts {
			tmp := t.TempDir()
			path := filepath.Join(tmp, f.Name())
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			code := run([]string{"-n", "1", "-input", path, "-preflight", "-out", filepath.Join(tmp, "run")}, &out, &out)
			if code != exitGO || !strings.Contains(out.String(), "preflight passed; nothing was spent") {
				t.Errorf("%s: exit %d\n%s", f.Name(), code, out.String())
			}
		}
	}
}
