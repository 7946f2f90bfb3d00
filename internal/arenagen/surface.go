package arenagen

import (
	"math/rand/v2"
	"strings"
	"unicode"
	"unicode/utf8"
)

// dress makes a template look typed: some people skip capitals and final
// punctuation, some are polite, some paste typographic quotes or end in an
// emoji or a new line.
func dress(r *rand.Rand, s string) string {
	oneLine := !strings.Contains(s, "\n")
	if oneLine && r.IntN(100) < 14 {
		s = lowerFirst(s)
	}
	if oneLine && r.IntN(100) < 9 {
		s = strings.TrimRight(s, ".?!")
	}
	// Only an imperative takes a "please" before it.
	if first, _, _ := strings.Cut(s, " "); imperatives[first] && r.IntN(100) < 12 {
		s = []string{"Please ", "please ", "Can you please ", "pls "}[r.IntN(4)] + lowerFirst(s)
	}
	switch n := r.IntN(1000); {
	case n < 10:
		s = strings.ReplaceAll(s, "'", "’")
		s = typographic(s)
	case n < 16:
		s += []string{" 🙂", " 🙏", "…", " ?!", " 😅"}[r.IntN(5)]
	case n < 30:
		s += []string{" ", "\n", "\n\n"}[r.IntN(3)]
	case n < 45 && oneLine:
		s += []string{" Answer in one sentence.", " Be brief.", " Think step by step.", " Explain your reasoning.",
			" Keep it short, I am on my phone."}[r.IntN(5)]
	case n < 48 && oneLine:
		s = strings.ToUpper(s)
	}
	return s
}

var imperatives = map[string]bool{
	"Write": true, "write": true, "Give": true, "Explain": true, "List": true, "Translate": true, "Implement": true,
	"Compare":   true,
	"Summarize": true, "Rewrite": true, "Suggest": true, "Design": true, "Describe": true, "Convert": true,
	"Calculate": true, "Make": true,
}

// lowerFirst lowers the first letter of a word that is not an abbreviation or
// the word I.
func lowerFirst(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	second, _ := utf8.DecodeRuneInString(s[n:])
	if !unicode.IsLower(second) {
		return s
	}
	return string(unicode.ToLower(first)) + s[n:]
}

// typographic replaces straight double quotes by curly ones, in pairs.
func typographic(s string) string {
	var b strings.Builder
	open := true
	for _, c := range s {
		if c != '"' {
			b.WriteRune(c)
			continue
		}
		if open {
			b.WriteString("“")
		} else {
			b.WriteString("”")
		}
		open = !open
	}
	return b.String()
}

// vary changes case and white space and nothing else, so that a repeat is the
// same prompt to whoever normalises before comparing.
func vary(r *rand.Rand, s string) string {
	switch r.IntN(5) {
	case 0:
		return strings.ToLower(s)
	case 1:
		return s + []string{" ", "\n", "  \n"}[r.IntN(3)]
	case 2:
		return "  " + s
	case 3:
		return strings.Replace(s, " ", "  ", 1+r.IntN(3))
	}
	return s
}
