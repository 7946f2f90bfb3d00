package dataset

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// This file reads JSON without decoding what nobody asks for. A row of the big
// data sets is mostly text that is compared and then forgotten; encoding/json
// would allocate all of it, after a pass of its own to validate it. What is
// accepted is exactly what encoding/json accepts.

// field is one member of an object: its value as it stands in the source.
type field struct {
	name string
	raw  []byte
	bit  fieldSet // of a name that a shape is recognised by; else 0
}

// fields are the members of an object in their order; of two with one name the
// later counts, as in encoding/json.
type fields []field

func (fs fields) get(name string) []byte {
	for i := len(fs) - 1; i >= 0; i-- {
		if fs[i].name == name {
			return fs[i].raw
		}
	}
	return nil
}

func (fs fields) has(name string) bool { return fs.get(name) != nil }

var errSyntax = errors.New("not valid JSON")

// maxDepth is encoding/json's.
const maxDepth = 10000

// splitObject appends the members of the object in b to fs. Its names and values
// are part of b.
func splitObject(b []byte, fs fields) (fields, error) {
	i, err := eachMember(b, skipSpace(b, 0), 1, func(name, raw []byte) error {
		n := nameOf(name)
		fs = append(fs, field{n.name, raw, n.bit})
		return nil
	})
	if err == nil && skipSpace(b, i) != len(b) {
		err = errSyntax
	}
	return fs, err
}

// knownName is a name that nearly every row has, or that shapes are recognised by.
type knownName struct {
	name string
	bit  fieldSet
}

// nameOf saves the allocation of names that are known.
func nameOf(quoted []byte) knownName {
	if n, ok := knownNames[string(quoted)]; ok { // does not allocate
		return n
	}
	s, err := unquote(quoted)
	if err != nil {
		return knownName{name: string(quoted)} // half a surrogate pair: as it is written
	}
	if n, ok := knownNames[`"`+s+`"`]; ok { // written with escapes
		return n
	}
	return knownName{name: s}
}

// oftenThere are names that nearly every row of the big data sets has, apart from
// those that shapes are recognised by.
var oftenThere = []string{
	"model_a", "model_b", "model", "winner", "judge", "turn", "anony", "tstamp", "timestamp", "redacted",
	"metadata", "dedup_tag", "category_tag", "conv_metadata", "is_code", "is_refusal", "judge_hash", "language",
	"openai_moderation", "toxic_chat_tag", "evaluation_session_id", "evaluation_order", "full_conversation", "response_b",
	"winner_model_a", "winner_model_b", "winner_tie", "role", "content", "type", "text", "image", "mimeType", "flagged",
	"categories", "category_scores", "num_tokens", "high_freq", "sampled",
}

// eachMember calls fn, unless it is nil, for every member of the object at b[i]
// and returns the index after the object.
func eachMember(b []byte, i, depth int, fn func(name, raw []byte) error) (int, error) {
	if i >= len(b) || b[i] != '{' || depth > maxDepth {
		return i, errSyntax
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		name := i
		var err error
		if i, err = skipString(b, i); err != nil {
			return i, err
		}
		nameEnd := i
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return i, errSyntax
		}
		value := skipSpace(b, i+1)
		if i, err = skipValue(b, value, depth); err != nil {
			return i, err
		}
		if fn != nil {
			if err := fn(b[name:nameEnd], b[value:i]); err != nil {
				return i, err
			}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return i, errSyntax
		}
		switch b[i] {
		case '}':
			return i + 1, nil
		case ',':
			i = skipSpace(b, i+1)
		default:
			return i, errSyntax
		}
	}
}

// eachElement does the same for the array at b[i].
func eachElement(b []byte, i, depth int, fn func(raw []byte) error) (int, error) {
	if i >= len(b) || b[i] != '[' || depth > maxDepth {
		return i, errSyntax
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1, nil
	}
	for {
		value := i
		var err error
		if i, err = skipValue(b, i, depth); err != nil {
			return i, err
		}
		if fn != nil {
			if err := fn(b[value:i]); err != nil {
				return i, err
			}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return i, errSyntax
		}
		switch b[i] {
		case ']':
			return i + 1, nil
		case ',':
			i = skipSpace(b, i+1)
		default:
			return i, errSyntax
		}
	}
}

// skipValue returns the index after the value at b[i], which stands inside depth
// arrays and objects.
func skipValue(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, errSyntax
	}
	switch c := b[i]; c {
	case '"':
		return skipString(b, i)
	case '{':
		return eachMember(b, i, depth+1, nil)
	case '[':
		return eachElement(b, i, depth+1, nil)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipWord(b []byte, i int, word string) (int, error) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, errSyntax
	}
	return i + len(word), nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// plainByte holds true for what stands in a string for itself.
var plainByte = func() (t [256]bool) {
	for c := range t {
		t[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return t
}()

func skipString(b []byte, i int) (int, error) {
	if i >= len(b) || b[i] != '"' {
		return i, errSyntax
	}
	for i++; i < len(b); i++ {
		if plainByte[b[i]] {
			continue
		}
		switch b[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if i++; i >= len(b) {
				return i, errSyntax
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b, i+1); !ok {
					return i, errSyntax
				}
				i += 4
			default:
				return i, errSyntax
			}
		default:
			return i, errSyntax
		}
	}
	return i, errSyntax
}

func hex4(b []byte, i int) (rune, bool) {
	if len(b)-i < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// skipNumber also refuses a number that no float64 holds, which is an error of
// the value and not of the syntax.
func skipNumber(b []byte, i int) (int, error) {
	start, large := i, false
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, errSyntax
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return i, errSyntax
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		large = true
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, errSyntax
		}
	}
	if large || i-start > 300 {
		if _, err := strconv.ParseFloat(string(b[start:i]), 64); err != nil {
			return i, fmt.Errorf("number %.40s is out of range", b[start:i])
		}
	}
	return i, nil
}

// unquote decodes a string that [skipString] has passed. Half a surrogate pair has no
// character; encoding/json would put U+FFFD in its place, and so make two texts one.
func unquote(raw []byte) (string, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", fmt.Errorf("%.40s is no text", raw)
	}
	raw = raw[1 : len(raw)-1]
	i := 0
	for i < len(raw) && raw[i] != '\\' {
		i++
	}
	if i == len(raw) {
		return string(raw), nil
	}
	out := append(make([]byte, 0, len(raw)), raw[:i]...)
	for i < len(raw) {
		c := raw[i]
		if c != '\\' {
			from := i
			for i < len(raw) && raw[i] != '\\' {
				i++
			}
			out = append(out, raw[from:i]...)
			continue
		}
		i += 2
		switch c := raw[i-1]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, _ := hex4(raw, i)
			i += 4
			if utf16.IsSurrogate(r) {
				pair := rune(utf8.RuneError)
				if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
					low, _ := hex4(raw, i+2)
					pair = utf16.DecodeRune(r, low)
				}
				if r = pair; r == utf8.RuneError {
					return "", halfPair(raw[i-6 : i])
				}
				i += 6
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}
