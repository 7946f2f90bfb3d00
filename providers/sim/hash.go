package sim

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
)

// hash64 is the one source of the server's chance: the first 64 bits of the
// SHA-256 over parts, each length-prefixed, so that no two lists collide by
// concatenation.
func hash64(parts ...string) uint64 {
	n := 0
	for _, p := range parts {
		n += 8 + len(p)
	}
	b := make([]byte, 0, n)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint64(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// mix derives the i-th number of a hash's own sequence (SplitMix64).
func mix(h uint64, i int) uint64 {
	h += (uint64(i) + 1) * 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// unit maps a hash to [0, 1).
func unit(h uint64) float64 { return float64(h>>11) / (1 << 53) }

// normal maps a hash to a standard normal (Box-Muller).
func normal(h uint64) float64 {
	u := 1 - unit(mix(h, 0)) // in (0, 1]
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*unit(mix(h, 1)))
}
