// Simserver serves the simulator that stands in for Fireworks, OpenAI and vLLM, and
// prints their base URLs:
//
//	go run ./examples/simserver -addr 127.0.0.1:8080
//
// Any non-empty key is accepted. With -bill, what was charged is written to a
// file after every request, so that a client's own account can be compared.
package main

import (
	"context"
	"encoding/json"
	"errors"
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
	"github.com/reweigh/reweigh/internal/clean"
	"github.com/reweigh/reweigh/providers/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run serves until ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("simserver", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("addr", "127.0.0.1:0", "`address` to listen on; port 0 takes a free one")
	spec := flags.String("faults", "", "faults, `name=rate[:arg]` separated by commas")
	bill := flags.String("bill", "", "`file` for what was charged, rewritten at every request")
	seed := flags.Uint64("seed", 42, "seed of the server's own draws")
	shifted := flags.Bool("shifted", false, "serve the world in which the judge is fooled by evasive responses")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "simserver: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	faults, err := sim.ParseFaults(*spec)
	if err != nil {
		clean.Error(stderr, "simserver", err)
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
		handler = (&billing{server: server, path: *bill, stderr: stderr}).wrap(handler)
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		clean.Error(stderr, "simserver", err)
		return 1
	}
	fmt.Fprintf(stdout, "fireworks http://%[1]s/inference/v1\nopenai http://%[1]s/v1\nvllm http://%[1]s/vllm/v1\n",
		l.Addr())

	h := &http.Server{Handler: handler}
	done := make(chan error, 1)
	go func() { done <- h.Serve(l) }()
	select {
	case err := <-done:
		clean.Error(stderr, "simserver", err)
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
	stderr io.Writer

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
		clean.Error(b.stderr, "simserver: the bill was not written", err)
		return
	}
	b.mu.Lock()
	b.written = upTo
	b.mu.Unlock()
}
