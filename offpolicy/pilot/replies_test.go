package pilot_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
)

type object = map[string]any

// refusal is an answer in place of work.
type refusal struct {
	status int
	body   string
}

// altering stands between a run and the simulator and alters a share of the
// replies, as services are known to write theirs: the same ones every time.
type altering struct {
	next http.RoundTripper
	rate float64
	refusal
	alter func(reply object) // of a chat or completion that succeeded

	mu   sync.Mutex
	seen map[string]int
}

func (a *altering) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.Header.Get("X-Request-Id")
	// Below 1, certification is spared: what it meets stops a run.
	if !strings.HasSuffix(r.URL.Path, "/completions") || a.rate < 1 && strings.HasPrefix(id, "certify-") {
		return a.next.RoundTrip(r)
	}
	a.mu.Lock()
	a.seen[id]++
	h := sha256.Sum256(fmt.Append(nil, id, a.seen[id]))
	a.mu.Unlock()
	if float64(binary.BigEndian.Uint64(h[:])>>11)/(1<<53) >= a.rate {
		return a.next.RoundTrip(r)
	}
	if a.refusal.body != "" { // nothing was worked on, and nothing is billed
		return &http.Response{StatusCode: a.refusal.status, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(a.refusal.body)), Request: r}, nil
	}
	resp, err := a.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	var reply object
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&reply); err != nil {
		return nil, err
	}
	a.alter(reply)
	if body, err = json.Marshal(reply); err != nil {
		return nil, err
	}
	if raw, ok := reply["raw"].(string); ok {
		body = []byte(raw)
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func choiceOf(reply object) object { return reply["choices"].([]any)[0].(object) }
func usageOf(reply object) object  { return reply["usage"].(object) }
func count(v any) int              { n, _ := v.(json.Number).Int64(); return int(n) }

// generated reports that the reply is a response, and no echo.
func generated(reply object) bool { return count(usageOf(reply)["completion_tokens"]) > 0 }

// halve cuts the text of a response in two.
func halve(c object) {
	if m, ok := c["message"].(object); ok {
		s := m["content"].(string)
		m["content"] = s[:len(s)/2]
	} else if s, ok := c["text"].(string); ok {
		c["text"] = s[:len(s)/2]
	}
	c["logprobs"] = nil
}

// altered is a way in which services write their replies, and what a run makes of
// it where 3% and where all replies are written so.
type altered struct {
	name     string
	refuse   refusal
	alter    func(reply object)
	few, all outcome // no decision: nothing else than where all are
	same     bool    // the ledger equals the bill: the usage can still be read
}

// outcome is a verdict and what one of its checks says.
type outcome struct {
	decision record.Decision
	words    string
}

var alteredReplies = []altered{
	{"usage beside", refusal{}, func(r object) {
		u := usageOf(r)
		u["total_tokens"] = count(u["prompt_tokens"]) + count(u["completion_tokens"]) + 50
		u["completion_tokens_details"] = object{"reasoning_tokens": 50}
	}, outcome{record.HOLD, "hidden_action"}, outcome{record.NoGo, "tokens are reasoning"}, false},
	{"usage of a thousand million", refusal{},
		func(r object) { usageOf(r)["completion_tokens"], usageOf(r)["total_tokens"] = 1_000_000_000, nil },
		outcome{record.GO, "not believed"}, outcome{record.HOLD, "not believed"}, false},
	{"loose counts", refusal{}, func(r object) {
		u := usageOf(r)
		u["prompt_tokens"] = json.RawMessage(fmt.Sprintf("%d.0", count(u["prompt_tokens"])))
		u["completion_tokens"] = fmt.Sprint(count(u["completion_tokens"]))
		u["completion_tokens_details"] = []any{}
	}, outcome{}, outcome{decision: record.GO}, true},
	{"another tier", refusal{}, func(r object) { r["service_tier"] = "priority" }, outcome{record.GO, "has no price"},
		outcome{record.GO, "has no price"}, true},
	{"a gateway's price", refusal{}, func(r object) {
		usageOf(r)["cost"] = 2e-6 * float64(count(usageOf(r)["prompt_tokens"])+count(usageOf(r)["completion_tokens"]))
	}, outcome{record.GO, "the dearer is charged"}, outcome{record.NoGo, "the dearer is charged"}, false},

	{"a limit that advertises", refusal{429,
		`{"error":{"message":"Limit of tokens per minute reached. Try again in 2ms. More with a paid plan: see the billing page.","type":"tokens","code":"rate_limit_exceeded"}}`},
		nil, outcome{decision: record.GO}, outcome{record.NoGo, "rate_limited"}, true},
	{"a moderated prompt", refusal{403,
		`{"error":{"code":403,"message":"The input was flagged.","metadata":{"reasons":["violence"],"flagged_input":"..."}}}`},
		nil, outcome{record.NoGo, "content_filtered"}, outcome{record.NoGo, "content_filtered"}, true},
	{"200 and 402", refusal{200, `{"error":{"message":"no credit left","code":402}}`}, nil, outcome{record.NoGo, "quota"},
		outcome{record.NoGo, "quota"}, true},
	{"200 and 401", refusal{200, `{"error":{"message":"who is it?","code":401}}`}, nil, outcome{record.NoGo, "auth"},
		outcome{record.NoGo, "auth"}, true},
	{"200 and 429", refusal{200, `{"error":{"message":"one at a time","code":429}}`}, nil,
		outcome{decision: record.GO}, outcome{record.NoGo, "rate_limited"}, true},

	{"an error beside half a text", refusal{}, func(r object) {
		halve(choiceOf(r))
		choiceOf(r)["finish_reason"] = nil
		r["error"] = object{"message": "the upstream stopped answering", "code": 504}
	}, outcome{decision: record.GO}, outcome{record.NoGo, "overloaded"}, true},
	{"an error in the choice", refusal{}, func(r object) {
		halve(choiceOf(r))
		choiceOf(r)["finish_reason"] = "error"
		choiceOf(r)["error"] = object{"message": "the upstream stopped answering", "code": 502}
	}, outcome{decision: record.GO}, outcome{record.NoGo, "overloaded"}, true},
	{"no finish reason", refusal{}, func(r object) {
		if generated(r) {
			choiceOf(r)["finish_reason"] = nil
		}
	}, outcome{decision: record.GO}, outcome{record.NoGo, "no finish reason"}, true},
	{"an unknown finish reason", refusal{}, func(r object) {
		if generated(r) {
			choiceOf(r)["finish_reason"] = "sunset"
		}
	}, outcome{record.NoGo, "hidden_action"}, outcome{record.NoGo, `not known, "sunset"`}, true},
	{"other words for the end", refusal{}, func(r object) {
		c := choiceOf(r)
		switch c["finish_reason"] {
		case "stop":
			c["finish_reason"] = "eos"
		case "length":
			c["finish_reason"] = "MAX_TOKENS"
		}
	}, outcome{}, outcome{decision: record.GO}, true},
	{"content in parts", refusal{}, func(r object) {
		if m, ok := choiceOf(r)["message"].(object); ok {
			s := m["content"].(string)
			m["content"] = []any{object{"type": "text", "text": s[:len(s)/3]}, object{"type": "text", "text": s[len(s)/3:]}}
		}
	}, outcome{}, outcome{decision: record.GO}, true},
	{"odd fields that are not needed", refusal{}, func(r object) {
		choiceOf(r)["stop_reason"] = []any{1}
		r["created"], r["system_fingerprint"] = "now", object{"a": nil}
		if l, ok := choiceOf(r)["logprobs"].(object); ok {
			entries, _ := l["content"].([]any)
			for _, e := range entries {
				e.(object)["top_logprobs"] = "none"
			}
		}
		b, _ := json.Marshal(r)
		r["raw"] = "\xef\xbb\xbf" + strings.Replace(string(b), `{`, `{"timings":{"a":1,"a":2},`, 1)
	}, outcome{}, outcome{decision: record.GO}, true},
	{"a name of 128 KiB", refusal{}, func(r object) { r["model"] = strings.Repeat("m", 1<<17) },
		outcome{record.NoGo, "came from another model: mmm"}, outcome{record.NoGo, "came from another model: mmm"}, true},
}

// Whole runs against a server that writes its replies in each of these ways: the
// verdict is right and names the cause, and the ledger is never below the bill.
func TestRunsOfAlteredReplies(t *testing.T) {
	if testing.Short() {
		t.Skip("it races nothing that other tests do not")
	}
	plain := whole(t, n)
	for _, a := range alteredReplies {
		for rate, want := range map[float64]outcome{0.03: a.few, 1: a.all} {
			if want.decision == "" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%v", a.name, rate), func(t *testing.T) {
				s, dir := serve(t, ""), t.TempDir()
				cfg := config(t, s, dir, n)
				http := providers.HTTPConfig{BaseURL: "http://sim.test/inference/v1", Key: providers.NewSecret("k"),
					HTTP: &http.Client{
						Transport: &altering{next: s.Client().Transport, rate: rate, refusal: a.refuse, alter: a.alter,
							seen: map[string]int{}},
					}}
				var err error
				if cfg.Policies, err = providers.NewFireworks(http); err != nil {
					t.Fatal(err)
				}
				http.BaseURL = "http://sim.test/v1"
				if cfg.Grader, err = providers.NewOpenAI(http); err != nil {
					t.Fatal(err)
				}
				v, err := pilot.Run(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				if v.Decision != want.decision || !says(v, want) {
					t.Errorf("%s, want %s and %q", describe(v), want.decision, want.words)
					for _, c := range v.Checks {
						if c.Status != record.Pass {
							t.Logf("%s %s: %.300s", c.ID, c.Status, c.Summary)
						}
					}
				}
				bill := s.Bill().Total.USD
				if v.Run.Spent < bill*(1-1e-9) || a.same && !near(v.Run.Spent, bill, 1e-9) {
					t.Errorf("the ledger says $%v, the bill $%v", v.Run.Spent, bill)
				}
				if v.Decision == record.GO && want.words != "not believed" { // then the usage is missing in the records
					sameRecords(t, dir, plain)
				}
				if size := folderSize(t, dir); size > 4<<20 {
					t.Errorf("the run's folder has %d bytes", size)
				}
			})
		}
	}
}

func says(v *pilot.Verdict, want outcome) bool {
	for _, c := range v.Checks {
		if strings.Contains(c.Summary, want.words) {
			return true
		}
	}
	return false
}

func folderSize(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}
