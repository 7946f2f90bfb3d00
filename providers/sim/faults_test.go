package sim

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFaults(t *testing.T) {
	rows := []struct {
		reason string
		spec   string
		want   Faults
		err    string // in the message; "" where the spec is good
	}{
		{"nothing", "", Faults{}, ""},
		{"the design's example", "429=0.2,500=0.1,slow=0.1:50ms", Faults{TooManyRequests: 0.2, ServerError: 0.1, Slow: 0.1,
			SlowFor: 50 * time.Millisecond}, ""},
		{"blanks after commas", "zero=0.02, positive=1", Faults{Zero: 0.02, Positive: 1}, ""},
		{"the rest", "503=1,reset=0.5,truncate=0.5,null=0.1,badjson=0.1,empty=0.1,cut=0.1",
			Faults{Unavailable: 1, Reset: 0.5, Truncate: 0.5, Null: 0.1, BadJSON: 0.1, Empty: 0.1, Cut: 0.1}, ""},
		{"the whole server", "noecho=1,drift=1,expensive=1.3,wrongtemplate=1,order=1",
			Faults{NoEcho: true, Drift: 1, Expensive: 1.3, WrongTemplate: true, Order: true}, ""},
		{"off is off", "noecho=0,zero=0", Faults{}, ""},
		{"an unknown name lists the known", "404=0.1", Faults{}, "429=rate, 500=rate"},
		{"an empty item", "429=0.1,", Faults{}, "unknown"},
		{"a rate above 1", "429=20", Faults{}, "[0, 1]"},
		{"a negative rate", "zero=-0.1", Faults{}, "[0, 1]"},
		{"not a number is no rate", "zero=NaN", Faults{}, "[0, 1]"},
		{"no rate", "zero", Faults{}, "zero=rate"},
		{"slow without a duration", "slow=0.1", Faults{}, "slow=rate:duration"},
		{"slow with a bare number", "slow=0.1:50", Faults{}, "duration"},
		{"a negative duration", "slow=0.1:-1s", Faults{}, "duration"},
		{"a flag is 0 or 1", "noecho=0.5", Faults{}, "noecho=1"},
		{"a factor of 0 would make everything free", "expensive=0", Faults{}, "factor"},
		{"twice", "zero=0.1,zero=0.2", Faults{}, "twice"},
	}
	for _, r := range rows {
		got, err := ParseFaults(r.spec)
		if r.err == "" && err != nil || r.err != "" && (err == nil || !strings.Contains(err.Error(), r.err)) {
			t.Errorf("%s: error %v, want %q", r.reason, err, r.err)
		}
		if diff := cmp.Diff(r.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", r.reason, diff)
		}
	}
}

// Whatever parses is valid, and its String parses to the same value.
func FuzzParseFaults(f *testing.F) {
	f.Add("429=0.2,500=0.1,slow=0.1:50ms")
	f.Add("noecho=1,expensive=1e-3")
	f.Fuzz(func(t *testing.T, spec string) {
		a, err := ParseFaults(spec)
		if err != nil {
			return
		}
		if err := a.validate(); err != nil {
			t.Errorf("%q parses to %+v: %v", spec, a, err)
		}
		b, err := ParseFaults(a.String())
		if err != nil || a != b {
			t.Errorf("%q parses to %+v, its String %q to %+v, %v", spec, a, a.String(), b, err)
		}
	})
}

func TestParseCallID(t *testing.T) {
	rows := []struct{ reason, id, row, stage string }{
		{"a record's only call", "p0-0123456789abcdef", "p0-0123456789abcdef", "p0"},
		{"one of several calls", "logprobs-0123456789abcdef-joint", "logprobs-0123456789abcdef", "logprobs"},
		{"a call of several words", "judge-0123456789abcdef-draw-3", "judge-0123456789abcdef", "judge"},
		{"a stage of several words", "pre-flight-0123456789abcdef-x", "pre-flight-0123456789abcdef", "pre-flight"},
		{"the call holds digits too", "a-0123456789abcdef-fedcba9876543210", "a-0123456789abcdef", "a"},
		{"too few digits", "p0-0123456789abcde", "p0-0123456789abcde", ""},
		{"too many digits", "p0-0123456789abcdef0", "p0-0123456789abcdef0", ""},
		{"capitals are not the form", "p0-0123456789ABCDEF", "p0-0123456789ABCDEF", ""},
		{"nothing", "", "", ""},
	}
	for _, r := range rows {
		if got := parseCallID(r.id); got.full != r.id || got.row != r.row || got.stage != r.stage {
			t.Errorf("%s: %q splits into %+v", r.reason, r.id, got)
		}
	}
}

