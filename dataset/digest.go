package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// TokenDigest identifies a sequence of token ids without holding it.
type TokenDigest struct {
	N      int    `json:"n"`      // how many ids
	SHA256 string `json:"sha256"` // first 16 hex digits, over the ids as 4 bytes each, big-endian
}

// DigestTokens returns the digest of ids, nil for none.
func DigestTokens(ids []int) *TokenDigest {
	if len(ids) == 0 {
		return nil
	}
	b := make([]byte, 0, 4*len(ids))
	for _, id := range ids {
		b = binary.BigEndian.AppendUint32(b, uint32(id))
	}
	h := sha256.Sum256(b)
	return &TokenDigest{len(ids), hex.EncodeToString(h[:8])}
}

// Begins reports whether ids begin with the sequence that d identifies.
func (d *TokenDigest) Begins(ids []int) bool {
	return d != nil && d.N > 0 && len(ids) >= d.N && *DigestTokens(ids[:d.N]) == *d
}
