package report

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	cleaning "github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// fill makes every string that v holds, map keys and list elements too, the one
// given. Statuses stay, since they decide where a check is shown.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[record.Status]() {
			v.SetString(s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), s)
		}
	case reflect.Struct:
		if leaves[v.Type()] {
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), s)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Map:
		out := reflect.MakeMap(v.Type())
		for it := v.MapRange(); it.Next(); {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			k.Set(it.Key())
			e.Set(it.Value())
			fill(k, s)
			fill(e, s)
			out.SetMapIndex(k, e)
		}
		v.Set(out)
	}
}

// Every string of a verdict, as a whole: responses, prompts, names of models and
// policies, error messages, ids. None of the forms may be left by it, and none
// may grow with it.
func TestEveryStringMayBeHostile(t *testing.T) {
	for name, text := range map[string]string{
		"markup": hostile,
		"markdown": "# NO\n\n```\n| a | b |\n|---|---|\n> *x* [l](javascript:1) ![i](http://t.example/p.png)\n\n- [ " +
			"] x\n\n<details open>\n\n~~~\n$$x$$\n",
		"terminal":      "\x1b[2J\x1b[H\x1b]0;owned\x07\x1b[31mred\x08\x08\x9b31m\r\nover\x00",
		"right to left": "\u202eevil\u202c \u2066x\u2069 \u200f\u200eسلام \u061c",
		"much markup":   strings.Repeat(hostile, 1<<18/len(hostile)),
		"a long word":   strings.Repeat("x", 1<<18),
		"not UTF-8":     "\xff\xfe\xc0\xaf\xed\xa0\x80",
		"nothing":       "",
	} {
		t.Run(name, func(t *testing.T) {
			v := fullVerdict()
			fill(reflect.ValueOf(v).Elem(), text)
			page := render(t, HTML, v)
			shown := checkHTML(t, page)
			md := render(t, Markdown, v)
			term := render(t, textOf(60), v)
			for form, s := range map[string]string{"html": shown, "md": md, "txt": term} {
				if len(s) > 4<<20 {
					t.Errorf("%s has %d bytes", form, len(s))
				}
				if !utf8.ValidString(s) {
					t.Errorf("%s is not UTF-8", form)
				}
				for i, r := range s {
					if r != '\n' && r != '\t' && cleaning.Acts(r) {
						t.Fatalf("%s: byte %d is %U", form, i, r)
					}
				}
			}
			headings, first, fence := 0, 0, ""
			for line := range strings.SplitSeq(md, "\n") {
				ticks := line[:len(line)-len(strings.TrimLeft(line, "`"))]
				switch {
				case fence != "" && ticks == fence && line == ticks:
					fence = ""
				case fence != "":
				case len(ticks) >= 3:
					fence = ticks
				case strings.HasPrefix(line, "#"):
					headings++
					if strings.HasPrefix(line, "# ") {
						first++
					}
				case strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "~~~"):
					t.Errorf("a block that nobody opened: %.80q", line)
				}
			}
			if want := strings.Count(render(t, Markdown, fullVerdict()), "\n## ") + 1; headings < want || fence != "" {
				t.Errorf("%d headings, want at least the %d of the sections, and an open fence %q", headings, want, fence)
			}
			if first != 1 {
				t.Errorf("%d headings of the first rank, want the decision's alone", first)
			}
			for line := range strings.SplitSeq(term, "\n") {
				// A command may be longer: it stands whole.
				if utf8.RuneCountInString(line) > 60 && line != clean(text) {
					t.Errorf("a line of %d characters: %.80q", utf8.RuneCountInString(line), line)
				}
			}
			if dir := os.Getenv("REWEIGH_HOSTILE"); dir != "" { // to be looked at
				if err := os.WriteFile(dir+"/"+strings.ReplaceAll(name, " ", "_")+".html", []byte(page), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
