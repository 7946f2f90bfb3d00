package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/reweigh/reweigh/internal/pipe"
)

// Reply is one answer of a [Server].
type Reply struct {
	Status int // 0 means 200
	Header map[string]string
	Body   string
	// Delay is how long the answer takes.
	Delay time.Duration
	// Hang never answers: the request ends with the client's patience.
	Hang bool
	// Reset closes the connection in place of an answer.
	Reset bool
	// Cut promises the whole body, sends half, and closes the connection.
	Cut bool
}

// Request is one request that a [Server] received.
type Request struct {
	Method, Path string
	Header       http.Header
	Raw          string
	Body         map[string]any // nil where there was none
	At           time.Time
}

// Server answers from a script: the n-th request gets the n-th reply, and
// those beyond the script its last one.
type Server struct {
	url    string
	client *http.Client

	mu       sync.Mutex
	script   []Reply
	requests []Request
}

// NewServer serves the script over loopback until the test ends. The client
// of [Server.Client] is a plain one.
func NewServer(t testing.TB, script ...Reply) *Server {
	t.Helper()
	s := &Server{script: script}
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	s.url, s.client = ts.URL, ts.Client()
	return s
}

// NewPipeServer serves the script in memory: only its own Client reaches it,
// at any address. It works inside a testing/synctest bubble.
func NewPipeServer(t testing.TB, script ...Reply) *Server {
	t.Helper()
	s := &Server{script: script, url: "http://pipe.invalid"}
	l, dial := pipe.Listen()
	srv := &http.Server{Handler: s, BaseContext: func(net.Listener) context.Context { return context.Background() }}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l) // ends with ErrServerClosed
	}()
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64}
	s.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		srv.Close()
		<-served
	})
	return s
}

// URL is the server's address.
func (s *Server) URL() string { return s.url }

// Client reaches the server.
func (s *Server) Client() *http.Client { return s.client }

// Requests returns what was received so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// ServeHTTP plays the script.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	got := Request{Method: r.Method, Path: r.URL.Path, Header: r.Header.Clone(), Raw: string(raw), At: time.Now()}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &got.Body); err != nil {
			http.Error(w, fmt.Sprintf("providertest: request body: %v", err), http.StatusBadRequest)
			return
		}
	}
	s.mu.Lock()
	s.requests = append(s.requests, got)
	var reply Reply
	if n := len(s.script); n > 0 {
		reply = s.script[min(len(s.requests), n)-1]
	}
	s.mu.Unlock()

	if reply.Delay > 0 || reply.Hang {
		timer := time.NewTimer(reply.Delay)
		defer timer.Stop()
		elapsed := timer.C
		if reply.Hang {
			elapsed = nil
		}
		select {
		case <-elapsed:
		case <-r.Context().Done():
			return
		}
	}
	if reply.Reset {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	for k, v := range reply.Header {
		w.Header().Set(k, v)
	}
	body := []byte(reply.Body)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	w.WriteHeader(reply.Status)
	if reply.Cut {
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}
