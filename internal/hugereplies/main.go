// Hugereplies sends replies of 64 MiB to every kind of call, in every shape in
// which one can be large, and measures what that costs:
//
//	go run ./internal/hugereplies
//
// It fails if a call returns more than a second after its context ends, or if the
// heap passes the stated bound: four times the largest reply that is read.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

const (
	size      = 64 << 20
	heapBound = 4 * size
	lateBound = time.Second
	deadline  = 30 * time.Millisecond
)

// shape is a reply: how it begins, and what follows over and over.
type shape struct{ start, unit string }

var shapes = map[string]shape{
	"keys":         {`{`, manyKeys()},
	"one key":      {`{`, `"a":1,`},
	"depth":        {``, `[`},
	"deep keys":    {``, `{"a":`},
	"numbers":      {`{"a":[`, `1,`},
	"one number":   {`{"a":`, `1`},
	"a string":     {`{"a":"`, `x`},
	"escapes":      {`{"a":"`, `\n`},
	"white space":  {``, ` `},
	"text":         {`{"choices":[{"message":{"content":"`, `x`},
	"parts":        {`{"choices":[{"message":{"content":[`, `{"type":"text","text":"x"},`},
	"content":      {`{"choices":[{"logprobs":{"content":[`, `{"token":"a","logprob":-1,"bytes":[97]},`},
	"tokens":       {`{"choices":[{"logprobs":{"tokens":[`, `"a",`},
	"values":       {`{"choices":[{"logprobs":{"token_logprobs":[`, `-1.25,`},
	"tops":         {`{"choices":[{"logprobs":{"top_logprobs":[`, `{"a":-1},`},
	"alternatives": {`{"choices":[{"logprobs":{"content":[{"top_logprobs":[`, `{"token":"b"},`},
	"ids":          {`{"choices":[{"token_ids":[`, `7,`},
	"bytes":        {`{"choices":[{"logprobs":{"content":[{"bytes":[`, `7,`},
	"usage":        {`{"usage":{`, `"a":1,`},
	"error":        {`{"error":{"message":"`, `x`},
	"errors":       {`{"errors":[`, `{"message":"a"},`},
	"details":      {`{"detail":[`, `{"loc":["a"],"msg":"b"},`},
	"models":       {`{"data":[`, `{"id":"m"},`},
	"choices":      {`{"choices":[`, `{"message":{"content":"x"}},`},
	"positions":    {`{"prompt_logprobs":[`, `{"1":{"logprob":-1,"decoded_token":"a"}},`},
}

func manyKeys() string {
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, `"k%07d":1,`, i)
	}
	return b.String()
}

// source is a shape of size bytes.
type source struct {
	shape
	at int
}

func (s *source) Read(p []byte) (n int, err error) {
	for n < len(p) && s.at < size {
		from := s.start
		if s.at >= len(s.start) {
			from = s.unit[(s.at-len(s.start))%len(s.unit):]
		} else {
			from = from[s.at:]
		}
		k := copy(p[n:], from)
		n, s.at = n+k, s.at+k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func main() {
	var now atomic.Pointer[shape]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.CopyBuffer(w, &source{shape: *now.Load()}, make([]byte, 256<<10))
	}))
	defer server.Close()
	p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{
		BaseURL: server.URL + "/v1"}, Quirks: providers.VLLM()})
	if err != nil {
		fmt.Fprintln(os.Stderr, "hugereplies:", err)
		os.Exit(1)
	}
	failed := false
	var worst time.Duration
	var most uint64
	for _, long := range []bool{false, true} { // the longer the request, the more of a reply is read
		prompt := "a"
		if long {
			prompt = strings.Repeat("word ", 4_000)
		}
		user := []dataset.Message{{Role: "user", Content: prompt}}
		calls := map[string]func(context.Context) error{
			"chat": func(ctx context.Context) error {
				_, err := p.Generate(ctx, providers.GenerateRequest{Model: "m", Messages: user, LogProbs: true, TopLogProbs: 5,
					Sampling: offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100}})
				return err
			},
			"score": func(ctx context.Context) error {
				_, err := p.ScorePrompt(ctx, providers.ScoreRequest{Model: "m", Prompt: prompt})
				return err
			},
			"score chat": func(ctx context.Context) error {
				_, err := p.ScoreChat(ctx, providers.ChatScoreRequest{Model: "m",
					Messages: append(user, dataset.Message{Role: "assistant", Content: "b"})})
				return err
			},
			"models": func(ctx context.Context) error { _, err := p.Models(ctx); return err },
		}
		for _, name := range slices.Sorted(maps.Keys(shapes)) {
			fmt.Fprintf(os.Stderr, "%s, long %v\n", name, long)
			for _, call := range slices.Sorted(maps.Keys(calls)) {
				s := shapes[name]
				now.Store(&s)
				start := time.Now()
				var err error
				peak := peakOf(func() { err = calls[call](context.Background()) })
				whole := time.Since(start)
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				start = time.Now()
				calls[call](ctx)
				late := time.Since(start) - deadline
				cancel()
				worst, most = max(worst, late), max(most, peak)
				if err == nil || late > lateBound || peak > heapBound {
					failed = true
					fmt.Printf("%s, %s, long %v: %v in all, %v after its context, heap %d MiB, error %v\n", name, call, long,
						whole.Round(time.Millisecond), late.Round(time.Millisecond), peak>>20, err)
				}
			}
		}
	}
	fmt.Printf("%d replies: at most %v after the end of the context, heap at most %d MiB\n", 2*4*len(shapes),
		worst.Round(time.Millisecond), most>>20)
	if failed {
		os.Exit(1)
	}
}

// peakOf is the largest heap while f runs, looked at every 5 ms.
func peakOf(f func()) (peak uint64) {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	f()
	close(stop)
	<-done
	return peak
}
