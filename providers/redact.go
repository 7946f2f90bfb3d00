package providers

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Keys shorter than these are words that stand in honest text as well: those
// of tests and simulators. A message loses them from four characters on; what
// is recorded as data is only touched where the word can be nothing but a key.
const (
	minKeyInMessage = 4
	minKeyInData    = 12
)

// redact takes the key out of s, also where it is escaped as in an address,
// and where s was cut inside of it.
func (k Secret) redact(s string, least int) string {
	key := k.Reveal()
	if len(key) < least {
		return s
	}
	forms := []string{key, url.QueryEscape(key), url.PathEscape(key)}
	if len(key) >= minKeyInData { // a shorter one's encodings stand in honest text
		forms = k.forms()
	}
	for plain, n := unescaped(s), 0; plain != s && n < 3; plain, n = unescaped(plain), n+1 { // escapes of escapes
		if slices.ContainsFunc(forms, func(form string) bool { return strings.Contains(plain, form) }) {
			s = plain
		} else if next := unescaped(plain); next == plain {
			break
		}
	}
	for _, form := range forms {
		s = strings.ReplaceAll(s, form, redacted)
	}
	// A body that broke off, or was cut at a limit, may end in half a key.
	for _, form := range forms {
		for n := min(len(form)-1, len(s)); n >= 8*len(form)/len(key); n-- {
			if strings.HasSuffix(s, form[:n]) {
				return s[:len(s)-n] + redacted
			}
		}
	}
	return s
}

// repeats reports whether s shows a real key, in whatever spelling.
func (k Secret) repeats(s string) bool {
	key := k.Reveal()
	if len(key) < minKeyInData || len(s) < len(key) {
		return false
	}
	shows := func(s string) bool {
		return slices.ContainsFunc(k.forms(), func(form string) bool { return strings.Contains(s, form) })
	}
	if shows(s) {
		return true
	}
	plain := unescaped(s)
	return plain != s && shows(plain)
}

func (k Secret) redactHeader(h http.Header) http.Header {
	for _, values := range h {
		for i, v := range values {
			values[i] = k.redact(v, minKeyInData)
		}
	}
	return h
}

// scrub returns err itself, or, where the text of it or of any of its causes
// shows the key, an error in its place that has neither text nor causes of it.
// A transport of one's own may say anything: some quote the request's headers.
func (k Secret) scrub(err error) error {
	if err == nil || !k.leaks(err) {
		return err
	}
	return &scrubbed{text: k.redact(err.Error(), minKeyInMessage),
		is: func(target error) bool { return errors.Is(err, target) }}
}

func (k Secret) leaks(err error) bool {
	if err == nil {
		return false
	}
	for _, s := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
		if k.redact(s, minKeyInMessage) != s {
			return true
		}
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return k.leaks(u.Unwrap())
	case interface{ Unwrap() []error }:
		for _, cause := range u.Unwrap() {
			if k.leaks(cause) {
				return true
			}
		}
	}
	return false
}

// scrubbed answers errors.Is as the error did whose place it takes. That one
// sits in a closure, as the key does in a [Secret].
type scrubbed struct {
	text string
	is   func(error) bool
}

func (s *scrubbed) Error() string        { return s.text }
func (s *scrubbed) Is(target error) bool { return s.is(target) }

// guarded runs what belongs to an HTTP client of the caller's. A panic becomes
// an error, because the runtime prints what a panic holds, also of one that is
// raised again, and that may be a request with its key.
func guarded[T any](k Secret, f func() (T, error)) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{text: k.redact(fmt.Sprint(p), minKeyInMessage)}
		}
	}()
	return f()
}

type panicked struct{ text string }

func (p *panicked) Error() string { return "the HTTP client panicked: " + p.text }
