package langmodel

import (
	"strings"
	"testing"
)

func TestParseGrammarErrors(t *testing.T) {
	for _, tt := range []struct{ text, want, reason string }{
		{"hello\n", `section ""`, "text before any section belongs nowhere"},
		{"== intro\nhello\n", `section "intro"`, "an unknown section would be silently unused"},
		{"== open\na {b|c\n", "not closed", "a choice without its end"},
		{"== open\na | b\n", "outside a choice", "a bar without a choice"},
		{"== open\na } b\n", "outside a choice", "an end without a choice"},
		{"== open\na <b\n", "not closed", "a reference without its end"},
	} {
		_, err := parseGrammar(tt.text)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseGrammar(%q) = %v, want an error with %q: %s", tt.text, err, tt.want, tt.reason)
		}
	}
}

func TestCompose(t *testing.T) {
	g, err := parseGrammar("== open\n{A|B {x|y}} <p> <T>.\n== close\nBye.\n== body1\nIn a:\\n\\n- b.\\n- c.\n== " +
		"@p\none\ntwo\n")
	if err != nil {
		t.Fatal(err)
	}
	if g.groups != 2 {
		t.Errorf("groups = %d, want 2: body1 is the second", g.groups)
	}
	c := newComposer(g, 7, 0)
	seen := make(map[string]bool)
	for range 200 {
		seen[string(c.compose(nil, g.paragraphs[0]))] = true
	}
	// {A, B x, B y} times {one, two}.
	if len(seen) != 6 {
		t.Errorf("200 paragraphs of 6 possible ones gave %d: %v", len(seen), seen)
	}
	if !seen["B y two \"\x00\".\n\n"] {
		t.Errorf("no %q among %v", "B y two ...", seen)
	}
	if got := string(c.compose(nil, g.paragraphs[1])); got != "Bye." {
		t.Errorf("a closing paragraph is %q, want no blank line after it", got)
	}
	if got := string(c.compose(nil, g.paragraphs[2])); got != "In a:\n\n- b.\n- c.\n\n" {
		t.Errorf("a list is %q", got)
	}
}

func TestFixArticles(t *testing.T) {
	for _, tt := range []struct{ in, want, reason string }{
		{"a apple", "an apple", "a vowel"},
		{"an pear", "a pear", "a consonant"},
		{"a useful, an one-off", "a useful, a one-off", "vowels that sound like consonants"},
		{"A hour. An hour", "An hour. An hour", "a consonant that is not heard; capitals"},
		{"banana and a", "banana and a", "no article, or nothing after it"},
	} {
		if got := string(fixArticles([]byte(tt.in))); got != tt.want {
			t.Errorf("fixArticles(%q) = %q, want %q: %s", tt.in, got, tt.want, tt.reason)
		}
	}
}

// Every bundled file parses, every pool it names exists, and no mark of the
// grammar is left over in what it composes.
func TestBundledText(t *testing.T) {
	for s := range numStyles {
		g := grammars[s]()
		c := newComposer(g, 11, 0)
		kinds := make(map[kind]bool)
		for _, p := range g.paragraphs {
			kinds[p.kind] = true
			for range 5 {
				text := string(c.compose(nil, p))
				if strings.ContainsAny(text, "{|}<>\\") && !strings.Contains(text, "```") {
					t.Errorf("%s: grammar left in %q", styleNames[s], text)
				}
				if strings.Contains(text, "  ") && !strings.Contains(text, "```") {
					t.Errorf("%s: two spaces in %q", styleNames[s], text)
				}
			}
		}
		if !kinds[kindOpen] || !kinds[kindClose] || len(kinds) != 2+g.groups {
			t.Errorf("%s has paragraphs of kinds %v, want open, close and %d groups of bodies", styleNames[s], kinds, g.groups)
		}
		if bodyGroups%g.groups != 0 {
			t.Errorf("%s has %d groups of bodies, which do not divide %d", styleNames[s], g.groups, bodyGroups)
		}
	}
}
