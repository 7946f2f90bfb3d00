package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/reweigh/reweigh/dataset"
	cleaning "github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// absent stands where a value could not be obtained. It must not look like a
// number.
const absent = "—"

// usd writes dollars: four decimals below a dollar, where a pilot's costs live,
// and cents above it.
func usd(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return absent
	case v == 0:
		return "$0"
	case math.IsInf(v, 0) || a >= 1e15 || a < 1e-9:
		return signed(v, "$"+magnitude(a))
	case a < 0.0001:
		return signed(v, "$"+strconv.FormatFloat(a, 'f', 1-int(math.Floor(math.Log10(a))), 64))
	case a < 0.99995: // what rounds to a dollar is written as one
		return signed(v, "$"+strconv.FormatFloat(a, 'f', 4, 64))
	}
	return signed(v, "$"+grouped(strconv.FormatFloat(a, 'f', 2, 64)))
}

// count writes a whole number with thousands separators.
func count(n int) string { return signed(float64(n), grouped(strconv.FormatUint(absInt(n), 10))) }

func absInt(n int) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// rounded is count for a number that need not be whole, as an expectation.
func rounded(v float64) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return absent
	case math.IsInf(v, 0) || a >= 1e15:
		return signed(v, magnitude(a))
	}
	return signed(math.Round(v), grouped(strconv.FormatFloat(math.Round(a), 'f', 0, 64)))
}

// duration writes seconds in the two largest units that say something: 0.42s,
// 42s, 1m23s, 2h05m, 3d04h. It rounds before it splits, so that 59.7 s is 1m00s
// and never 60s.
func duration(sec float64) string {
	a := math.Abs(sec)
	switch {
	case math.IsNaN(sec):
		return absent
	case math.IsInf(sec, 0) || a >= 1e15:
		return signed(sec, magnitude(a)) + "s"
	case a == 0:
		return "0s"
	case a < 0.01:
		return signed(sec, magnitude(a)) + "s"
	case a < 0.995:
		return signed(sec, strconv.FormatFloat(a, 'f', 2, 64)) + "s"
	case a < 9.95:
		return signed(sec, strconv.FormatFloat(a, 'f', 1, 64)) + "s"
	case a < 59.5:
		return signed(sec, strconv.FormatFloat(a, 'f', 0, 64)) + "s"
	case a < 3599.5:
		s := int64(math.Round(a))
		return signed(sec, fmt.Sprintf("%dm%02ds", s/60, s%60))
	case a < 86370: // 23h59m30s
		m := int64(math.Round(a / 60))
		return signed(sec, fmt.Sprintf("%dh%02dm", m/60, m%60))
	}
	h := int64(math.Round(a / 3600))
	return signed(sec, fmt.Sprintf("%sd%02dh", grouped(strconv.FormatInt(h/24, 10)), h%24))
}

// share writes a part of one as a percentage of three significant digits. What
// is not quite all is not rounded up to 100%.
func share(v float64) string {
	s := number3(100 * v)
	switch {
	case math.IsNaN(v):
		return absent
	case s == "100" && v < 1:
		return "<100%"
	}
	return s + "%"
}

// change writes how far actual is from expected: +12.3%, or a dash where either
// is missing or there is nothing to compare with.
func change(actual, expected float64) string {
	if math.IsNaN(actual) || math.IsNaN(expected) || expected == 0 {
		return absent
	}
	d := (actual - expected) / expected
	if d > 0 {
		return "+" + share(d)
	}
	return share(d)
}

// number writes a plain figure with four significant digits, and every digit
// before the point. Beyond 1e15, and below a thousandth, it is scientific.
func number(v float64) string { return significant(v, 4) }

func number3(v float64) string { return significant(v, 3) }

func significant(v float64, digits int) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return absent
	case a == 0:
		return "0"
	case math.IsInf(v, 0) || a >= 1e15 || a < 1e-3:
		return signed(v, magnitude(a))
	case a == math.Trunc(a):
		return signed(v, grouped(strconv.FormatFloat(a, 'f', 0, 64)))
	}
	s := strconv.FormatFloat(a, 'f', max(digits-1-int(math.Floor(math.Log10(a))), 0), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return signed(v, grouped(s))
}

// magnitude writes a number too large or too small for plain digits.
func magnitude(a float64) string {
	if math.IsInf(a, 0) {
		return "∞"
	}
	return strconv.FormatFloat(a, 'g', 3, 64)
}

func signed(v float64, s string) string {
	if v < 0 {
		return "-" + s
	}
	return s
}

// grouped puts commas between the thousands of a decimal without a sign.
func grouped(s string) string {
	whole, frac, hasFrac := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if hasFrac {
		return whole + "." + frac
	}
	return whole
}

// score writes a judge score or label, of which three decimals are plenty.
func score(v float64) string {
	switch {
	case math.IsNaN(v):
		return absent
	case math.Abs(v) >= 1000:
		return number(v)
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// interval writes a value with its interval, each number by f: 0.620 [0.570,
// 0.670]. What is missing is shown as missing.
func interval(i record.Quantity, f func(float64) string) string {
	switch {
	case !i.Value.Valid():
		return absent
	case !i.Lo.Valid() && !i.Hi.Valid():
		return f(i.Value.OrNaN()) + " (no interval)"
	}
	return fmt.Sprintf("%s [%s, %s]", f(i.Value.OrNaN()), f(i.Lo.OrNaN()), f(i.Hi.OrNaN()))
}

// figure writes one number of the evidence in its unit.
func figure(f record.Figure) string {
	v := f.Value.OrNaN()
	switch {
	case !f.Value.Valid():
		return absent
	case f.Unit == "":
		return number(v)
	case f.Unit == "USD":
		return usd(v)
	case f.Unit == "share":
		return share(v)
	case f.Unit == "s":
		return duration(v)
	}
	return number(v) + " " + clean(f.Unit)
}

// instant writes a time to the second in UTC; the zero time is missing.
func instant(t time.Time) string {
	if t.IsZero() {
		return absent
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

func floats(f ...dataset.Float) []float64 {
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = v.OrNaN()
	}
	return out
}

// clean and cleanBlock make text that came from elsewhere fit for a line and for a
// block.
func clean(s string) string      { return cleaning.Line(s) }
func cleanBlock(s string) string { return cleaning.Block(s) }
