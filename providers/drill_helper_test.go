package providers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/reweigh/reweigh/internal/pipe"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// billed is what the drill's server wrote about one answer that it sent whole.
type billed struct {
	model                      string
	prompt, completion, cached int64
}

// witness stands between the network and the simulator. It keeps, by the id
// that the server gave each answer, the usage that the server wrote, and counts
// connections: a second account that shares no code with the client's.
type witness struct {
	inner http.Handler
	// onRequest, where not nil, is told of each request before it is worked
	// on; what it returns runs after the work and before the answer is flushed.
	onRequest func(id string) func()

	mu      sync.Mutex
	answers map[string]billed
	open    atomic.Int64 // connections
	opened  atomic.Int64
}

func (w *witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var after func()
	if w.onRequest != nil {
		after = w.onRequest(r.Header.Get("X-Request-Id"))
	}
	rec := &recorder{ResponseWriter: rw}
	w.inner.ServeHTTP(rec, r) // panics where a fault tears the answer: nothing is kept then
	if after != nil {
		defer after()
	}
	if rec.hijacked || rec.status != http.StatusOK {
		return
	}
	var reply struct {
		Model string
		Usage *struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Details    *struct {
				Cached int64 `json:"cached_tokens"`
			} `json:"prompt_tokens_details"`
		}
	}
	if json.Unmarshal(rec.body.Bytes(), &reply) != nil || reply.Usage == nil {
		return // a listing
	}
	b := billed{model: reply.Model, prompt: reply.Usage.Prompt, completion: reply.Usage.Completion}
	if d := reply.Usage.Details; d != nil {
		b.cached = d.Cached
	}
	w.mu.Lock()
	w.answers[rw.Header().Get("X-Request-Id")] = b
	w.mu.Unlock()
}

func (w *witness) track(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		w.open.Add(1)
		w.opened.Add(1)
	case http.StateClosed, http.StateHijacked:
		w.open.Add(-1)
	}
}

// recorder keeps what is written. Unwrap lets the simulator hijack and flush.
type recorder struct {
	http.ResponseWriter
	status   int
	body     bytes.Buffer
	hijacked bool
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// drillServer is a simulator behind a witness.
type drillServer struct {
	*witness
	sim    *sim.Server
	url    string
	client *http.Client // nil: the package's own, over loopback
	stop   func()
}

func newDrillServer(t *testing.T, faults string, inMemory bool) *drillServer {
	t.Helper()
	f, err := sim.ParseFaults(faults)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New(sim.Config{Faults: f, Seed: 3})
	d := &drillServer{witness: &witness{inner: s.Handler(), answers: map[string]billed{}}, sim: s}
	srv := &http.Server{Handler: d.witness, ConnState: d.track, ErrorLog: log.New(io.Discard, "", 0)}
	var l net.Listener
	closeIdle := func() {}
	if inMemory {
		memory, dial := pipe.Listen()
		tr := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}
		l, d.url, d.client, closeIdle = memory, "http://drill.invalid", &http.Client{Transport: tr}, tr.CloseIdleConnections
	} else {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		d.url = "http://" + l.Addr().String()
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l) // ends with ErrServerClosed
	}()
	d.stop = sync.OnceFunc(func() {
		closeIdle()
		if !inMemory {
			// The package's own pool keeps idle connections for 90 s by design;
			// what was lost would not be idle and outlive even the server's end.
			srv.Close()
		}
		settles(t, "connections", func() int64 { return d.open.Load() }, 0)
		srv.Close()
		<-served
		s.Close()
	})
	t.Cleanup(d.stop)
	return d
}

// clients returns the two services' clients over the server, with one account.
func (d *drillServer) clients(t *testing.T, c providers.ClientConfig) (fireworks, openAI *providers.Client) {
	t.Helper()
	if c.Prices.Models == nil {
		c.Prices = simPrices(t)
	}
	fw, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: d.url + "/inference/v1",
		Key: providers.NewSecret(key), HTTP: d.client})
	if err != nil {
		t.Fatal(err)
	}
	oai, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: d.url + "/v1", Key: providers.NewSecret(key),
		HTTP: d.client})
	if err != nil {
		t.Fatal(err)
	}
	return client(t, fw, c), client(t, oai, c)
}

// settles waits, within a bound, until get is at most want.
func settles(t *testing.T, what string, get func() int64, want int64) {
	t.Helper()
	for range 500 {
		if get() <= want {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Errorf("%d %s left, want at most %d\n%s", get(), what, want, buf[:runtime.Stack(buf, true)])
}

// pico is an amount in whole picodollars. The simulator's prices are whole
// numbers of them per token, so that sums are exact.
func pico(u providers.USD) int64 { return int64(math.Round(float64(u) * 1e12)) }

// perToken is a price in picodollars per token.
func perToken(p providers.PerMTok) int64 { return int64(math.Round(float64(p) * 1e6)) }

func (b billed) pico(p providers.Price) int64 {
	cached := p.CachedInput
	if cached == 0 {
		cached = p.Input
	}
	return (b.prompt-b.cached)*perToken(p.Input) + b.cached*perToken(cached) + b.completion*perToken(p.Output)
}

// total is the server's own bill in picodollars, those of lost answers included.
func (d *drillServer) total(t *testing.T, prices providers.Prices) int64 {
	t.Helper()
	var sum int64
	for name, m := range d.sim.Bill().Models {
		p, err := prices.For(name)
		if err != nil {
			t.Fatal(err)
		}
		sum += billed{prompt: int64(m.PromptTokens), completion: int64(m.CompletionTokens),
			cached: int64(m.CachedTokens)}.pico(p)
	}
	return sum
}
