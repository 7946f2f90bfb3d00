package teacherforce

import (
	"errors"
	"math"
	"testing"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
)

// FuzzSeam puts any context and response together, under a server of any kind,
// cut into tokens by a real byte-pair encoding. Invariant: a method that answers
// gives the exact value, whether the context's ids are known beforehand or not,
// and one that does not says seam, retokenised, unsupported or not_compared.
func FuzzSeam(f *testing.F) {
	for i, s := range []struct{ context, response string }{
		{"I walk to th", "e harbour."}, {"line\n", "\nline"}, {"é", "é日本"}, {"a  ", " b"},
		{"<|header_end|>\n\n", "Hello<|eot|>"},
		{"日", "\uFFFD"}, {"🙂", "🚀🚀"}, {"x", ""}, {"2024", "1"}, {"'", "t"},
	} {
		for mode := range byte(4) {
			f.Add(s.context, s.response, byte(i)<<3|mode)
		}
	}
	f.Fuzz(func(t *testing.T, context, response string, mode byte) {
		if context == "" || len(context)+len(response) > 400 || !utf8.ValidString(context) {
			t.Skip()
		}
		s := &fake{
			noIDs: mode&1 != 0, noBytes: mode&2 != 0, noText: mode&4 != 0, noPromptIDs: mode&8 != 0,
			offset: []string{"", "bytes", "chars", "next"}[mode>>4&3],
		}
		response = viaJSON(response)
		r := Response{Text: response, Model: "scout"}
		asked := tok.EncodeOrdinary(response)
		if mode&64 != 0 {
			r.TokenIDs = asked
		}
		ctx := tok.Encode(context)
		want := exactAfter("scout", ctx, asked)
		var known *dataset.TokenDigest
		if mode&128 != 0 {
			known = dataset.DigestTokens(ctx)
		}
		res, err := newForcer(t, s).ScoreKnown(t.Context(), tag(), policy("raw"), prompt(context), known, r)
		methods, flags := res.Methods, res.Flags
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%v is not an *Error", err)
			}
			if e.Reason == ReasonEmpty && response == "" {
				return
			}
			methods, flags = e.Methods, e.Flags
		}
		unverified := false
		for _, flag := range flags {
			unverified = unverified || flag == FlagIDsUnverified
		}
		for name, m := range methods {
			switch {
			case m.Status == OK && unverified:
				// The ids are known and the echo's are not: the flag says that
				// nobody can see whether they are the same.
			case m.Status == OK:
				if !(math.Abs(m.LogProb.OrNaN()-want) <= 1e-9) {
					t.Fatalf("%s says %v, truth is %v", name, m.LogProb.OrNaN(), want)
				}
			case m.Reason == ReasonAltered && s.noText && s.noBytes:
				// A server that shows vocabulary entries and no offsets tells nothing.
			case m.Reason != ReasonSeam && m.Reason != ReasonRetokenised && m.Reason != ReasonUnsupported &&
				m.Reason != ReasonNotCompared:
				t.Fatalf("%s says %q: %v", name, m.Reason, err)
			}
		}
	})
}
