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
	for _, s := range []string{t.Stage, t.Key.Policy, t.record()} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	id := headerSafe(t.Stage) + "-" + hex.EncodeToString(h.Sum(nil)[:8])
	if t.Call != "" {
		id += "-" + headerSafe(t.Call)
	}
	return id
}

// requestUUID is a request id in the form of a UUID: version 8 (RFC 9562), made
// of the SHA-256 of id, for servers that take no other form.
func requestUUID(id string) string {
	h := sha256.Sum256([]byte(id))
	h[6] = h[6]&0x0f | 0x80 // version 8
	h[8] = h[8]&0x3f | 0x80 // variant
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
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
