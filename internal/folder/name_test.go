package folder

import (
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	for _, c := range []struct {
		name, want, reason string
	}{
		{"p0", "", "the plan's own"},
		{"pi_bigger_model", "", "the plan's own"},
		{"llama-3.1@v2+t=0.7", "", "what people put into names"},
		{"_x", "", "an underscore first"},
		{"console", "", "a device's name is only the beginning"},
		{"com10", "", "there are ten of them"},
		{"a..b", "", "inner full stops lead nowhere"},
		{strings.Repeat("a", 100), "", "the longest"},
		{strings.Repeat("a", 101), "101 bytes", "a file's name is bounded"},
		{strings.Repeat("a", 245), "245 bytes", "this one fits until the ending is added"},
		{strings.Repeat("é", 99), "198 bytes", "bytes count"},
		{"", "empty", "no name"},
		{".", "begins with", "the folder itself"},
		{"..", "begins with", "the folder above"},
		{".hidden", "begins with", "listings leave it out"},
		{"-rf", "begins with", "commands take it for an option"},
		{"a.", "full stop", "Windows drops it"},
		{"a ", `' '`, "Windows drops it"},
		{"a b", `' '`, "shells split there"},
		{"a/b", `'/'`, "a folder"},
		{`a\b`, `'\\'`, "a folder on Windows"},
		{"a:b", `':'`, "a stream on Windows, a folder on macOS"},
		{"a*", `'*'`, "a pattern"},
		{"a?", `'?'`, "a pattern"},
		{`a"b`, `'"'`, "Windows refuses it"},
		{"a|b", `'|'`, "Windows refuses it"},
		{"a<b", `'<'`, "Windows refuses it"},
		{"a\x00b", `'\x00'`, "no system takes it"},
		{"a\nb", `'\n'`, "it breaks a line"},
		{"a\x1b[2J", `'\x1b'`, "it acts on a terminal"},
		{"a\u202eb", `'\u202e'`, "it reorders what stands around it"},
		{"e\u0301", `'\u0301'`, "some systems compose it"},
		{"\u00e9", `'\u00e9'`, "some systems decompose it"},
		{"\u212a", `'\u212a'`, "the Kelvin sign is a k where case does not count"},
		{"a\xff", `'\ufffd'`, "no UTF-8"},
		{"con", "CON is a device", "reserved"},
		{"Nul.v2", "NUL is a device", "an ending does not help"},
		{"LPT9", "LPT9 is a device", "reserved"},
		{"com0.x", "COM0 is a device", "reserved"},
	} {
		err := CheckName(c.name)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q (%s)", c.name, err, c.want, c.reason)
		}
	}
}
