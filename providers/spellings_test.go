package providers

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestEverySpelling: a key that a server shows in any usual encoding is taken out of
// messages, and seen in data. Honest text stays.
func TestEverySpelling(t *testing.T) {
	const key = "sk-test/4f9A+zQ7rM2xL8vB1nW6"
	k := NewSecret(key)
	each := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(key) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	backwards := []byte(key)
	slices.Reverse(backwards)
	spelled := map[string]string{
		"plain": key, "query": url.QueryEscape(key), "path": url.PathEscape(key), "percent": each("%%%02X"),
		"hex": hex.EncodeToString([]byte(key)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(key))),
		"hex with colons": strings.TrimSuffix(each("%02x:"), ":"),
		"JSON":            each(`\u%04x`), "slashes": strings.ReplaceAll(key, "/", `\/`), `\x`: each(`\x%02x`),
		"quoted twice": each(`\\x%02x`), "JSON in JSON": each(`\\\u%04x`),
		"octal": each(`\%03o`), "HTML": each("&#x%x;"), "HTML decimal": each("&#%d;"), "mail": each("=%02X"),
		"backwards": string(backwards), "JSON twice": strings.ReplaceAll(each(`\u%04x`), `\`, `\u005c`),
	}
	for n := range 5 {
		text := "Bearer"[:n] + key + " and more"
		spelled[fmt.Sprint("base64 ", n)] = base64.StdEncoding.EncodeToString([]byte(text))
		spelled[fmt.Sprint("base64url ", n)] = base64.RawURLEncoding.EncodeToString([]byte(text))
		spelled[fmt.Sprint("base32 ", n)] = base32.StdEncoding.EncodeToString([]byte(text))
	}
	for name, text := range spelled {
		got := k.redact("you sent "+text+", which is wrong", minKeyInMessage)
		if !strings.Contains(got, redacted) || strings.Contains(got, text) || k.repeats(got) {
			t.Errorf("%s: %q became %q", name, text, got)
		}
		if name != "JSON twice" && !k.repeats("x"+text+"y") {
			t.Errorf("%s: %q is not seen in data", name, text)
		}
	}
	honest := `50% of "a" \u0041 &amp; sk-test/ ` + hex.EncodeToString([]byte("another text of that length"))
	if got := k.redact(honest, minKeyInMessage); got != honest {
		t.Errorf("honest text became %q", got)
	}
}
