package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/batch"
	"github.com/reweigh/reweigh/providers/sim"
)

// batchRequests are n prompts to the simulator's oracle model, log-probs asked
// for with every second one.
func batchRequests(n int) []providers.GenerateRequest {
	reqs := make([]providers.GenerateRequest, n)
	for i := range reqs {
		reqs[i] = providers.GenerateRequest{
			Tag:      providers.Tag{Stage: "oracle", Key: dataset.Key{PromptID: fmt.Sprintf("q%d", i), Policy: "p0"}},
			Model:    sim.OracleModel,
			Messages: []dataset.Message{{Role: "user", Content: fmt.Sprintf("What is the square of %d?", i)}},
			Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 12}, LogProbs: i%2 == 0,
		}
	}
	return reqs
}

// batchEnv is a server and what outlives a process that uses it.
type batchEnv struct {
	server *sim.Server
	store  *batch.MemoryStore
	ledger *providers.MemoryLedger
	budget *providers.Budget
	config batch.Config
	http   http.RoundTripper // nil: straight to the server
}

func newBatchEnv(t testing.TB, c sim.Config) *batchEnv {
	t.Helper()
	s := sim.New(c)
	t.Cleanup(func() { s.Close() })
	store := &batch.MemoryStore{}
	return &batchEnv{server: s, store: store, ledger: &providers.MemoryLedger{},
		budget: providers.NewBudget(1e6), config: batch.Config{Store: store, Run: "test"}}
}

// client is a new client, as a new process has it.
func (e *batchEnv) client(t testing.TB, ledger providers.Ledger) *providers.Client {
	t.Helper()
	h := e.server.Client()
	if e.http != nil {
		h = &http.Client{Transport: e.http}
	}
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: e.server.OpenAIURL(), Key: providers.NewSecret(key),
		HTTP: h})
	if err != nil {
		t.Fatal(err)
	}
	c, err := providers.NewClient(p, providers.ClientConfig{Prices: simPrices(t), Ledger: ledger, Budget: e.budget})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (e *batchEnv) runner(t testing.TB, ledger providers.Ledger) batch.Runner {
	t.Helper()
	return batch.New(e.client(t, ledger))
}

// run is one Run that must end well.
func (e *batchEnv) run(t testing.TB, reqs []providers.GenerateRequest) map[providers.Tag]batch.Result {
	t.Helper()
	res, err := e.runner(t, e.ledger).Run(t.Context(), e.config, reqs)
	if err != nil {
		t.Fatal(err)
	}
	if len(res) != len(reqs) {
		t.Errorf("%d results for %d requests", len(res), len(reqs))
	}
	return res
}

// drain works off whatever batches the server has, so that one that was
// submitted and forgotten is on the bill.
func (e *batchEnv) drain(t testing.TB) {
	t.Helper()
	e.http = nil
	b := e.client(t, nil).Provider().(providers.Batcher)
	for more, after := true, ""; more; {
		var page []providers.BatchInfo
		persist(t, func() (err error) {
			page, more, err = b.ListBatches(context.Background(), providers.Tag{}, after)
			return err
		})
		for _, info := range page {
			for after = info.ID; !info.Finished(); {
				persist(t, func() (err error) {
					got, err := b.GetBatch(context.Background(), providers.Tag{}, info.ID)
					if err == nil {
						info = got
					}
					return err
				})
			}
		}
	}
}

