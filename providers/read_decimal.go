package providers

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// parseFloat is what strconv.ParseFloat makes of a JSON number, to the bit. Log-probs
// are most of a reply, and nearly all of them have no exponent and at most 19 digits.
// Such a number is a quotient of two integers, m/10ᵏ, which is rounded once.
func parseFloat(v []byte) (float64, error) {
	if m, k, ok := decimal(v); ok {
		f := ratio(m, powers[k])
		if v[0] == '-' {
			f = -f
		}
		return f, nil
	}
	return strconv.ParseFloat(string(v), 64)
}

// powers are 10⁰ to 10¹⁹, all that a uint64 holds.
var powers = func() (p [20]uint64) {
	p[0] = 1
	for i := range p[1:] {
		p[i+1] = 10 * p[i]
	}
	return p
}()

// decimal reads digits with an optional sign and an optional point among them as m/10ᵏ.
// It leaves aside what has another form or more digits.
func decimal(v []byte) (m uint64, k int, ok bool) {
	if len(v) > 0 && v[0] == '-' {
		v = v[1:]
	}
	if len(v) > 1 && v[0] == '0' {
		v = v[1:]
	}
	if len(v) == 0 || len(v) > len(powers) {
		return 0, 0, false
	}
	m, rest := digits(0, v)
	if len(rest) > 0 && rest[0] == '.' {
		k = len(rest) - 1
		m, rest = digits(m, rest[1:])
	} else if len(v) == len(powers) {
		return 0, 0, false
	}
	return m, k, len(rest) == 0 && string(v) != "."
}

// digits reads the digits at the front of v behind those of m.
func digits(m uint64, v []byte) (uint64, []byte) {
	for len(v) >= 8 {
		// Eight at once, each in a byte of x: in pairs, fours and together.
		x := binary.LittleEndian.Uint64(v) ^ 0x3030303030303030
		if (x+0x7676767676767676|x)&0x8080808080808080 != 0 {
			break // a byte above 9
		}
		x = 10*x + x>>8
		x = (x&0x000000ff000000ff*(100+1_000_000<<32) + x>>16&0x000000ff000000ff*(1+10_000<<32)) >> 32
		m, v = m*100_000_000+x, v[8:]
	}
	for len(v) > 0 && v[0]-'0' <= 9 {
		m, v = 10*m+uint64(v[0]-'0'), v[1:]
	}
	return m, v
}

// ratio is m/d, rounded to the nearest float64. d is not 0.
func ratio(m, d uint64) float64 {
	if m == 0 {
		return 0
	}
	// With both shifted to the left end their quotient is in (1/2, 2), and has 63 or 64
	// bits. A remainder sets the last of them, far below the 53 that are kept, which
	// keeps it apart from a tie.
	up, down := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	m <<= up
	q, rest := bits.Div64(m>>1, m<<63, d<<down)
	if rest != 0 {
		q |= 1
	}
	return float64(q) * math.Float64frombits(uint64(1023-63+down-up)<<52)
}
