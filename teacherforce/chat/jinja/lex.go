package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The engine is given a source in which nothing is left to its own reading of
// white space and string literals: every text is a literal in an expression, and
// every tag strips what stands around it. lex and [rewriter] write that form, by
// the rules of Python's jinja2 as transformers sets it up: trim_blocks,
// lstrip_blocks, no newline kept at the end.

type pieceKind int

const (
	text pieceKind = iota
	output
	statement
)

type piece struct {
	kind pieceKind
	text string
	line int
}

func lex(source string) ([]piece, error) {
	source = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source)
	source = strings.TrimSuffix(source, "\n")
	if i := strings.IndexFunc(source, separator); i >= 0 {
		return nil, fmt.Errorf("line %d holds the separator %U, which Python takes for white space and the engine does not",
			1+strings.Count(source[:i], "\n"), source[i])
	}
	var pieces []piece
	lineStart := true
	for at := 0; at < len(source); {
		open, kind := nextTag(source[at:])
		if open < 0 {
			return append(pieces, piece{text, source[at:], 0}), nil
		}
		before := source[at : at+open]
		line := 1 + strings.Count(source[:at+open], "\n")
		inside := at + open + 2
		sign := byte(0)
		if inside < len(source) && (source[inside] == '-' || source[inside] == '+' && kind != '{') {
			sign = source[inside]
			inside++
		}
		switch {
		case sign == '-':
			before = strings.TrimRightFunc(before, unicode.IsSpace)
		case sign == 0 && kind != '{':
			last := strings.LastIndexByte(before, '\n') + 1
			if (last > 0 || lineStart) && strings.TrimSpace(before[last:]) == "" {
				before = before[:last]
			}
		}
		if before != "" {
			pieces = append(pieces, piece{text, before, line})
		}
		closer := map[byte]string{'{': "}}", '%': "%}", '#': "#}"}[kind]
		n := closing(source[inside:], closer, kind == '#')
		if n < 0 {
			return nil, fmt.Errorf("line %d: a tag {%c is not closed", line, kind)
		}
		content, next := source[inside:inside+n], inside+n+2
		trimmed := strings.TrimSuffix(content, "-")
		switch {
		case trimmed != content:
			rest := strings.TrimLeftFunc(source[next:], unicode.IsSpace)
			next = len(source) - len(rest)
		case kind != '{' && strings.HasSuffix(content, "+"):
			trimmed = strings.TrimSuffix(content, "+")
		case kind != '{':
			next += len(source[next:]) - len(strings.TrimPrefix(source[next:], "\n"))
		}
		lineStart = source[next-1] == '\n'
		at = next
		switch kind {
		case '{':
			pieces = append(pieces, piece{output, trimmed, line})
		case '%':
			pieces = append(pieces, piece{statement, trimmed, line})
		}
	}
	return pieces, nil
}

// separator is what Python takes for white space and Go does not.
func separator(r rune) bool { return 0x1c <= r && r <= 0x1f }

func nextTag(s string) (at int, kind byte) {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && strings.IndexByte("{%#", s[i+1]) >= 0 {
			return i, s[i+1]
		}
	}
	return -1, 0
}

// closing finds the end of a tag, outside of string literals and brackets.
func closing(s, closer string, comment bool) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch c := s[i]; {
		case comment:
		case c == '\'' || c == '"':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' {
					i++
				}
			}
			continue
		case c == '{' || c == '(' || c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ')' || c == ']'):
			depth--
			continue
		}
		if depth == 0 && s[i:i+2] == closer {
			return i
		}
	}
	return -1
}

type tokenKind int

const (
	name tokenKind = iota
	literal
	number
	operator
	end
)

type token struct {
	kind tokenKind
	text string // a literal's value
}

// tokens cuts what stands inside a tag.
func tokens(s string) ([]token, error) {
	var out []token
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case unicode.IsSpace(c):
			i += size
		case c == '\'' || c == '"':
			j := i + 1
			for j < len(s) && s[j] != s[i] {
				if s[j] == '\\' {
					j++
				}
				j++
			}
			if j >= len(s) {
				return nil, fmt.Errorf("a string is not closed: %s", s[i:])
			}
			value, err := unescape(s[i+1 : j])
			if err != nil {
				return nil, err
			}
			if n := len(out); n > 0 && out[n-1].kind == literal {
				out[n-1].text += value
			} else {
				out = append(out, token{literal, value})
			}
			i = j + 1
		case unicode.IsLetter(c) || c == '_':
			j := i
			for j < len(s) {
				r, n := utf8.DecodeRuneInString(s[j:])
				if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
					break
				}
				j += n
			}
			out = append(out, token{name, s[i:j]})
			i = j
		case '0' <= c && c <= '9':
			j := i
			for j < len(s) && ('0' <= s[j] && s[j] <= '9' || s[j] == '.' && j+1 < len(s) && '0' <= s[j+1] && s[j+1] <= '9') {
				j++
			}
			out = append(out, token{number, s[i:j]})
			i = j
		default:
			n := 1
			if i+1 < len(s) && strings.Contains(" ** // == != <= >= ", " "+s[i:i+2]+" ") {
				n = 2
			}
			if c >= utf8.RuneSelf || strings.IndexByte("+-*/%<>=!~|.,:()[]{}", s[i]) < 0 {
				return nil, fmt.Errorf("the character %q", c)
			}
			out = append(out, token{operator, s[i : i+n]})
			i += n
		}
	}
	return append(out, token{kind: end}), nil
}

// unescape reads a Python string literal.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case '\n': // the line goes on
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case '\\', '\'', '"':
			b.WriteByte(c)
		case 'x', 'u', 'U', 'N', 'a', 'b', 'f', 'v', '0', '1', '2', '3', '4', '5', '6', '7':
			digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			var r rune
			if digits == 0 || i+digits >= len(s) {
				return "", fmt.Errorf(`the escape \%c in a string`, c)
			}
			if _, err := fmt.Sscanf(s[i+1:i+1+digits], "%x", &r); err != nil || !utf8.ValidRune(r) || separator(r) {
				return "", fmt.Errorf(`the escape \%s in a string`, s[i:i+1+digits])
			}
			b.WriteRune(r)
			i += digits
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// quote writes a string literal as the engine reads it.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}