func persist(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for range 50 {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// wantAnswered demands an answer to every request, each paid once, and ledger
// and budget at the server's own bill.
func (e *batchEnv) wantAnswered(t testing.TB, reqs []providers.GenerateRequest, res map[providers.Tag]batch.Result) {
	t.Helper()
	e.drain(t)
	bill := e.server.Bill()
	for _, r := range reqs {
		if got, ok := res[r.Tag]; !ok || got.Err != nil {
			t.Fatalf("%s: present %v, error %v", r.Tag.Key, ok, got.Err)
		}
		if n := bill.Replies[providers.RequestID(r.Tag)]; n != 1 {
			t.Errorf("%s was billed %d times", r.Tag.Key, n)
		}
	}
	e.wantBill(t, e.ledger.Entries())
	if got := float64(e.budget.Spent()); math.Abs(got-bill.Total.USD) > 1e-9 || e.budget.Reserved() != 0 {
		t.Errorf("budget: %v spent, %v reserved; the bill is %v", got, e.budget.Reserved(), bill.Total.USD)
	}
}

func (e *batchEnv) wantBill(t testing.TB, entries []providers.Entry) {
	t.Helper()
	var sum float64
	for _, en := range entries {
		sum += float64(en.Cost)
		if en.Endpoint == "batch" && (en.Outcome == providers.OutcomeInFlight || !en.UsageKnown) {
			t.Errorf("ledger: %+v", en)
		}
	}
	if bill := e.server.Bill().Total.USD; math.Abs(sum-bill) > 1e-12 {
		t.Errorf("ledger %v, bill %v", sum, bill)
	}
}

func TestBatchEqualsGenerate(t *testing.T) {
	reqs := batchRequests(40)
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Seed: 5})
		e.config.MaxLines = 16
		res := e.run(t, reqs)
		e.wantAnswered(t, reqs, res)

		single := sim.New(sim.Config{Seed: 5})
		defer single.Close()
		c := (&batchEnv{server: single}).client(t, nil)
		for _, r := range reqs {
			want, err := c.Generate(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			got := res[r.Tag].Generation
			if d := cmp.Diff(want, got, cmpopts.EquateNaNs(), cmpopts.IgnoreFields(providers.Meta{}, "Header", "Latency",
				"Waited")); d != "" {
				t.Fatalf("%s, alone (-) and in a batch (+):\n%s", r.Tag.Key, d)
			}
		}
		a, b := single.Bill().Total, e.server.Bill().Total
		if math.Abs(a.USD-2*b.USD) > 1e-12 || b.BatchCalls != len(reqs) || a.PromptTokens != b.PromptTokens {
			t.Errorf("bills: alone %+v, in batches %+v: want half", a, b)
		}
		states, _ := e.store.Load()
		if len(states) != 3 { // 16 + 16 + 8
			t.Errorf("%d batches, want 3", len(states))
		}
	})
}

func TestBatchLinesThatFail(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		config       sim.Config
		attempts     int
		lost         bool // some lines stay without an answer
	}{
		{"server errors", "a failed line is sent again, not the whole batch",
			sim.Config{Batch: sim.BatchConfig{FailRate: 0.3}}, 8, false},
		{"expiry", "finished lines of an expired batch are kept", sim.Config{Batch: sim.BatchConfig{ExpireAfter: 9}}, 4,
			false},
		{"expiry at the bound", "attempts end, and the rest has a typed error",
			sim.Config{Batch: sim.BatchConfig{ExpireAfter: 9}}, 2, true},
		{"no room", "the queue holds one batch at a time", sim.Config{Batch: sim.BatchConfig{QueueLines: 12}}, 1, false},
		{"faults", "every call may be refused or lost", sim.Config{Faults: sim.Faults{TooManyRequests: .1, ServerError: .1,
			Reset: .2, Truncate: .2}}, 3, false},
		{"faults", "a submission whose answer was lost is looked for", sim.Config{Seed: 1, Faults: sim.Faults{Reset: .5}}, 3,
			false},
		{"faults", "the same, with other draws", sim.Config{Seed: 2, Faults: sim.Faults{Truncate: .5}}, 3, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reqs := batchRequests(30)
				e := newBatchEnv(t, tt.config)
				e.config.Attempts = tt.attempts
				if tt.name != "expiry" && tt.name != "expiry at the bound" {
					e.config.MaxLines = 10
				}
				res := e.run(t, reqs)
				if !tt.lost {
					e.wantAnswered(t, reqs, res)
				}
				failed := 0
				for _, r := range reqs {
					if err := res[r.Tag].Err; err != nil {
						failed++
						x := wantError(t, err, providers.ClassTimeout)
						if x.Tag != r.Tag || x.Meta.Attempts != tt.attempts {
							t.Errorf("%s: %s: %+v", tt.reason, r.Tag.Key, x)
						}
					}
				}
				if tt.lost && failed != 12 { // 30 - 9 - 9
					t.Errorf("%s: %d lines failed, want 12", tt.reason, failed)
				}
				e.wantBill(t, e.ledger.Entries())
				// Once more: everything is read again, nothing is bought again.
				before := e.server.Bill().Total
				again := e.run(t, reqs)
				if d := cmp.Diff(res, again, cmpopts.EquateNaNs(),
					cmp.Comparer(func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) })); d != "" {
					t.Errorf("%s: read again:\n%s", tt.reason, d)
				}
				if after := e.server.Bill().Total; after != before {
					t.Errorf("%s: reading again was billed: %+v, %+v", tt.reason, before, after)
				}
			})
		})
	}
}

func TestBatchClasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{})
		reqs := batchRequests(5)
		reqs[1].Extra = map[string]any{"colour": "blue"} // refused by the line's endpoint
		reqs[2].Model = "unpriced"
		reqs[3].Sampling.TopK = 4 // not to be had here
		reqs[4].Messages = nil
		res := e.run(t, reqs)
		for i, want := range []providers.Class{"", providers.ClassBadRequest, providers.ClassBadRequest,
			providers.ClassBadRequest, providers.ClassBadRequest} {
			if want == "" {
				if err := res[reqs[i].Tag].Err; err != nil {
					t.Error(err)
				}
				continue
			}
			if x := wantError(t, res[reqs[i].Tag].Err, want); x.Tag != reqs[i].Tag {
				t.Errorf("tag %+v", x.Tag)
			}
		}
		if !errors.Is(res[reqs[2].Tag].Err, providers.ErrNoPrice) || !errors.Is(res[reqs[3].Tag].Err,
			errors.ErrUnsupported) {
			t.Errorf("causes: %v, %v", res[reqs[2].Tag].Err, res[reqs[3].Tag].Err)
		}
		if n := e.server.Bill().Total.Calls; n != 1 {
			t.Errorf("%d lines billed, want 1", n)
		}
		e.wantBill(t, e.ledger.Entries())
	})
}

// mortal counts the steps of a process and ends it at one of them: from there
// on nothing it does has any effect. Every other step is cut after its effect.
type mortal struct {
	mu    sync.Mutex
	steps int
	at    int
	dead  bool
	end   context.CancelFunc
	trace string
}

var errKilled = errors.New("killed")

func (m *mortal) step(what string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.steps++; m.steps == m.at && !m.dead {
		m.dead, m.trace = true, what
		m.end()
	}
	if m.dead {
		return errKilled
	}
	return nil
}

func (m *mortal) around(what string, f func() error) error {
	if err := m.step("before " + what); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return m.step("after " + what)
}

type mortalHTTP struct {
	*mortal
	next http.RoundTripper
}

func (m mortalHTTP) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	err = m.around(r.Method+" "+r.URL.Path, func() (err error) {
		// A request on its way is not called back by its sender's end.
		resp, err = m.next.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		return err
	})
	if err != nil && resp != nil {
		resp.Body.Close()
		resp = nil
	}
	return resp, err
}

type mortalStore struct {
	*mortal
	next batch.Store
}

func (m mortalStore) Save(s batch.State) error {
	return m.around("save", func() error { return m.next.Save(s) })
}
func (m mortalStore) Load() ([]batch.State, error) { return m.next.Load() }

// mortalLedger is a log on disk: Begin and End both append, the last counts.
type mortalLedger struct {
	*mortal
	log map[string]providers.Entry
	mu  *sync.Mutex
}

func (m mortalLedger) Begin(e providers.Entry) error {
	return m.around("ledger", func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.log[e.ID] = e
		return nil
	})
}
func (m mortalLedger) End(e providers.Entry) error { return m.Begin(e) }

// TestBatchKilled kills the process before and after every request, save and
// line of the ledger, and goes on in another: every line is answered, paid
// once and accounted for.
func TestBatchKilled(t *testing.T) {
	reqs := batchRequests(4)
	doubts := 0
	for _, c := range []sim.BatchConfig{{Steps: 2}, {Steps: 2, ExpireAfter: 2}} {
		for k := 1; ; k++ {
			killed := false
			synctest.Test(t, func(t *testing.T) {
				e := newBatchEnv(t, sim.Config{Batch: c})
				e.config.MaxLines, e.config.Attempts = 2, 3
				log, mu := map[string]providers.Entry{}, &sync.Mutex{}
				process := func(at int) (map[providers.Tag]batch.Result, *mortal, error) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					m := &mortal{at: at, end: cancel}
					e.http = mortalHTTP{m, e.server.Client().Transport}
					e.config.Store = mortalStore{m, e.store}
					e.budget = providers.NewBudget(1e6)
					for _, en := range log {
						if en.Endpoint != "batch" || en.Outcome != providers.OutcomeInFlight {
							e.budget.Charge(en.Cost)
						}
					}
					res, err := e.runner(t, mortalLedger{m, log, mu}).Run(ctx, e.config, reqs)
					return res, m, err
				}
				_, m, err := process(k)
				if killed = m.dead; killed && err == nil && m.trace != "after save" && m.trace != "after ledger" {
					t.Errorf("killed at step %d (%s), and no error", k, m.trace)
				}
				if m.trace == "after POST /v1/batches" {
					doubts++
				}
				res, _, err := process(0)
				if err != nil {
					t.Fatalf("resumed after step %d (%s): %v", k, m.trace, err)
				}
				e.drain(t)
				bill := e.server.Bill()
				for _, r := range reqs {
					if got, ok := res[r.Tag]; !ok || got.Err != nil {
						t.Errorf("step %d (%s): %s: present %v, error %v", k, m.trace, r.Tag.Key, ok, got.Err)
					}
					if n := bill.Replies[providers.RequestID(r.Tag)]; n != 1 {
						t.Errorf("step %d (%s): %s was billed %d times", k, m.trace, r.Tag.Key, n)
					}
				}
				var all []providers.Entry
				for _, en := range log {
					all = append(all, en)
				}
				e.wantBill(t, all)
				if spent := float64(e.budget.Spent()); spent < bill.Total.USD-1e-9 || e.budget.Reserved() != 0 {
					t.Errorf("step %d (%s): budget at %v, bill %v", k, m.trace, spent, bill.Total.USD)
				}
			})
			if !killed {
				t.Logf("%+v: %d steps", c, k-1)
				break
			}
		}
	}
	if doubts == 0 {
		t.Error("no kill fell between a submission and its answer")
	}
}

