package providers

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
)

// redacted is what every printer of a [Secret] gets to see.
const redacted = "[redacted]"

// Secret is an API key that cannot be printed: every verb of fmt, JSON, text
// marshalling and slog show a redaction, and so does a struct that holds one,
// even in an unexported field. The zero Secret is empty and means "no key".
//
// The value sits inside a closure because a printer that walks unexported
// fields by reflection calls no method of theirs, but cannot look into a
// closure either.
type Secret struct {
	reveal func() string
	forms  func() []string // spellings of the key, made when they are first asked for
}

// NewSecret wraps a key. An empty key gives the zero Secret.
func NewSecret(key string) Secret {
	if key == "" {
		return Secret{}
	}
	return Secret{func() string { return key }, sync.OnceValue(func() []string { return spellings(key) })}
}

// Reveal returns the key itself. It is the only way to get it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Empty reports whether there is no key.
func (s Secret) empty() bool { return s.reveal == nil }

// String returns a redaction, or the empty string for the zero Secret.
func (s Secret) String() string {
	if s.empty() {
		return ""
	}
	return redacted
}

// GoString returns a redaction.
func (s Secret) GoString() string { return fmt.Sprintf("providers.Secret(%q)", s.String()) }

// Format writes a redaction whatever the verb.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, s.GoString())
		return
	}
	io.WriteString(f, s.String())
}

// MarshalText writes a redaction.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes a redaction.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// LogValue gives slog a redaction.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
