package providers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// sameFloat compares parseFloat with strconv to the bit, errors too.
func sameFloat(t *testing.T, s string) {
	t.Helper()
	want, wrong := strconv.ParseFloat(s, 64)
	got, err := parseFloat([]byte(s))
	if (err == nil) != (wrong == nil) || math.Float64bits(got) != math.Float64bits(want) {
		t.Errorf("%q: %v (%x), %v; strconv says %v (%x), %v", s, got, math.Float64bits(got), err, want,
			math.Float64bits(want), wrong)
	}
}

func TestParseFloat(t *testing.T) {
	for _, s := range []string{
		"", "-", ".", "-.", "0", "-0", "0.0", "-0.000", "00", "007", "-00.5", "1.", ".5", "-.5", "1..2", "1.2.3", "--1",
		"1-", "1e5", "1e", "1.5E-3", "+1", " 1", "1 ", "0x1p3", "1_000", "12a", "1.2a", "12345678a", "1234567:", "1234567/",
		"18446744073709551615", "18446744073709551616", "9999999999999999999", "99999999999999999999",
		"0.9999999999999999999", "0.99999999999999999999", "09.999999999999999999", "1844674407370955161.6",
		"9007199254740993", "9007199254740992.5", "9007199254740993.0", "4503599627370496.5", "4503599627370497.5",
		"4503599627370497.500000000000000000001", "0.5000000000000000001", "9223372036854775807", "9223372036854775808",
		"9223372036854775809", "1152921504606846976", "0.0000000000000000001", "0.00000000000000000001",
		"-12.3456789012345678", "-0.7329629063606262", "1.7976931348623157", "179769313486231570000000000000000000000e271",
		"\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7", "1234567\x80", "1.00000011920928955078125",
	} {
		sameFloat(t, s)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30_000 {
		// Digits at random, values as servers write them, and midpoints between two float64
		// with a digit above or below.
		m := rng.Uint64() >> rng.IntN(64)
		digits := strconv.FormatUint(m, 10)
		at := rng.IntN(len(digits) + 1)
		sameFloat(t, digits[:at]+"."+digits[at:])
		sameFloat(t, "-0."+digits)
		sameFloat(t, fmt.Sprintf("0.%0*d", rng.IntN(20), m))
		f := -rng.ExpFloat64() * math.Pow(10, float64(rng.IntN(8)-4))
		sameFloat(t, strconv.FormatFloat(f, 'f', -1, 64))
		sameFloat(t, strconv.FormatFloat(float64(float32(f)), 'f', -1, 64))
		sameFloat(t, strconv.FormatFloat(f, 'f', rng.IntN(20), 64))
		half := 1<<53 + rng.Uint64N(1<<53) | 1 // between two float64
		sameFloat(t, strconv.FormatUint(half<<rng.IntN(10), 10))
		sameFloat(t, strconv.FormatUint(half/2, 10)+".5")
		sameFloat(t, strconv.FormatUint(half/8, 10)+[]string{".125", ".12", ".375", ".37", ".625", ".875"}[rng.IntN(6)])
	}
}

// FuzzParseFloat's invariant: it is strconv's, to the bit.
func FuzzParseFloat(f *testing.F) {
	f.Add("-12.345678901234567")
	f.Add("0.30000000000000004")
	f.Fuzz(sameFloat)
}