// shares measures how often a property holds over 400 records.
func share(t *testing.T, holds func(id string) bool) float64 {
	t.Helper()
	const n = 400
	count := 0
	for i := range n {
		if holds(fmt.Sprintf("p0-%016x", i)) {
			count++
		}
	}
	return float64(count) / n
}

// 400 hits of rate 0.2 have a standard deviation of 0.02.
const shareSlack = 4 * 0.02

func TestTransportFaults(t *testing.T) {
	for spec, status := range map[string]int{"429=0.2": 429, "500=0.2": 500, "503=0.2": 503, "reset=0.2": 0,
		"truncate=0.2": 0} {
		t.Run(spec, func(t *testing.T) {
			f, err := ParseFaults(spec)
			if err != nil {
				t.Fatal(err)
			}
			s, c := newServer(t, Config{Faults: f})
			body := dict{"model": ScoutModel, "prompt": "a", "max_tokens": 1}
			failed, recovered := 0, 0
			got := share(t, func(id string) bool {
				r := post(c, s.FireworksURL()+"/completions", id, body)
				if r.err == nil && r.status == 200 {
					return false
				}
				if r.status != 200 && r.status != status {
					t.Errorf("status %d, want %d", r.status, status)
				}
				failed++
				if again := post(c, s.FireworksURL()+"/completions", id, body); again.err == nil && again.status == 200 {
					recovered++
				}
				return true
			})
			if math.Abs(got-0.2) > shareSlack {
				t.Errorf("share %v, want 0.2", got)
			}
			if recovered == 0 || recovered == failed {
				t.Errorf("%d of %d recovered at the second attempt: attempts must be drawn anew", recovered, failed)
			}
			// Refused before the work: not billed. Lost after it: billed.
			want := 400 - failed + recovered
			if status == 0 {
				want = 400 + failed
			}
			if calls := s.Bill().Total.Calls; calls != want {
				t.Errorf("%d calls billed, want %d", calls, want)
			}
		})
	}
}

func TestTruncateIsSeen(t *testing.T) {
	s := New(Config{Faults: Faults{Truncate: 1}})
	defer s.Close()
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	tcp := &http.Client{Transport: &http.Transport{}}
	defer tcp.CloseIdleConnections()
	for name, c := range map[string]*http.Client{"loopback": tcp, "memory": s.Client()} {
		r := post(c, s.FireworksURL()+"/completions", "", dict{"model": ScoutModel, "prompt": testContext, "max_tokens": 0,
			"echo": true, "logprobs": true})
		if r.err == nil || r.status != 200 || len(r.body) == 0 {
			t.Errorf("%s: status %d, %d bytes, error %v: want a 200 that breaks off", name, r.status, len(r.body), r.err)
		}
	}
}

func TestResetIsSeen(t *testing.T) {
	s := New(Config{Faults: Faults{Reset: 1}})
	defer s.Close()
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	tcp := &http.Client{Transport: &http.Transport{}}
	defer tcp.CloseIdleConnections()
	for name, c := range map[string]*http.Client{"loopback": tcp, "memory": s.Client()} {
		if r := post(c, s.FireworksURL()+"/completions", "", dict{"model": ScoutModel, "prompt": "a",
			"max_tokens": 1}); r.err == nil || r.status != 0 {
			t.Errorf("%s: status %d, error %v: want a broken connection", name, r.status, r.err)
		}
	}
}

