package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestAuthorisation(t *testing.T) {
	const key = "sk-0123456789abcdefghijklmnop"
	for _, r := range []struct {
		reason string
		keys   []string
		header string
		status int
	}{
		{"no header", nil, "", 401},
		{"an empty key", nil, "Bearer ", 401},
		{"another scheme", nil, "Basic " + key, 401},
		{"any key where none is configured", nil, "Bearer x", 200},
		{"a configured key", []string{"a", key}, "Bearer " + key, 200},
		{"a key that is not configured", []string{"a"}, "Bearer " + key, 401},
		{"a part of a configured key", []string{key}, "Bearer " + key[:10], 401},
	} {
		s, c := newServer(t, Config{Keys: r.keys})
		for _, base := range []string{s.FireworksURL(), s.OpenAIURL()} {
			req, err := http.NewRequest(http.MethodGet, base+"/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.header != "" {
				req.Header.Set("Authorization", r.header)
			}
			got := send(c, req)
			if got.status != r.status || !json.Valid(got.body) {
				t.Errorf("%s: status %d, want %d: %s", r.reason, got.status, r.status, got.body)
			}
			if r.status == 401 && strings.Contains(string(got.body), key) {
				t.Errorf("%s: the refusal repeats the key", r.reason)
			}
		}
	}
}

// A client meets every form that its provider is known to use.
func TestErrorForms(t *testing.T) {
	s, c := newServer(t, Config{Faults: Faults{TooManyRequests: 1}})
	kinds := func(url string) map[string]int {
		seen := make(map[string]int)
		for i := range 60 {
			r := post(c, url, fmt.Sprintf("p0-%016x", i), dict{})
			var e map[string]any
			if err := json.Unmarshal(r.body, &e); err != nil || r.status != 429 {
				t.Fatalf("%v: status %d: %s", err, r.status, r.body)
			}
			switch v := e["error"].(type) {
			case string:
				seen["string"]++
			case map[string]any:
				seen[fmt.Sprint("object ", v["type"], " ", v["code"])]++
			case nil:
				seen["flat "+fmt.Sprint(e["object"])]++
			}
		}
		return seen
	}
	fw := kinds(s.FireworksURL() + "/completions")
	for _, form := range []string{"string", "object error RATE_LIMIT_EXCEEDED", "flat error"} {
		if fw[form] == 0 {
			t.Errorf("Fireworks: no 429 of the form %q in %v", form, fw)
		}
	}
	oa := kinds(s.OpenAIURL() + "/chat/completions")
	for _, form := range []string{"object requests rate_limit_exceeded", "object rate_limit_error slow_down"} {
		if oa[form] == 0 {
			t.Errorf("OpenAI: no 429 of the form %q in %v", form, oa)
		}
	}
	clean, c := newServer(t, Config{})
	var notFound struct {
		Error struct {
			Message, Code, Type string
		} `json:"error"`
		RequestID string `json:"request_id"`
	}
	r := post(c, clean.FireworksURL()+"/completions", "", dict{"model": "nobody", "prompt": "a"})
	if err := json.Unmarshal(r.body, &notFound); err != nil || r.status != 404 || notFound.Error.Code != "NOT_FOUND" ||
		notFound.RequestID == "" {
		t.Errorf("unknown model: status %d: %s", r.status, r.body)
	}
	var invalid struct {
		Detail []struct{ Loc []string }
	}
	r = post(c, clean.FireworksURL()+"/completions", "", dict{"model": ScoutModel, "prompt": "a", "max_tokens": "many"})
	if err := json.Unmarshal(r.body, &invalid); err != nil || r.status != 422 || len(invalid.Detail) != 1 ||
		invalid.Detail[0].Loc[1] != "max_tokens" {
		t.Errorf("a field of the wrong type: status %d: %s", r.status, r.body)
	}
	req, err := http.NewRequest(http.MethodGet, clean.FireworksURL()+"/completions", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	if r := send(c, req); r.status != http.StatusMethodNotAllowed {
		t.Errorf("GET on a paid path: status %d", r.status)
	}
}

// TestNoBalance: paid calls are refused as quota, listings are not, and nothing
// is billed.
func TestNoBalance(t *testing.T) {
	s := New(Config{NoBalance: true})
	defer s.Close()
	for url, want := range map[string]int{
		s.FireworksURL() + "/completions":      http.StatusPaymentRequired,
		s.FireworksURL() + "/chat/completions": http.StatusPaymentRequired,
		s.OpenAIURL() + "/chat/completions":    http.StatusTooManyRequests,
	} {
		r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"model":"`+ScoutModel+`","prompt":"a"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer k")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", url, resp.StatusCode, want)
		}
	}
	if b := s.Bill().Total; b.Calls != 0 {
		t.Errorf("%d calls were billed", b.Calls)
	}
}
