// Package shownkey plants a key with a server that shows it in all that it says, and
// searches what a program writes for it. It is for tests.
package shownkey

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Key has characters that addresses, JSON and pages escape.
const Key = "sk-live+Qq/31415-AbCdEfGhIj_27182=="

// encodings are ways in which a server may show a key.
func encodings(key string) map[string]string {
	each := func(format, between string) string {
		var out []string
		for _, c := range []byte(key) {
			out = append(out, fmt.Sprintf(format, c))
		}
		return strings.Join(out, between)
	}
	backwards := []byte(key)
	slices.Reverse(backwards)
	return map[string]string{
		"as it is":                   key,
		"as a query":                 url.QueryEscape(key),
		"as a path":                  url.PathEscape(key),
		"percents":                   each("%%%02X", ""),
		"hexadecimal":                each("%02x", ""),
		"capital hexadecimal":        each("%02X", ""),
		"hexadecimal, apart":         each("%02x", " "),
		"base64":                     base64.StdEncoding.EncodeToString([]byte(key)),
		"base64 of addresses":        base64.URLEncoding.EncodeToString([]byte(key)),
		"base64, one byte along":     base64.StdEncoding.EncodeToString([]byte(":" + key)),
		"base64 of the whole header": base64.StdEncoding.EncodeToString([]byte("Bearer " + key)),
		"base32":                     base32.StdEncoding.EncodeToString([]byte(key)),
		"escapes of JSON":            each(`\u%04x`, ""),
		"escapes of C":               each(`\x%02x`, ""),
		"entities":                   each("&#%d;", ""),
		"backwards":                  string(backwards),
	}
}

// In lists the encodings in which a text shows Key. Text that a page, a report or JSON
// escapes is searched without the escapes as well.
func In(text string) (found []string) {
	plain := html.UnescapeString(text)
	texts := []string{text, plain, strings.NewReplacer(`\\`, `\`).Replace(text), strings.NewReplacer(`\\`, `\`, `\_`, "_",
		`\=`, "=").Replace(plain)}
	for name, form := range encodings(Key) {
		// Half of it is enough, from wherever.
		half := len(form) / 2
		for _, part := range []string{form[:half], form[len(form)-half:], form[half/2 : half/2+half]} {
			if slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, part) }) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Echo has a server show the key of every request in its answer: in headers, refusals,
// names and texts, one encoding after the other.
func Echo(next http.Handler) http.Handler {
	var attempts sync.Map // by request, so that what is shown does not depend on who asks first
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		forms := encodings(key)
		names := slices.Sorted(maps.Keys(forms))
		id := r.URL.Path + r.Header.Get("X-Request-Id")
		made, _ := attempts.LoadOrStore(id, new(atomic.Int64))
		turn := int(crc32.ChecksumIEEE([]byte(id))) + int(made.(*atomic.Int64).Add(1))
		form := forms[names[turn%len(names)]]
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r) // a fault that breaks the connection panics through
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		for _, name := range []string{"X-Request-Id", "X-Ratelimit-Limit-Requests", "Server", "Retry-After-Hint"} {
			w.Header().Set(name, form)
		}
		body, quoted := rec.Body.Bytes(), fmt.Sprintf("%q", form)
		if !strings.HasSuffix(r.URL.Path, "/models") && !strings.Contains(r.URL.Path, "/accounts/") {
			switch {
			case rec.Code != http.StatusOK:
				body = fmt.Appendf(nil, `{"error":{"message":"for key %s","code":%s,"param":%[2]s}}`,
					quoted[1:len(quoted)-1], quoted)
			case turn%7 == 0:
				body = bytes.Replace(body, []byte(`"content":"`), []byte(`"content":"`+quoted[1:len(quoted)-1]), 1)
			case turn%7 == 1:
				body = bytes.Replace(body, []byte(`"text":"`), []byte(`"text":"`+quoted[1:len(quoted)-1]), 1)
			case turn%7 == 2:
				body = bytes.Replace(body, []byte(`"model":"`), []byte(`"model":"`+quoted[1:len(quoted)-1]), 1)
			case turn%7 == 3:
				body = bytes.Replace(body, []byte(`"finish_reason":"`), []byte(`"finish_reason":"`+quoted[1:len(quoted)-1]), 1)
			}
			body = bytes.Replace(body, []byte(`{`), []byte(`{"system_fingerprint":`+quoted+`,"service_tier":`+quoted+`,`), 1)
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body)
	})
}