func TestEchoFaults(t *testing.T) {
	clean, _ := newServer(t, Config{})
	values := func(s *Server, id string) []*float64 {
		var out []*float64
		for _, e := range echo(t, s, id, dict{"prompt": testContext}).Choices[0].Logprobs.Content {
			out = append(out, e.Logprob)
		}
		return out
	}
	want := values(clean, "")
	rows := []struct {
		spec  string
		wrong func(got []*float64) bool
	}{
		{"zero=0.2", func(got []*float64) bool {
			for _, v := range got {
				if v == nil || *v != 0 {
					return false
				}
			}
			return true
		}},
		{"positive=0.2", func(got []*float64) bool {
			for i, v := range got {
				if v == nil || *v != -*want[i] {
					return false
				}
			}
			return true
		}},
		{"null=0.2", func(got []*float64) bool {
			nulls := 0
			for i, v := range got {
				if v == nil {
					nulls++
				} else if *v != *want[i] {
					t.Errorf("token %d is %v, want %v or null", i, *v, *want[i])
				}
			}
			return nulls > 0
		}},
	}
	for _, r := range rows {
		f, err := ParseFaults(r.spec)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := newServer(t, Config{Faults: f})
		got := share(t, func(id string) bool {
			wrong := r.wrong(values(s, id+"-joint"))
			if r.wrong(values(s, id+"-context")) != wrong {
				t.Errorf("%s: two calls of record %s do not share the fault", r.spec, id)
			}
			return wrong
		})
		if math.Abs(got-0.2) > shareSlack {
			t.Errorf("%s: share %v", r.spec, got)
		}
		for i := range 50 {
			if id := fmt.Sprintf("certify-%016x-a", i); r.wrong(values(s, id)) {
				t.Errorf("%s: probe %s is not spared", r.spec, id)
			}
		}
		all, err := ParseFaults(strings.Split(r.spec, "=")[0] + "=1")
		if err != nil {
			t.Fatal(err)
		}
		s, _ = newServer(t, Config{Faults: all})
		if !r.wrong(values(s, "certify-0000000000000000")) {
			t.Errorf("%s: at rate 1 a probe is spared", r.spec)
		}
	}
}

func TestNullIsAboutAThird(t *testing.T) {
	s, _ := newServer(t, Config{Faults: Faults{Null: 1}})
	nulls, n := 0, 0
	for i := range 40 {
		for _, e := range echo(t, s, fmt.Sprintf("p0-%016x", i), dict{"prompt": testContext}).Choices[0].Logprobs.Content {
			n++
			if e.Logprob == nil {
				nulls++
			}
		}
	}
	if got := float64(nulls) / float64(n); math.Abs(got-1.0/3) > 4*math.Sqrt(2.0/9/float64(n)) {
		t.Errorf("%d of %d are null", nulls, n)
	}
}

func TestNoEcho(t *testing.T) {
	s, _ := newServer(t, Config{Faults: Faults{NoEcho: true}})
	if ch := echo(t, s, "", dict{"prompt": "a b c"}).Choices[0]; ch.Logprobs != nil {
		t.Errorf("prompt log-probs %+v", ch.Logprobs)
	}
	ch := echo(t, s, "", dict{"prompt": "a b c", "max_tokens": 3, "seed": 1, "return_token_ids": true}).Choices[0]
	if got := len(ch.Logprobs.Content); got > 3 || got < len(ch.TokenIDs) {
		t.Errorf("%d entries for %d generated tokens", got, len(ch.TokenIDs))
	}
}

func TestGenerationFaults(t *testing.T) {
	clean, _ := newServer(t, Config{})
	ask := func(s *Server, id string) completion {
		return echo(t, s, id, dict{"prompt": testContext, "echo": false, "max_tokens": 60, "temperature": 1, "top_p": 1,
			"return_token_ids": true})
	}
	s, _ := newServer(t, Config{Faults: Faults{Empty: 0.2}})
	got := share(t, func(id string) bool {
		c := ask(s, id)
		ch := c.Choices[0]
		if ch.Text != "" || len(ask(clean, id).Choices[0].TokenIDs) == 0 {
			return false
		}
		lp := ch.Logprobs.Content
		if ch.Finish != "stop" || len(ch.TokenIDs) != 0 || c.Usage.Completion != 1 || len(lp) != 1 ||
			math.Abs(*lp[0].Logprob-ExactText(ScoutModel, testContext, "", true)) > 1e-9 {
			t.Errorf("an empty response is %+v", ch)
		}
		return true
	})
	if math.Abs(got-0.2) > shareSlack {
		t.Errorf("empty: share %v", got)
	}
	s, _ = newServer(t, Config{Faults: Faults{Cut: 0.2}})
	got = share(t, func(id string) bool {
		c, whole := ask(s, id), ask(clean, id)
		a, b := c.Choices[0], whole.Choices[0]
		if slices.Equal(a.TokenIDs, b.TokenIDs) {
			return false
		}
		n := max(1, len(b.TokenIDs)/3)
		if a.Finish != "length" || !slices.Equal(a.TokenIDs, b.TokenIDs[:n]) || c.Usage.Completion != n ||
			len(a.Logprobs.Content) != n || !strings.HasPrefix(b.Text, strings.TrimRight(a.Text, "\uFFFD")) {
			t.Errorf("cut from %d tokens to %+v", len(b.TokenIDs), a)
		}
		return true
	})
	// A response of no token cannot be cut, one cut to length may have ended there anyway.
	if got < 0.2-shareSlack-0.05 || got > 0.2+shareSlack {
		t.Errorf("cut: share %v", got)
	}
}

