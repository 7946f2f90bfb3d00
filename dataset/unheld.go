package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf16"
)

// unheld is something in a row that a prompt cannot hold as it is. Such a row is
// refused or set aside; nothing takes the place of what it has.
type unheld struct {
	reason int8 // in the attrition table
	say    string
}

func (e *unheld) Error() string { return e.say }

func halfPair(escape []byte) error {
	return &unheld{dropSurrogate, fmt.Sprintf("half a surrogate pair, %s, which is no character", escape)}
}

// surrogateIn returns the first escape in raw JSON that is half a surrogate pair,
// nil if there is none.
func surrogateIn(raw []byte) []byte {
	for i := 0; ; {
		at := bytes.IndexByte(raw[i:], '\\')
		if at < 0 {
			return nil
		}
		if i += at + 2; i > len(raw) || raw[i-1] != 'u' {
			continue
		}
		r, ok := hex4(raw, i)
		if i += 4; !ok || !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 <= len(raw) && raw[i] == '\\' && raw[i+1] == 'u' {
			if low, _ := hex4(raw, i+2); r < 0xdc00 && low >= 0xdc00 && low < 0xe000 {
				i += 6
				continue
			}
		}
		return raw[i-6 : i]
	}
}

// hintOf says what to do about a row that is refused.
func hintOf(err error) string {
	var u *unheld
	if errors.As(err, &u) {
		return "remove the row, or have such rows set aside"
	}
	return hintField
}
