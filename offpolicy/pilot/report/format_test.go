package report

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

func TestNumbers(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, row := range []struct {
		name   string
		f      func(float64) string
		in     float64
		want   string
		reason string
	}{
		{"usd", usd, 0.0123, "$0.0123", "a pilot's costs live below a dollar"},
		{"usd", usd, 12.4, "$12.40", "cents above it"},
		{"usd", usd, 1234567.891, "$1,234,567.89", "thousands are grouped"},
		{"usd", usd, 0, "$0", "nothing was spent"},
		{"usd", usd, 0.0000123, "$0.000012", "a small cost is not nothing"},
		{"usd", usd, 1e-12, "$1e-12", "nor is a tiny one, at any length"},
		{"usd", usd, 0.99996, "$1.00", "rounds up into the next form"},
		{"usd", usd, -0.5, "-$0.5000", "the sign comes before the currency"},
		{"usd", usd, nan, "—", "missing is no number"},
		{"usd", usd, inf, "$∞", "an infinity is not a finite sum"},
		{"rounded", rounded, 20480.5, "20,481", "an expectation of a count"},
		{"rounded", rounded, -0.2, "0", "no negative zero"},
		{"rounded", rounded, nan, "—", "missing is no number"},
		{"duration", duration, 0, "0s", "took no time"},
		{"duration", duration, 0.0004, "0.0004s", "took some"},
		{"duration", duration, 0.42, "0.42s", "below a second"},
		{"duration", duration, 9.97, "10s", "rounds before the form is chosen"},
		{"duration", duration, 83, "1m23s", "minutes"},
		{"duration", duration, 59.7, "1m00s", "never 60s"},
		{"duration", duration, 3599.7, "1h00m", "never 60m"},
		{"duration", duration, 7261, "2h01m", "hours"},
		{"duration", duration, 86399, "1d00h", "never 24h"},
		{"duration", duration, 274000, "3d04h", "days"},
		{"duration", duration, 1e300, "1e+300s", "no overflow"},
		{"duration", duration, -83, "-1m23s", "a clock that ran back is shown"},
		{"duration", duration, nan, "—", "missing is no number"},
		{"share", share, 0.1234, "12.3%", "three digits"},
		{"share", share, 1, "100%", "all"},
		{"share", share, 0.99999, "<100%", "not quite all is not all"},
		{"share", share, 0.0004, "0.04%", "a little is not nothing"},
		{"share", share, 0, "0%", "nothing"},
		{"share", share, nan, "—", "missing is no number"},
		{"number", number, 12345678, "12,345,678", "whole numbers in full"},
		{"number", number, 12345.67, "12,346", "no digit before the point is lost"},
		{"number", number, -81.519, "-81.52", "four digits"},
		{"number", number, 0.5, "0.5", "no padding"},
		{"number", number, 3.14e-10, "3.14e-10", "small is not zero"},
		{"number", number, -inf, "-∞", "with its sign"},
		{"number", number, nan, "—", "missing is no number"},
		{"score", score, 0.7, "0.700", "columns line up"},
		{"score", score, 1e300, "1e+300", "a score that is none is still short"},
	} {
		if got := row.f(row.in); got != row.want {
			t.Errorf("%s(%v) = %q, want %q: %s", row.name, row.in, got, row.want, row.reason)
		}
	}
	for in, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567",
		math.MinInt64: "-9,223,372,036,854,775,808"} {
		if got := count(in); got != want {
			t.Errorf("count(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestCompoundFigures(t *testing.T) {
	nan := math.NaN()
	for _, row := range []struct{ got, want, reason string }{
		{change(0.6, 0.5), "+20%", "over"},
		{change(0.45, 0.5), "-10%", "under"},
		{change(0.5, 0.5), "0%", "as expected"},
		{change(0.5, 0), "—", "nothing was expected: there is no ratio"},
		{change(nan, 0.5), "—", "not known yet"},
		{interval(iv(0.62, 0.57, 0.67), score), "0.620 [0.570, 0.670]", "both ends"},
		{interval(iv(0.62, nan, nan), score), "0.620 (no interval)", "a mean of one"},
		{interval(iv(0.62, 0.57, nan), score), "0.620 [0.570, —]", "one end"},
		{interval(iv(nan, 0.57, 0.67), score), "—", "no value, no interval"},
		{figure(record.Figure{Value: dataset.Known(0.5), Unit: "USD"}), "$0.5000", "dollars"},
		{figure(record.Figure{Value: dataset.Known(83), Unit: "s"}), "1m23s", "seconds"},
		{figure(record.Figure{Value: dataset.Known(0.25), Unit: "share"}), "25%", "shares"},
		{figure(record.Figure{Value: dataset.Known(-1.5), Unit: "nats"}), "-1.5 nats", "nats"},
		{figure(record.Figure{Value: dataset.Known(1200), Unit: "tokens"}), "1,200 tokens", "tokens"},
		{figure(record.Figure{Value: dataset.Known(1200)}), "1,200", "no unit"},
		{figure(record.Figure{Unit: "nats"}), "—", "missing has no unit"},
		{instant(time.Time{}), "—", "the zero time never happened"},
		{reasonCounts(map[string]int{"b": 2, "a": 2, "c": 9}), "c 9, a 2, b 2", "frequent first, then by name"},
	} {
		if row.got != row.want {
			t.Errorf("%q, want %q: %s", row.got, row.want, row.reason)
		}
	}
}

func TestMarkdownEscapes(t *testing.T) {
	for _, row := range []struct{ in, want, reason string }{
		{"pi_bad", "pi_bad", "an underscore within a word is no emphasis"},
		{"_a_", `\_a\_`, "at its edges it is"},
		{"a*b*", `a\*b\*`, "emphasis"},
		{"<b>&lt;", "&lt;b>&amp;lt;", "elements and entities"},
		{"[x](javascript:1)", `\[x\](javascript:1)`, "links"},
		{"a|b", `a\|b`, "a cell's end"},
		{"# a", `\# a`, "a heading"},
		{"- a", `\- a`, "a bullet"},
		{"-12.3", "-12.3", "a negative number is no bullet"},
		{"-$0.5", "-$0.5", "nor is a negative amount"},
		{"+61.2%", "+61.2%", "nor a positive one"},
		{"---", `\---`, "a rule"},
		{"1. a", `1\. a`, "an ordered list"},
		{"0.62 a", "0.62 a", "a decimal is no list"},
		{"$0.5300, $1.94", "$0.5300, $1.94", "dollars are left alone"},
		{" a ", "a", "no indentation, no hard break"},
	} {
		if got := mdText(row.in); got != row.want {
			t.Errorf("mdText(%q) = %q, want %q: %s", row.in, got, row.want, row.reason)
		}
	}
	for in, want := range map[string]string{"a": "`a`", "a`b": "``a`b``", "`": "`` ` ``", "": "` `", "a|b": "`a\\x7cb`"} {
		if got := mdCode(in); got != want {
			t.Errorf("mdCode(%q) = %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"plain", "```\nx\n````", "`````", "~~~\n"} {
		fence := mdFence(in)
		open, _, _ := strings.Cut(fence, "text\n")
		if strings.Count(fence, open) != 2 || !strings.HasSuffix(fence, "\n"+open) {
			t.Errorf("mdFence(%q) can be closed from within: %q", in, fence)
		}
	}
}