func TestBadJSON(t *testing.T) {
	for _, model := range []string{JudgeModel, OracleModel} {
		s, c := newServer(t, Config{Faults: Faults{BadJSON: 0.2}})
		forms := make(map[string]bool)
		got := share(t, func(id string) bool {
			ch := must[completion](t, post(c, s.OpenAIURL()+"/chat/completions", id, gradeBody(model, 0, goodPrompt,
				goodResponse, scoreSchema))).Choices[0]
			var g struct{ Score *float64 }
			if json.Unmarshal([]byte(ch.Message.Content), &g) == nil && g.Score != nil && *g.Score >= 0 && *g.Score <= 100 {
				return false
			}
			forms[ch.Message.Content[:2]] = true
			return true
		})
		if math.Abs(got-0.2) > shareSlack || len(forms) < 2 {
			t.Errorf("%s: share %v, beginnings %v", model, got, forms)
		}
	}
}

func TestWholeServerFaults(t *testing.T) {
	s, _ := newServer(t, Config{Faults: Faults{Drift: 1}})
	got := echo(t, s, "", dict{"prompt": testContext})
	want := mustModel(MaverickModel).LogProbs(tokenizer().Encode(testContext))
	if got.Model != MaverickModel || *got.Choices[0].Logprobs.Content[5].Logprob != want[5] {
		t.Errorf("drift: %s answers with %v, want %s with %v", got.Model, *got.Choices[0].Logprobs.Content[5].Logprob,
			MaverickModel, want[5])
	}
	if b := s.Bill(); b.Models[MaverickModel].Calls != 1 || b.Models[ScoutModel].Calls != 0 {
		t.Errorf("drift: bill %+v, want the model that answered", b)
	}

	s, _ = newServer(t, Config{Faults: Faults{Expensive: 1.3}})
	n := len(tokenizer().Encode(testContext))
	if got, want := echo(t, s, "", dict{"prompt": testContext}).Usage.Prompt,
		int(math.Round(1.3*float64(n))); got != want {
		t.Errorf("expensive: %d tokens counted for %d, want %d", got, n, want)
	}

	s, c := newServer(t, Config{Faults: Faults{WrongTemplate: true}})
	chat := must[completion](t, post(c, s.FireworksURL()+"/chat/completions", "",
		dict{"model": ScoutModel, "max_tokens": 1, "return_token_ids": true,
			"messages": []dict{{"role": "user", "content": "Hi"}}}))
	ids := tokenizer().Encode("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
	if !slices.Equal(chat.PromptTokenIDs, ids) {
		t.Errorf("wrongtemplate: prompt ids %v, want ChatML's %v", chat.PromptTokenIDs, ids)
	}

	s, _ = newServer(t, Config{Faults: Faults{Order: true}})
	a, b := echo(t, s, "x", dict{"prompt": testContext}), echo(t, s, "x", dict{"prompt": testContext})
	var worst float64
	for i, e := range a.Choices[0].Logprobs.Content {
		worst = max(worst, math.Abs(*e.Logprob-*b.Choices[0].Logprobs.Content[i].Logprob))
		if *e.Logprob > 0 {
			t.Errorf("order: positive log-prob %v", *e.Logprob)
		}
	}
	if worst == 0 || worst > 2e-3 {
		t.Errorf("order: two equal requests differ by %v, want about 1e-3", worst)
	}
}
