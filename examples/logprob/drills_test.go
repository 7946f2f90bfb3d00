package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
	"github.com/reweigh/reweigh/teacherforce"
)

// TestMain keeps certificates out of the user's own cache.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "logprob-test-*")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", dir)
	os.Setenv("HOME", dir)
	os.Setenv("LocalAppData", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// altered is the simulator behind a proxy that changes the log-probs of its
// replies, of echoes or of all of them. It counts the calls.
func altered(t *testing.T, everywhere bool, change func(entries []map[string]any)) (url string, calls *atomic.Int64) {
	t.Helper()
	s := start(t)
	calls = &atomic.Int64{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, s.FireworksURL()+r.URL.Path, bytes.NewReader(body))
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		reply, _ := io.ReadAll(resp.Body)
		var asked struct{ Echo bool }
		var tree map[string]any
		if json.Unmarshal(body, &asked) == nil && (asked.Echo || everywhere) && json.Unmarshal(reply, &tree) == nil {
			choices, _ := tree["choices"].([]any)
			for _, c := range choices {
				logprobs, _ := c.(map[string]any)["logprobs"].(map[string]any)
				list, _ := logprobs["content"].([]any)
				var entries []map[string]any
				for _, e := range list {
					entries = append(entries, e.(map[string]any))
				}
				change(entries)
			}
			reply, _ = json.Marshal(tree)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(resp.StatusCode)
		w.Write(reply)
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL, calls
}

// each changes every value, those of alternatives too.
func each(f func(v float64) any) func([]map[string]any) {
	var walk func(e map[string]any)
	walk = func(e map[string]any) {
		for _, k := range []string{"logprob", "sampling_logprob"} {
			if v, ok := e[k].(float64); ok {
				e[k] = f(v)
			}
		}
		top, _ := e["top_logprobs"].([]any)
		for _, a := range top {
			walk(a.(map[string]any))
		}
	}
	return func(entries []map[string]any) {
		for _, e := range entries {
			walk(e)
		}
	}
}

const pairs = `{"prompt": "Why is the sky blue?", "response": "Because of the air."}
{"prompt": "Say yes.", "response": "yes", "ended": false}
`

func score(t *testing.T, url string, args ...string) (rows []dataRow, err error) {
	t.Helper()
	t.Setenv("KEY", "k")
	var out bytes.Buffer
	err = run(append([]string{"-endpoint", "e=fireworks:" + url + ",key-env=KEY", "-model", sim.ScoutModel, "-in", "-"},
		args...), strings.NewReader(pairs), &out)
	for line := range strings.Lines(out.String()) {
		var row dataRow
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows, err
}

type dataRow struct {
	LogProb *float64
	Flags   []string
}

// TestNoValueWithoutAFlag: a server whose values are not what they seem is refused
// before the first value, and without certification every value has a flag.
func TestNoValueWithoutAFlag(t *testing.T) {
	for name, change := range map[string]func([]map[string]any){
		"zeros":    each(func(float64) any { return 0 }),
		"positive": each(func(v float64) any { return -v }),
		"nulls":    each(func(float64) any { return nil }),
		"logits":   each(func(v float64) any { return v/4 + 1 }),
		"base 10":  each(func(v float64) any { return v / math.Ln10 }),
		"some nulls": func(entries []map[string]any) {
			for i, e := range entries {
				if i%10 == 9 {
					e["logprob"] = nil
				}
			}
		},
		"shifted": func(entries []map[string]any) {
			for i := len(entries) - 1; i > 0; i-- {
				entries[i]["logprob"] = entries[i-1]["logprob"]
			}
		},
		"shifted to the left": func(entries []map[string]any) {
			for i := range len(entries) - 1 {
				entries[i]["logprob"] = entries[i+1]["logprob"]
			}
		},
	} {
		for _, everywhere := range []bool{false, true} {
			url, _ := altered(t, everywhere, change)
			if rows, err := score(t, url); err == nil || len(rows) > 0 || !strings.Contains(err.Error(), "cannot be trusted") {
				t.Errorf("%s, in all replies %v: %+v, %v: want a refusal and no line", name, everywhere, rows, err)
			}
			rows, err := score(t, url, "-no-certify")
			if err != nil || len(rows) != 2 {
				t.Errorf("%s, -no-certify: %d rows, %v", name, len(rows), err)
			}
			for _, row := range rows {
				if row.LogProb != nil && len(row.Flags) == 0 {
					t.Errorf("%s, -no-certify: %v without a flag", name, *row.LogProb)
				}
			}
		}
	}
}

// TestNoEcho: a server that ignores a field of the request, and so returns no log-probs of
// the prompt, is refused before the first value, and without certification no pair has one.
func TestNoEcho(t *testing.T) {
	s := start(t)
	for _, ignored := range []string{"echo", "logprobs"} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var asked map[string]any
			if json.NewDecoder(r.Body).Decode(&asked) != nil {
				asked = map[string]any{} // a listing
			}
			delete(asked, ignored)
			if ignored == "echo" {
				delete(asked, "echo_last")
				tokens, _ := asked["max_tokens"].(float64)
				asked["max_tokens"] = max(1, tokens)
			}
			body, _ := json.Marshal(asked)
			req, _ := http.NewRequestWithContext(r.Context(), r.Method, s.FireworksURL()+r.URL.Path, bytes.NewReader(body))
			req.Header = r.Header
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer resp.Body.Close()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(resp.StatusCode)
			io.Copy(w, resp.Body)
		}))
		t.Cleanup(proxy.Close)
		rows, err := score(t, proxy.URL)
		if err == nil || len(rows) > 0 || !strings.Contains(err.Error(), "cannot be trusted") {
			t.Errorf("without %s: %+v, %v: want a refusal and no line", ignored, rows, err)
		}
		rows, err = score(t, proxy.URL, "-no-certify")
		if err != nil || len(rows) != 2 || rows[0].LogProb != nil || rows[1].LogProb != nil {
			t.Errorf("without %s, -no-certify: %+v, %v: want two lines without a value", ignored, rows, err)
		}
	}
}

