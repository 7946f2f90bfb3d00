package providers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// said is what a server's error body says, whatever its form.
type said struct{ code, kind, message, param string }

// parseErrorBody reads every form of error body that the services are known to
// send:
//
//	{"error": {"message": …, "type": …, "code": …}}      nested (OpenAI, Fireworks)
//	{"object": "error", "message": …, "type": …, "code": …}  flat (vLLM, Fireworks)
//	{"error": "Too Many Requests", "message": …}         a string
//	{"detail": [{"loc": […], "msg": …}]}                 FastAPI's 422; detail may be a string
//
// with code a string or a number and message a string or a list. Anything else
// is its own message.
func parseErrorBody(body []byte) said { return parseError(body, 2) }

// parseError looks at most depth objects deep.
func parseError(body []byte, depth int) said {
	var b struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Code    json.RawMessage `json:"code"`
		Type    json.RawMessage `json:"type"`
		Param   json.RawMessage `json:"param"`
		Detail  json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return said{message: string(body)}
	}
	s := said{code: plainText(b.Code), kind: plainText(b.Type), message: plainText(b.Message), param: plainText(b.Param)}
	if isObject(b.Error) && depth > 1 {
		inner := parseError(b.Error, depth-1)
		if inner.message == string(b.Error) {
			inner.message = "" // said nothing that we know: keep the outer words
		}
		s = said{code: first(inner.code, s.code), kind: first(inner.kind, s.kind), message: first(inner.message, s.message), param: first(inner.param, s.param)}
	} else if word := plainText(b.Error); word != "" {
		if s.message == "" {
			s.message = word
		} else if s.code == "" {
			s.code = word
		}
	}
	s.message = first(s.message, detailText(b.Detail), s.code)
	if s.message == "" {
		s.message = string(body)
	}
	return s
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

func isObject(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{"))
}

// plainText is a JSON string, number or list of such as text; null and absent
// are empty.
func plainText(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	var s string
	var list []json.RawMessage
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case json.Unmarshal(raw, &s) == nil:
		return s
	case json.Unmarshal(raw, &list) == nil:
		var parts []string
		for _, item := range list {
			if t := plainText(item); t != "" {
				parts = append(parts, t)
			}
		}
		return strings.Join(parts, "; ")
	}
	return string(raw)
}

// detailText reads FastAPI's "detail".
func detailText(raw json.RawMessage) string {
	var list []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return plainText(raw)
	}
	var parts []string
	for _, d := range list {
		var where []string
		for _, l := range d.Loc {
			where = append(where, fmt.Sprint(l))
		}
		parts = append(parts, strings.TrimPrefix(strings.Join(where, ".")+": "+d.Msg, ": "))
	}
	return strings.Join(parts, "; ")
}

// classify decides by what the server said before it goes by the status,
// because one status means several things: 429 is "slow down" or "no money
// left", and only one of them is worth another attempt.
func classify(status int, s said) Class {
	code, kind, text := strings.ToLower(s.code), strings.ToLower(s.kind), strings.ToLower(s.message)
	has := func(in string, words ...string) bool {
		for _, w := range words {
			if strings.Contains(in, w) {
				return true
			}
		}
		return false
	}
	if status/100 == 4 || status/100 == 2 {
		switch {
		case has(code+" "+kind, "insufficient_quota", "credit_balance", "billing", "spend_limit", "insufficient_balance", "quota_exceeded"),
			status == 429 && has(text, "exceeded your current quota", "spending limit", "spend limit", "billing"):
			return ClassQuota
		case has(code, "context_length", "string_above_max_length"), tooLong(status, kind, text),
			(status == 400 || status == 413 || status == 422) && has(text, "context length", "context window", "maximum context", "prompt is too long", "max_model_len", "too many tokens"):
			return ClassTooLong
		case has(code, "content_filter", "content_policy"):
			return ClassFiltered
		case has(code, "model_not_found"):
			return ClassModelNotFound
		}
	}
	switch {
	case status == 401, status == 403:
		return ClassAuth
	case status == 402:
		return ClassQuota
	case status == 404:
		return ClassModelNotFound
	case status == 408:
		return ClassTimeout
	case status == 409, status == 425: // a lock not granted, a deployment not ready: both pass
		return ClassOverloaded
	case status == 412:
		// Fireworks: the account is suspended, or a LoRA failed to load.
		if has(text, "suspend", "account") || has(code, "suspend") {
			return ClassQuota
		}
		return ClassBadRequest
	case status == 429:
		return ClassRateLimited
	case status == 501:
		return ClassBadRequest
	case status >= 500:
		return ClassOverloaded
	case status/100 == 2:
		return ClassBrokenReply
	}
	return ClassBadRequest
}

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

// retryAfter is the wait that a server asks for: retry-after-ms, else
// Retry-After in seconds or as a date. A date counts from the server's own
// clock where it sends one. What makes no sense is no wish.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := parseWait(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return d
	}
	v := h.Get("Retry-After")
	if d, ok := parseWait(v, time.Second); ok {
		return d
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return max(0, at.Sub(now))
}

func parseWait(s string, unit time.Duration) (time.Duration, bool) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(f) {
		return 0, false
	}
	return time.Duration(max(0, min(f*float64(unit), 1<<62))), true
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

// keepHeader keeps what tells of limits and identity, and nothing else: other
// headers may carry cookies.
func keepHeader(h http.Header) http.Header {
	kept := http.Header{}
	keep := func(k string) {
		if v := h.Values(k); len(v) > 0 {
			kept[http.CanonicalHeaderKey(k)] = append([]string(nil), v...)
		}
	}
	for k := range h {
		if strings.HasPrefix(k, "X-Ratelimit-") {
			keep(k)
		}
	}
	for _, k := range append([]string{"Retry-After", "Retry-After-Ms"}, requestIDHeaders...) {
		keep(k)
	}
	return kept
}
