package providers

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// spellings are the texts by which an encoder may show the key: as it stands, as in an
// address, in hexadecimal, in base64 and base32 wherever in an encoded text it begins,
// and backwards. Escapes, which may be mixed, are undone instead: see unescaped.
func spellings(key string) []string {
	lower := hex.EncodeToString([]byte(key))
	all := []string{key, url.QueryEscape(key), url.PathEscape(key), lower, strings.ToUpper(lower)}
	for _, between := range []string{" ", ":", "-", ", "} {
		spaced := make([]string, len(key))
		for i := range key {
			spaced[i] = lower[2*i : 2*i+2]
		}
		s := strings.Join(spaced, between)
		all = append(all, s, strings.ToUpper(s))
	}
	for before := range 3 {
		all = append(all, aligned(key, before, 6, base64.StdEncoding.EncodeToString),
			aligned(key, before, 6, base64.URLEncoding.EncodeToString))
	}
	for before := range 5 {
		s := aligned(key, before, 5, base32.StdEncoding.EncodeToString)
		all = append(all, s, strings.ToLower(s))
	}
	backwards := []byte(key)
	slices.Reverse(backwards)
	all = append(all, string(backwards))
	slices.SortStableFunc(all[1:], func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// aligned is what an encoding of so many bits a character makes of the key where so
// many bytes stand before it: the characters that the key alone decides.
func aligned(key string, before, bits int, encode func([]byte) string) string {
	s := encode(append(make([]byte, before), key...))
	return s[(8*before+bits-1)/bits : 8*(before+len(key))/bits]
}

// escapes are those of JSON and other languages' strings, of addresses and of
// quoted-printable mail, quoted again perhaps, which doubles backslashes; those of HTML
// are undone by package html.
var escapes = regexp.MustCompile(`\\+(?:/|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[0-7]{3})|[%=][0-9a-fA-F]{2}`)

// unescaped is s without its escapes of printable ASCII, which are all that a key has.
func unescaped(s string) string {
	if !strings.ContainsAny(s, `\%=&`) {
		return s
	}
	return html.UnescapeString(escapes.ReplaceAllStringFunc(s, func(e string) string {
		digits, base := strings.TrimLeft(e, `\%=`), 16
		switch {
		case digits == "/":
			return "/"
		case e[0] == '\\' && digits[0] >= '0' && digits[0] <= '7':
			base = 8
		case e[0] == '\\':
			digits = digits[1:]
		}
		code, err := strconv.ParseUint(digits, base, 32)
		if err != nil || code <= ' ' || code >= 0x7f {
			return e
		}
		return fmt.Sprintf("%c", rune(code))
	}))
}