// TestCertifiedOnce: an honest server is asked once, its values carry no flag, and
// one of exactly 0 does even so.
func TestCertifiedOnce(t *testing.T) {
	lie := false
	url, calls := altered(t, false, func(entries []map[string]any) {
		text := ""
		for i := len(entries) - 1; lie && len(text) < len("yes"); i-- {
			if text = entries[i]["token"].(string) + text; strings.HasSuffix("yes", text) {
				entries[i]["logprob"] = 0
			}
		}
	})
	rows, err := score(t, url)
	if err != nil || len(rows) != 2 || rows[0].LogProb == nil || len(rows[0].Flags)+len(rows[1].Flags) > 0 {
		t.Fatalf("%+v, %v", rows, err)
	}
	first := calls.Load()
	lie = true
	rows, err = score(t, url)
	if err != nil || len(rows) != 2 || rows[1].LogProb == nil || *rows[1].LogProb != 0 || len(rows[1].Flags) == 0 {
		t.Errorf("%+v, %v: want 0 with a flag", rows, err)
	}
	if second := calls.Load() - first; second != 5 || first < 20 {
		t.Errorf("%d calls, then %d: want the certification once, and the listing and two calls a pair", first, second)
	}
}

// TestNotAsked: a call that failed says nothing of the endpoint's log-probs.
func TestNotAsked(t *testing.T) {
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"error":{"message":"who is it?","code":"invalid_api_key"}}`)
	}))
	defer refuses.Close()
	rows, err := score(t, refuses.URL)
	var e *providers.Error
	if !errors.As(err, &e) || e.Class != providers.ClassAuth || len(rows) > 0 ||
		strings.Contains(err.Error(), "trusted") {
		t.Errorf("%+v, %v: want the provider's error", rows, err)
	}
}

func TestCertificatesOnFile(t *testing.T) {
	p := offpolicy.Policy{Model: "m", Template: "raw"}
	file := certificateFile("echo http://h/v1", p)
	now := time.Now()
	keep(file, teacherforce.Certificate{Endpoint: "echo http://h/v1", Model: "m", Template: "raw", OK: true, Issued: now})
	other := p
	other.System = "Be brief."
	for _, c := range []struct {
		file, endpoint string
		at             time.Time
		want           bool
		reason         string
	}{
		{file, "echo http://h/v1", now.Add(time.Hour), true, "as it was kept"},
		{file, "echo http://h/v1", now.Add(certificateLife), false, "a day old"},
		{file, "echo http://h/v1", now.Add(-time.Hour), false, "of the future"},
		{file, "vllm http://h/v1", now, false, "of another make"},
		{certificateFile("echo http://h/v1", other), "echo http://h/v1", now, false, "of another system prompt"},
		{"", "echo http://h/v1", now, false, "no cache folder"},
	} {
		if got := certified(c.file, c.endpoint, p, c.at); got != c.want {
			t.Errorf("%s: %v", c.reason, got)
		}
	}
}
