// Simserver serves the simulator that stands in for Fireworks and OpenAI, and
// prints its two base URLs:
//
//	go run ./examples/simserver -addr 127.0.0.1:8080
//
// Any non-empty key is accepted. With -bill, what was charged is written to a
// file after every request, so that a client's own account can be compared.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers/sim"
)

func main() {
	os.Exit(run())
}

func run() int {
	addr := flag.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	spec := flag.String("faults", "", "faults, `name=rate[:arg]` separated by commas")
	bill := flag.String("bill", "", "`file` for what was charged, rewritten at every request")
	seed := flag.Uint64("seed", 42, "seed of the server's own draws")
	shifted := flag.Bool("shifted", false, "serve the world in which the judge is fooled by evasive responses")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "simserver: unexpected argument %q\n", flag.Arg(0))
		return 2
	}
	faults, err := sim.ParseFaults(*spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simserver:", err)
		return 2
	}
	cfg := sim.Config{Faults: faults, Seed: *seed}
	if *shifted {
		cfg.World = sim.Shifted
	}
	server := sim.New(cfg)
	defer server.Close()
	handler := server.Handler()
	if *bill != "" {
		handler = (&billing{server: server, path: *bill}).wrap(handler)
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "simserver:", err)
		return 1
	}
	fmt.Printf("fireworks http://%s/inference/v1\nopenai http://%s/v1\n", l.Addr(), l.Addr())

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	h := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	select {
	case err := <-done:
		fmt.Fprintln(os.Stderr, "simserver:", err)
		return 1
	case <-ctx.Done():
		bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = h.Shutdown(bounded) // what is still in flight then is cut off
		return 0
	}
}

// billing writes the bill after every request. Requests that end together share
// a write.
type billing struct {
	server *sim.Server
	path   string

	mu      sync.Mutex
	ended   int // requests that ended
	written int // of those, how many the file covers
	writing sync.Mutex
}

func (b *billing) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer b.write() // also where a fault aborts the handler
		next.ServeHTTP(w, r)
	})
}

func (b *billing) write() {
	b.mu.Lock()
	b.ended++
	mine := b.ended
	b.mu.Unlock()

	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	upTo, covered := b.ended, b.written >= mine
	b.mu.Unlock()
	if covered {
		return
	}
	bill := b.server.Bill()
	err := dataset.WriteFile(b.path, func(w io.Writer) error { return json.NewEncoder(w).Encode(bill) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "simserver: the bill was not written:", err)
		return
	}
	b.mu.Lock()
	b.written = upTo
	b.mu.Unlock()
}
