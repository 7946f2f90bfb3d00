package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// explainSyntax says in a person's words why b is not one JSON object, and what to do
// about it.
func explainSyntax(b []byte, err error) (hint string, say error) {
	if !errors.Is(err, errSyntax) {
		return hintField, err
	}
	var v json.RawMessage
	var syntax *json.SyntaxError
	theirs := json.Unmarshal(b, &v)
	if theirs == nil || !errors.As(theirs, &syntax) {
		return hintLine, err
	}
	at := min(max(int(syntax.Offset)-1, 0), len(b)-1)
	rest := b[at:]
	unended := theirs.Error() == "unexpected end of JSON input"
	whole := bytes.TrimSpace(b[:at])
	object := len(whole) > 0 && json.Valid(whole)
	switch {
	case len(bytes.Trim(b, "\x00")) == 0:
		return "cut them off, or get the file again", errors.New("NUL bytes, which are no row: the file's end was lost, " +
			"as when a machine stops while it writes")
	case unended:
		return "write each row on one line; if the rows stand in a list inside it, give that list",
			errors.New("the object does not end on its line")
	case object && rest[0] == ',':
		return "remove the commas between the lines, or make the file one JSON array", errors.New("a comma after the object")
	case object && rest[0] == '{':
		return "write one object a line", errors.New("two objects on one line")
	case startsWithAny(rest, "NaN", "Infinity", "-Infinity", "nan", "inf"), at > 0 && b[at-1] == '-' &&
		startsWithAny(rest, "I", "i"):
		return "write null instead", fmt.Errorf("%s, which Python writes and JSON does not have", word(b, at))
	case startsWithAny(rest, "None", "True", "False"), rest[0] == '\'':
		return "write it with json.dumps", errors.New("an object as Python prints it, which is not JSON")
	case len(whole) > 0 && (whole[len(whole)-1] == '{' || whole[len(whole)-1] == ',') && isLetter(rest[0]):
		return "write it between double quotes",
			errors.New("a field's name without quotes, which JavaScript allows and JSON does not")
	case at > 0 && b[at-1] == '0' && rest[0] >= '0' && rest[0] <= '9':
		return "write it as text, or without the zero", errors.New("a number that begins with 0, which JSON does not have")
	case rest[0] == 0:
		return hintLine, errors.New("a NUL byte inside the object")
	case rest[0] < ' ':
		return "write it as an escape", fmt.Errorf("the control character %q inside a string", rest[0])
	case startsWithAny(rest, "}", "]") && bytes.HasSuffix(bytes.TrimSpace(b[:at]), []byte(",")):
		return "remove it", fmt.Errorf("a comma before %q", rest[0])
	}
	return hintLine, theirs
}

func isLetter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }

func startsWithAny(b []byte, words ...string) bool {
	for _, w := range words {
		if bytes.HasPrefix(b, []byte(w)) {
			return true
		}
	}
	return false
}

// word is the word at b[at], with a sign before it.
func word(b []byte, at int) []byte {
	from, to := at, at
	if at > 0 && b[at-1] == '-' {
		from--
	}
	for to < len(b) && (b[to] == '-' || b[to]|0x20 >= 'a' && b[to]|0x20 <= 'z') {
		to++
	}
	return b[from:to]
}

// explainUTF8 says where b is not UTF-8, and what it may be.
func explainUTF8(b []byte) string {
	at := 0
	for at < len(b) {
		r, n := utf8.DecodeRune(b[at:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		at += n
	}
	if at == len(b) {
		return "not valid UTF-8"
	}
	if len(b) > at+1 && b[at] == 0xed && b[at+1] >= 0xa0 {
		return fmt.Sprintf("not valid UTF-8: byte %d begins half a surrogate pair", at+1)
	}
	return fmt.Sprintf("not valid UTF-8: byte %d is %#x, as in Latin-1 or another older encoding", at+1, b[at])
}
