package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// textID is the id that CJE makes of a prompt's text.
func textID(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "prompt_" + hex.EncodeToString(sum[:])[:12]
}

// Logger is the policy that the sample says wrote its response, in a field "logger" or that of
// its metadata, a number as its digits; "" if it names none.
func (s Sample) Logger() string {
	if raw := s.Extra["logger"]; len(raw) > 0 {
		var name string
		if json.Unmarshal(raw, &name) == nil && name != "" {
			return strings.TrimSpace(name)
		}
		if c := raw[0]; c == '-' || c >= '0' && c <= '9' {
			return string(raw)
		}
	}
	switch v := s.Metadata["logger"].(type) {
	case string:
		return strings.TrimSpace(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// ID is the sample's PromptID, else prompt_id in its metadata, else "prompt_" and the
// first 12 hexadecimal digits of its prompt's SHA-256, which is how CJE names it.
func (s Sample) ID() string {
	if id, _ := s.Metadata["prompt_id"].(string); s.PromptID == "" && id != "" {
		return id
	}
	return cmp.Or(s.PromptID, textID(s.Prompt))
}