func TestBatchBudget(t *testing.T) {
	reqs := batchRequests(32)
	synctest.Test(t, func(t *testing.T) {
		var all float64
		{
			e := newBatchEnv(t, sim.Config{})
			e.run(t, reqs)
			all = e.server.Bill().Total.USD
		}
		e := newBatchEnv(t, sim.Config{})
		e.budget = providers.NewBudget(providers.USD(all / 2))
		res := e.run(t, reqs)
		answered, refused := 0, 0
		for _, r := range reqs {
			switch err := res[r.Tag].Err; {
			case err == nil:
				answered++
			case errors.Is(err, providers.ErrBudget):
				refused++
				if x := wantError(t, err, providers.ClassBudget); x.Tag != r.Tag {
					t.Errorf("tag %+v", x.Tag)
				}
			default:
				t.Error(err)
			}
		}
		if bill := e.server.Bill().Total; bill.USD > all/2 || bill.Calls != answered || answered == 0 || refused == 0 {
			t.Errorf("answered %d, refused %d, bill %+v of %v", answered, refused, bill, all/2)
		}
		e.wantBill(t, e.ledger.Entries())
		// With more money the rest, and only the rest.
		more := providers.NewBudget(1)
		more.Charge(e.budget.Spent())
		e.budget = more
		e.wantAnswered(t, reqs, e.run(t, reqs))
	})
}

// TestBatchCancel interrupts a run at every minute of its life on a fake clock.
func TestBatchCancel(t *testing.T) {
	reqs := batchRequests(8)
	for _, after := range []time.Duration{0, time.Second, 7 * time.Second, 30 * time.Second, 3 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{Steps: 20}})
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			start := time.Now()
			_, err := e.runner(t, e.ledger).Run(ctx, e.config, reqs)
			wantError(t, err, providers.ClassTimeout)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != after {
				t.Errorf("ended after %v with %v, cancelled at %v", time.Since(start), err, after)
			}
			if e.budget.Reserved() != 0 {
				t.Errorf("%v reserved: later calls would wait for it", e.budget.Reserved())
			}
			if owed := e.budget.Spent(); (owed > 0) != (after > 0) {
				t.Errorf("cancelled at %v: %v is counted as owed", after, owed)
			}
			e.wantAnswered(t, reqs, e.run(t, reqs)) // same budget, same ledger
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{Steps: 8}})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c := e.runner(t, e.ledger)
		if _, err := c.Run(ctx, e.config, reqs); err == nil {
			t.Fatal("no error")
		}
		if err := c.Cancel(t.Context(), e.config); err != nil {
			t.Fatal(err)
		}
		partial := e.server.Bill().Total.Calls
		if partial == 0 || partial == len(reqs) {
			t.Fatalf("%d of %d lines were done: the drill shows nothing", partial, len(reqs))
		}
		e.wantAnswered(t, reqs, e.run(t, reqs)) // what was done is kept
	})
}

// watched counts the requests to a path and may rewrite replies.
type watched struct {
	next    http.RoundTripper
	seen    func(r *http.Request)
	rewrite func(path string, body []byte) []byte
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.seen != nil {
		w.seen(r)
	}
	resp, err := w.next.RoundTrip(r)
	if err != nil || w.rewrite == nil {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	body = w.rewrite(r.URL.Path, body)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return resp, nil
}

func TestBatchPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{Steps: 30}})
		start := time.Now()
		var at []time.Duration
		e.http = watched{next: e.server.Client().Transport, seen: func(r *http.Request) {
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v1/batches/") {
				at = append(at, time.Since(start).Round(time.Second))
			}
		}}
		e.run(t, batchRequests(2))
		// 5 s, then half as long again each time, up to 60 s.
		want := []time.Duration{0, 5, 13, 24, 41, 66, 104, 161, 221, 281}
		for i := range want {
			want[i] *= time.Second
		}
		if d := cmp.Diff(want, at[:len(want)],
			cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() <= time.Second })); d != "" || len(at) != 30 {
			t.Errorf("%d polls:\n%s", len(at), d)
		}
	})
}

func TestBatchMalformedLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{})
		e.config.Attempts = 2
		downloads := 0
		e.http = watched{next: e.server.Client().Transport, rewrite: func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, "/content") {
				return body
			}
			if downloads++; downloads > 2 { // the first batch, read twice
				return body
			}
			lines := bytes.SplitAfter(body, []byte("\n"))
			lines[0] = append(lines[0][:len(lines[0])/2:len(lines[0])/2], '\n')        // torn
			lines[1] = []byte("<html>Bad gateway</html>\n")                            // not even JSON
			lines[2] = bytes.Replace(lines[2], []byte(`"choices"`), []byte(`"no"`), 1) // an answer without one
			lines[3] = append(append([]byte(nil), lines[3]...), lines[3]...)           // twice
			lines[4] = append([]byte(`{"custom_id":"someone-else","response":{"status_code":200,"body":{}}}`+"\n"), lines[4]...)
			return bytes.Join(lines, nil)
		}}
		reqs := batchRequests(10)
		res := e.run(t, reqs)
		for _, r := range reqs {
			if err := res[r.Tag].Err; err != nil {
				t.Error(err)
			}
		}
		// Three lines were bought again, and the first purchase, which nobody
		// can read, stays in the ledger at its reservation.
		unknown, cost := 0, 0.0
		for _, en := range e.ledger.Entries() {
			cost += float64(en.Cost)
			if en.Endpoint == "batch" && !en.UsageKnown {
				unknown++
			}
		}
		bill := e.server.Bill()
		if unknown != 2 || bill.Total.Calls != 13 || cost < bill.Total.USD {
			t.Errorf("%d lines unknown, want 2 (the third says its usage); %d calls, want 13; ledger %v, bill %v", unknown,
				bill.Total.Calls, cost, bill.Total.USD)
		}
	})
}

func TestBatchRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{Steps: 8}})
		reqs := batchRequests(4)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, _ = e.runner(t, e.ledger).Run(ctx, e.config, reqs) // leaves an unfinished batch

		changed := batchRequests(4)
		changed[2].Sampling.MaxTokens++
		for _, tt := range []struct {
			name, words string
			config      func(c *batch.Config)
			reqs        []providers.GenerateRequest
		}{
			{"no store", "Store", func(c *batch.Config) { c.Store = nil }, reqs},
			{"no run", "Config.Run", func(c *batch.Config) { c.Run = "" }, reqs},
			{"too large", "50000", func(c *batch.Config) { c.MaxLines = 60_000 }, reqs},
			{"negative", "negative", func(c *batch.Config) { c.PollMin = -1 }, reqs},
			{"duplicate", "two requests", nil, append(batchRequests(4), reqs[0])},
			{"changed", "differs", nil, changed},
			{"left out", "not among the requests", nil, reqs[:3]},
		} {
			c := e.config
			if tt.config != nil {
				tt.config(&c)
			}
			_, err := e.runner(t, e.ledger).Run(t.Context(), c, tt.reqs)
			if x := wantError(t, err, providers.ClassBadRequest); !strings.Contains(x.Error(), tt.words) {
				t.Errorf("%s: %v", tt.name, x)
			}
		}
		if n := len(e.server.Bill().Replies); n > 4 {
			t.Errorf("%d lines were billed for requests that were refused", n-4)
		}
		more := append(batchRequests(4), batchRequests(9)[4:]...) // a run may grow
		e.wantAnswered(t, more, e.run(t, more))
		other := e.config
		other.Run = "another"
		if _, err := e.runner(t, e.ledger).Run(t.Context(), other, changed); err != nil {
			t.Errorf("another run: %v", err)
		}
	})
	c, err := providers.NewClient(fireworksOf(t), providers.ClientConfig{Prices: simPrices(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := batch.New(c).Run(t.Context(), batch.Config{}, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a provider without batches: %v", err)
	}
}

func fireworksOf(t *testing.T) providers.Provider {
	p, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: "http://127.0.0.1:0/v1",
		Key: providers.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
