package main

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"hash/crc32"
	"html"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/reweigh/reweigh/providers/sim"
)

// plantedKey has characters that addresses, JSON and pages escape.
const plantedKey = "sk-live+Qq/31415-AbCdEfGhIj_27182=="

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

// shows tells in which encodings a text shows the key. What a page, a report or JSON
// escapes is looked at without the escapes as well.
func shows(text string) (found []string) {
	plain := html.UnescapeString(text)
	texts := []string{text, plain, strings.NewReplacer(`\\`, `\`).Replace(text), strings.NewReplacer(`\\`, `\`, `\_`, "_",
		`\=`, "=").Replace(plain)}
	for name, form := range encodings(plantedKey) {
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

// echoing has a server show the key of every request in its answer: in headers, refusals,
// names and texts, one encoding after the other.
func echoing(next http.Handler) http.Handler {
	var attempts sync.Map // by request, so that what is shown does not depend on who asks first
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		forms := encodings(key)
		names := slices.Sorted(func(yield func(string) bool) {
			for name := range forms {
				if !yield(name) {
					return
				}
			}
		})
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

// TestKeyIsNowhere runs against a server with every fault that shows the key in everything
// it says, and searches all that the program writes. The same search finds keys that are
// planted.
func TestKeyIsNowhere(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: whole runs")
	}
	for name, form := range encodings(plantedKey) {
		for _, text := range []string{form, "a " + form + " b", html.EscapeString(form), fmt.Sprintf("%q", form)} {
			if found := shows(text); !slices.Contains(found, name) {
				t.Errorf("the search does not find the key, planted %s as %q", name, text)
			}
		}
	}
	dir := t.TempDir()
	aa, prices := filepath.Join(dir, "aa.json"), filepath.Join(dir, "prices.json")
	arm := `"model":"` + sim.ScoutModel + `","template":"llama4","temperature":1,"top_p":1,"top_k":0,"max_tokens":40,` +
		`"expected_tokens":40}`
	policies := `[{"name":"p0","role":"logging",` + arm + `,{"name":"pi_clone","role":"clone",` + arm + `]`
	if err := os.WriteFile(aa, []byte(policies), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(prices, sim.PricesJSON(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FIREWORKS_API_KEY", plantedKey)
	t.Setenv("OPENAI_API_KEY", plantedKey)
	for i, spec := range []string{
		"429=0.1,500=0.05,503=0.05,reset=0.03,truncate=0.03,slow=0.1:1ms,zero=0.1,positive=0.1,null=0.1,badjson=0.2," +
			"empty=0.1,cut=0.1,drift=0.2,expensive=1.1,noise=0.01",
		"noecho=1", "wrongtemplate=1,order=1",
	} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			faults, err := sim.ParseFaults(spec)
			if err != nil {
				t.Fatal(err)
			}
			s := sim.New(sim.Config{Faults: faults, Seed: 7})
			defer s.Close()
			server := httptest.NewServer(echoing(s.Handler()))
			defer server.Close()
			out := filepath.Join(dir, fmt.Sprint("run", i))
			var stdout, stderr bytes.Buffer
			args := []string{"-live", "-fireworks-url", server.URL + "/inference/v1", "-openai-url", server.URL + "/v1",
				"-prices",
				prices, "-policies", aa, "-n", "4", "-full", "400", "-waive", "endpoint.certified=a drill",
				"-waive", "judge.calibration=a drill", "-out", out}
			code := run(args, &stdout, &stderr)
			again := run(append(args, "-json"), &stdout, &stderr)
			written := map[string]string{"stdout": stdout.String(), "stderr": stderr.String()}
			err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.Type().IsRegular() {
					var b []byte
					b, err = os.ReadFile(path)
					written[path] = string(b)
				}
				return err
			})
			if err != nil || len(written) < 10 {
				t.Fatalf("exits %d and %d, %d files, %v\n%s", code, again, len(written), err, stderr.String())
			}
			for path, text := range written {
				if found := shows(text); len(found) > 0 {
					t.Errorf("%s shows the key %q", path, found)
				}
			}
		})
	}
}
