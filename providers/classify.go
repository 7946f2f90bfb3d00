package providers

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// hint is what a person can do about a class of error.
func (t *transport) hint(c Class) string {
	switch c {
	case ClassAuth:
		return fmt.Sprintf("check that %s is set, current, and allowed to use this model", t.keyName)
	case ClassQuota:
		return fmt.Sprintf("add credit to the account of %s or raise its limit, then resume", t.keyName)
	case ClassRateLimited:
		return "lower the concurrency, or resume later"
	case ClassOverloaded:
		return "the service is failing or shedding load: resume later"
	case ClassTimeout:
		return "allow an attempt more time (Retry.AttemptTimeout) or lower the concurrency"
	case ClassNetwork:
		return fmt.Sprintf("check the base URL %s and the network", t.base)
	case ClassBrokenReply:
		return "the server or something between broke the reply off; if it stays, check the base URL"
	case ClassModelNotFound:
		return "the service does not serve this model to this key: list its models and name one of them"
	case ClassTooLong:
		return "shorten the context or lower max_tokens"
	}
	return ""
}

// retryAfter is the wait that a server asks for: Retry-After in milliseconds if it is there, else
// as [untilThen] reads it. A date counts from the server's own clock where it sends one.
func retryAfter(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} { // Azure
		if d, ok := parseWait(h.Get(name), time.Millisecond); ok {
			return d
		}
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return untilThen(h.Get("Retry-After"), now)
}

// untilThen is the time from now until what a header names: seconds or a date. Some services write
// a duration, as 1m2.5s, 30 seconds or 00:01:30, or the seconds or milliseconds since 1970. What
// makes no sense is no wish.
func untilThen(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if d, err := time.ParseDuration(v); err == nil {
		return max(0, d)
	}
	if d := namedDelay("wait " + v); d > 0 {
		return d
	}
	at, err := http.ParseTime(v)
	for _, layout := range []string{time.RFC1123Z, time.RFC3339} {
		if err != nil {
			at, err = time.Parse(layout, v)
		}
	}
	if err != nil {
		d, _ := parseWait(v, time.Second)
		ms, _ := parseWait(v, time.Millisecond)
		switch {
		case d < sinceEpoch, ms == longestWait:
			return d
		case ms >= sinceEpoch:
			d = ms
		}
		at = time.Unix(0, 0).Add(d)
	}
	return max(0, at.Sub(now))
}

// longestWait caps a wait, in nanoseconds, so that a Duration holds it.
const longestWait = 1 << 62

// sinceEpoch is longer than any server asks to wait: a number as large is a date, counted
// from 1970.
const sinceEpoch = 30 * 365 * 24 * time.Hour

func parseWait(s string, unit time.Duration) (time.Duration, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) {
		return 0, false
	}
	return time.Duration(max(0, min(f*float64(unit), longestWait))), true
}

// serverRequestID is what support asks for, in the services' own order of
// preference.
func serverRequestID(h http.Header) string {
	for _, k := range requestIDHeaders {
		if v := h.Get(k); v != "" {
			return v
		}
	}
	return ""
}

var requestIDHeaders = []string{headerRequestID, "X-Fireworks-Request-Id", "Request-Id", "Cf-Ray"}

// limitHeaders are what the names of limits begin with: most services', those of the IETF's draft, and Anthropic's.
var limitHeaders = []string{"X-Ratelimit-", "Ratelimit-", "Anthropic-Ratelimit-"}

// maxHeaders is more than any service has of limits.
const maxHeaders = 64

// keepHeader keeps what tells of limits and identity, and nothing else: other
// headers may carry cookies.
func keepHeader(h http.Header) http.Header {
	kept := http.Header{}
	keep := func(k string) {
		if v := h.Values(k); len(v) > 0 {
			kept[http.CanonicalHeaderKey(k)] = []string{cut(v[0], maxName)}
		}
	}
	for k := range h {
		for _, prefix := range limitHeaders {
			if strings.HasPrefix(k, prefix) && len(k) <= maxName && len(kept) < maxHeaders {
				keep(k)
			}
		}
	}
	for _, k := range append([]string{"Retry-After", "Retry-After-Ms", "Server", "Openai-Version"}, requestIDHeaders...) {
		keep(k)
	}
	return kept
}
