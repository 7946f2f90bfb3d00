package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reply is an HTTP answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // transport error, or one from reading the body
}

// post sends body with the id and a valid key. A body that is a string goes as
// it stands.
func post(c *http.Client, url, id string, body any) reply {
	b, isText := body.(string)
	if !isText {
		j, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		b = string(j)
	}
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(b))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	if id != "" {
		req.Header.Set("X-Request-Id", id)
	}
	return send(c, req)
}

func send(c *http.Client, req *http.Request) reply {
	resp, err := c.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b, err}
}

// must decodes a 200.
func must[T any](t *testing.T, r reply) T {
	t.Helper()
	var v T
	if r.err != nil || r.status != http.StatusOK {
		t.Fatalf("status %d, error %v: %s", r.status, r.err, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
	return v
}

// completion is what the tests read of an answer of either endpoint.
type completion struct {
	Model   string `json:"model"`
	Choices []struct {
		Index   int    `json:"index"`
		Text    string `json:"text"`
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
		Finish         string `json:"finish_reason"`
		PromptTokenIDs []int  `json:"prompt_token_ids"`
		TokenIDs       []int  `json:"token_ids"`
		Logprobs       *struct {
			Content       []content            `json:"content"`
			Tokens        []string             `json:"tokens"`
			TokenLogprobs []*float64           `json:"token_logprobs"`
			TopLogprobs   []map[string]float64 `json:"top_logprobs"`
			TextOffset    []int                `json:"text_offset"`
			TokenIDs      []int                `json:"token_ids"`
		} `json:"logprobs"`
	} `json:"choices"`
	PromptTokenIDs []int `json:"prompt_token_ids"`
	Usage          struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
		Details    struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	} `json:"usage"`
}

type content struct {
	Token    string   `json:"token"`
	Bytes    []int    `json:"bytes"` // encoding/json reads []byte as base64
	Logprob  *float64 `json:"logprob"`
	Sampling *float64 `json:"sampling_logprob"`
	Offset   int      `json:"text_offset"`
	ID       int      `json:"token_id"`
	Top      []struct {
		Token   string  `json:"token"`
		Logprob float64 `json:"logprob"`
		ID      int     `json:"token_id"`
		Bytes   []int   `json:"bytes"`
	} `json:"top_logprobs"`
}

// dict saves typing in request bodies.
type dict = map[string]any

// newServer returns a server in memory that ends with the test.
func newServer(t testing.TB, c Config) (*Server, *http.Client) {
	t.Helper()
	s := New(c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, s.Client()
}

const (
	testContext = "<|begin_of_text|><|header_start|>user<|header_end|>\n\nWhy is the sky " +
		"blue?<|eot|><|header_start|>assistant<|header_end|>\n\n"
	testResponse = "Because short waves scatter more. Ünïcödé 天空 🙂.\n"
)

func TestLoopback(t *testing.T) {
	s := New(Config{})
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Start("127.0.0.1:0"); err == nil {
		t.Error("a second Start succeeded")
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	body := dict{"model": ScoutModel, "prompt": testContext, "max_tokens": 8, "seed": 1, "temperature": 1, "top_p": 1}
	over := post(client, s.FireworksURL()+"/completions", "p0-0000000000000001", body)
	must[completion](t, over)
	inside := post(s.Client(), s.FireworksURL()+"/completions", "p0-0000000000000001", body)
	got, want := must[completion](t, over), must[completion](t, inside)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("memory and loopback differ (-memory +loopback):\n%s", diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := post(client, s.FireworksURL()+"/completions", "", body); r.err == nil {
		t.Error("the server answers after Close")
	}
	if r := post(s.Client(), s.FireworksURL()+"/completions", "", body); r.err == nil {
		t.Error("the server answers in memory after Close")
	}
	if err := s.Start("127.0.0.1:0"); err == nil {
		t.Error("Start after Close succeeded")
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	must := func(r reply) {
		if r.status != 200 {
			t.Errorf("status %d: %v %s", r.status, r.err, r.body)
		}
	}
	body := dict{"model": ScoutModel, "prompt": "a", "max_tokens": 1}
	before := runtime.NumGoroutine()
	s := New(Config{})
	client := s.Client()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { must(post(client, s.FireworksURL()+"/completions", "", body)) })
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// The client's goroutines see the closed pipe a moment later.
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
}

func TestRepliesDoNotDependOnConcurrency(t *testing.T) {
	requests := func() []func(*Server, *http.Client) reply {
		var list []func(*Server, *http.Client) reply
		for i := range 24 {
			id := fmt.Sprintf("p0-%016x", i)
			list = append(list, func(s *Server, c *http.Client) reply {
				body := dict{"model": ScoutModel, "prompt": testContext, "max_tokens": 12, "temperature": 1, "top_p": 1,
					"logprobs": true}
				if i%3 == 0 {
					body["seed"] = i
				}
				return post(c, s.FireworksURL()+"/completions", id, body)
			}, func(s *Server, c *http.Client) reply {
				return post(c, s.OpenAIURL()+"/chat/completions", id+"-judge", gradeBody(JudgeModel, 1, "Why?",
					fmt.Sprint("Because ", i), scoreSchema))
			})
		}
		return list
	}
	faults := Faults{TooManyRequests: 0.2, Cut: 0.2, Null: 0.2, BadJSON: 0.2}
	s, client := newServer(t, Config{Faults: faults, Seed: 5})
	var want [][]byte
	for _, f := range requests() {
		want = append(want, f(s, client).body)
	}
	s, client = newServer(t, Config{Faults: faults, Seed: 5})
	list := requests()
	got := make([][]byte, len(list))
	var wg sync.WaitGroup
	for i := len(list) - 1; i >= 0; i-- {
		wg.Go(func() { got[i] = list[i](s, client).body })
	}
	wg.Wait()
	for i := range got {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("request %d: concurrent\n%s\nalone\n%s", i, got[i], want[i])
		}
	}
}

func TestSeeds(t *testing.T) {
	s, client := newServer(t, Config{})
	draw := func(id string, seed any, extra dict) string {
		body := dict{"model": ScoutModel, "prompt": testContext, "max_tokens": 24, "temperature": 1, "top_p": 1}
		if seed != nil {
			body["seed"] = seed
		}
		for k, v := range extra {
			body[k] = v
		}
		return must[completion](t, post(client, s.FireworksURL()+"/completions", id, body)).Choices[0].Text
	}
	rows := []struct {
		reason string
		a, b   string
		same   bool
	}{
		{"the seed decides, whatever the id", draw("a-0000000000000001", 7, nil), draw("b-0000000000000002", 7, nil), true},
		{"another seed, another draw", draw("a", 7, nil), draw("a", 8, nil), false},
		{"seed 0 is a seed", draw("a", 0, nil), draw("b", 0, nil), true},
		{"without a seed the id decides", draw("a", nil, nil), draw("a", nil, nil), true},
		{"another id, another draw", draw("a", nil, nil), draw("b", nil, nil), false},
		{"without either every request is its own", draw("", nil, nil), draw("", nil, nil), false},
		{"another model, another draw", draw("a", 7, nil), draw("a", 7, dict{"model": MaverickModel}), false},
		{"asking for log-probs does not change the draw", draw("a", 7, nil), draw("a", 7, dict{"logprobs": 2}), true},
	}
	for _, r := range rows {
		if (r.a == r.b) != r.same {
			t.Errorf("%s: %q and %q", r.reason, r.a, r.b)
		}
	}
}

func TestHeaders(t *testing.T) {
	s, client := newServer(t, Config{Faults: Faults{TooManyRequests: 0.5}})
	paths := map[string][]string{
		s.FireworksURL() + "/completions": {
			"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
			"X-Ratelimit-Limit-Tokens-Prompt", "X-Ratelimit-Remaining-Tokens-Prompt",
			"X-Ratelimit-Limit-Tokens-Generated", "X-Ratelimit-Remaining-Tokens-Generated"},
		s.OpenAIURL() + "/chat/completions": {
			"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests",
			"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
	}
	seen := make(map[string]bool)
	for url, names := range paths {
		for _, body := range []any{"{", dict{"model": "nobody"}, dict{"model": ScoutModel, "prompt": "a", "max_tokens": 1}} {
			for range 4 { // the same call again and again
				r := post(client, url, "x-0000000000000001", body)
				for _, name := range names {
					if r.header.Get(name) == "" {
						t.Errorf("%s: status %d without %s", url, r.status, name)
					}
				}
				id := r.header.Get("X-Request-Id")
				if id == "" || seen[id] {
					t.Errorf("%s: x-request-id %q is empty or was given before", url, id)
				}
				seen[id] = true
				if r.status == 429 && r.header.Get("Retry-After-Ms") != "20" {
					t.Errorf("%s: 429 without retry-after-ms", url)
				}
			}
		}
	}
}

func TestNewPanicsOnBadConfig(t *testing.T) {
	for reason, c := range map[string]Config{
		"a rate above 1":    {Faults: Faults{Zero: 1.5}},
		"a negative factor": {Faults: Faults{Expensive: -1}},
		"a negative wait":   {Faults: Faults{SlowFor: -1}},
		"an unknown world":  {World: 7},
	} {
		func() {
			defer func() {
				if msg, _ := recover().(string); !strings.HasPrefix(msg, "sim: ") {
					t.Errorf("%s: New panicked with %q", reason, msg)
				}
			}()
			New(c)
		}()
	}
}
