package providers

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// RequestID is the X-Request-Id of every attempt made for t, however often it
// is retried or resumed:
//
//	stage "-" 16 hex digits of SHA-256(stage, policy, key) ["-" call]
//
// where each hashed part is preceded by its length as eight big-endian bytes.
// What a header may not carry is replaced by "_".
func RequestID(t Tag) string {
	h := sha256.New()
	for _, s := range []string{t.Stage, t.Policy, t.Key} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	id := headerSafe(t.Stage) + "-" + hex.EncodeToString(h.Sum(nil)[:8])
	if t.Call != "" {
		id += "-" + headerSafe(t.Call)
	}
	return id
}

func headerSafe(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, s)
}
