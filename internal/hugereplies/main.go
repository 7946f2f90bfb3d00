// Hugereplies sends replies of 64 MiB to every kind of call, in every shape in
// which one can be large, and measures what that costs:
//
//	go run ./internal/hugereplies
//
// It fails if a call returns more than a second after its context ends, or if the
// heap passes the stated bound: five times the largest reply that is read, eight
// times for a file of a batch. The longer the request, the more of a reply is read
// and kept, so there are three lengths.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
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
	lateBound = time.Second
	deadline  = 30 * time.Millisecond
)

// lengths are those of prompts, in bytes.
var lengths = []int{1, 20_000, 300_000}

// shape is a reply: how it begins, and what follows over and over.
type shape struct {
	start, unit string
	status      int // 0 means 200
}

var shapes = map[string]shape{
	"keys":           {start: `{`, unit: manyKeys()},
	"one key":        {start: `{`, unit: `"a":1,`},
	"depth":          {start: ``, unit: `[`},
	"deep keys":      {start: ``, unit: `{"a":`},
	"numbers":        {start: `{"a":[`, unit: `1,`},
	"one number":     {start: `{"a":`, unit: `1`},
	"a string":       {start: `{"a":"`, unit: `x`},
	"escapes":        {start: `{"a":"`, unit: `\n`},
	"white space":    {start: ``, unit: ` `},
	"text":           {start: `{"choices":[{"message":{"content":"`, unit: `x`},
	"parts":          {start: `{"choices":[{"message":{"content":[`, unit: `{"type":"text","text":"x"},`},
	"content":        {start: `{"choices":[{"logprobs":{"content":[`, unit: `{"token":"a","logprob":-1,"bytes":[97]},`},
	"tokens":         {start: `{"choices":[{"logprobs":{"tokens":[`, unit: `"a",`},
	"values":         {start: `{"choices":[{"logprobs":{"token_logprobs":[`, unit: `-1.25,`},
	"tops":           {start: `{"choices":[{"logprobs":{"top_logprobs":[`, unit: `{"a":-1},`},
	"alternatives":   {start: `{"choices":[{"logprobs":{"content":[{"top_logprobs":[`, unit: `{"token":"b"},`},
	"ids":            {start: `{"choices":[{"token_ids":[`, unit: `7,`},
	"bytes":          {start: `{"choices":[{"logprobs":{"content":[{"bytes":[`, unit: `7,`},
	"usage":          {start: `{"usage":{`, unit: `"a":1,`},
	"error":          {start: `{"error":{"message":"`, unit: `x`},
	"errors":         {start: `{"errors":[`, unit: `{"message":"a"},`},
	"details":        {start: `{"detail":[`, unit: `{"loc":["a"],"msg":"b"},`},
	"models":         {start: `{"data":[`, unit: `{"id":"m"},`},
	"choices":        {start: `{"choices":[`, unit: `{"message":{"content":"x"}},`},
	"positions":      {start: `{"prompt_logprobs":[`, unit: `{"1":{"logprob":-1,"decoded_token":"a"}},`},
	"full content":   {start: `{"choices":[{"logprobs":{"content":[`, unit: fullList(`{"token":"a","logprob":-1,"top_logprobs":[`, `{}`, `]},`)},
	"full tops":      {start: `{"choices":[{"logprobs":{"top_logprobs":[`, unit: fullList(`{`, `"a":1`, `},`)},
	"full positions": {start: `{"prompt_logprobs":[`, unit: `{"1":{},"2":{},"3":{},"4":{},"5":{},"6":{},"7":{},"8":{},"9":{}},`},
	"batches":        {start: `{"data":[`, unit: `{"id":"b","status":"failed","metadata":{"a":"b"},"errors":{"data":[{},{},{}]}},`},
	"problems":       {start: `{"id":"b","errors":{"data":[`, unit: `{},`},
	"answers":        {unit: answerLines()},
	"answer":         {start: `{"custom_id":"a","response":{"status_code":200,"body":"`, unit: `x`},
	"lines":          {unit: "\n"},
	"refusal":        {start: `{"error":{"message":"`, unit: `x`, status: http.StatusTooManyRequests},
	"a page":         {start: `<html><title>`, unit: `x `, status: http.StatusBadGateway},
}

func manyKeys() string {
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, `"k%07d":1,`, i)
	}
	return b.String()
}

// answerLines are lines of an output file, each with an id of its own.
func answerLines() string {
	var b strings.Builder
	for i := range 200_000 {
		fmt.Fprintf(&b, `{"custom_id":"%07d","response":{"status_code":200,"body":{}}}`+"\n", i)
	}
	return b.String()
}

// fullList is a token with as many alternatives as are read of one.
func fullList(start, alternative, end string) string {
	return start + strings.TrimSuffix(strings.Repeat(alternative+",", 64), ",") + end
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

type call = func(context.Context) error

// calls are all that read a reply.
func calls(own *providers.Compatible, openAI *providers.OpenAI, fireworks *providers.Fireworks,
	prompt string) map[string]call {
	user := []dataset.Message{{Role: "user", Content: prompt}}
	sampling := offpolicy.Sampling{Temperature: 1, TopP: 1, MaxTokens: 100}
	chat := providers.GenerateRequest{Model: "m", Messages: user, LogProbs: true, TopLogProbs: 5, Sampling: sampling}
	score := providers.ScoreRequest{Model: "m", Prompt: prompt}
	return map[string]call{
		"chat": func(ctx context.Context) error { _, err := own.Generate(ctx, chat); return err },
		"completion": func(ctx context.Context) error {
			_, err := own.Generate(ctx, providers.GenerateRequest{Model: "m", Prompt: prompt, LogProbs: true,
				Sampling: sampling})
			return err
		},
		"score": func(ctx context.Context) error { _, err := own.ScorePrompt(ctx, score); return err },
		"score 20": func(ctx context.Context) error {
			s := score
			s.Top = 20
			_, err := own.ScorePrompt(ctx, s)
			return err
		},
		"score, Fireworks": func(ctx context.Context) error { _, err := fireworks.ScorePrompt(ctx, score); return err },
		"score chat": func(ctx context.Context) error {
			_, err := own.ScoreChat(ctx, providers.ChatScoreRequest{Model: "m",
				Messages: append(user, dataset.Message{Role: "assistant", Content: "b"})})
			return err
		},
		"models": func(ctx context.Context) error { _, err := own.Models(ctx); return err },
		"describe": func(ctx context.Context) error {
			_, err := fireworks.Describe(ctx, "accounts/a/models/m")
			return err
		},
		"upload": func(ctx context.Context) error {
			_, err := openAI.UploadBatch(ctx, providers.Tag{}, []byte("{}"))
			return err
		},
		"batch":   func(ctx context.Context) error { _, err := openAI.GetBatch(ctx, providers.Tag{}, "b"); return err },
		"batches": func(ctx context.Context) error { _, _, err := openAI.ListBatches(ctx, providers.Tag{}, ""); return err },
		"answers": func(ctx context.Context) error {
			_, malformed, err := openAI.BatchFile(ctx, providers.Tag{}, "f")
			if malformed > 0 {
				err = errors.Join(err, fmt.Errorf("%d malformed lines", malformed))
			}
			return err
		},
	}
}

func main() {
	only := flag.String("only", "", "this shape alone, and what each of its calls costs")
	flag.Parse()
	var now atomic.Pointer[shape]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(now.Load().status)
		io.CopyBuffer(struct{ io.Writer }{w}, &source{shape: *now.Load()}, make([]byte, 256<<10))
	}))
	defer server.Close()
	at := providers.HTTPConfig{BaseURL: server.URL + "/v1"}
	own, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: at, Quirks: providers.VLLM()})
	openAI, err2 := providers.NewOpenAI(at)
	fireworks, err3 := providers.NewFireworks(at)
	if err := errors.Join(err, err2, err3); err != nil {
		fmt.Fprintln(os.Stderr, "hugereplies:", err)
		os.Exit(1)
	}
	failed, n := false, 0
	var worst time.Duration
	var most uint64
	for _, length := range lengths {
		calls := calls(own, openAI, fireworks, strings.Repeat("word ", length/5+1)[:length])
		for _, name := range slices.Sorted(maps.Keys(shapes)) {
			if *only != "" && name != *only {
				continue
			}
			fmt.Fprintf(os.Stderr, "%s, a prompt of %d bytes\n", name, length)
			for _, call := range slices.Sorted(maps.Keys(calls)) {
				if length > 1 && !strings.HasPrefix(call, "score") && call != "chat" && call != "completion" {
					continue // no prompt
				}
				s := shapes[name]
				s.status = max(s.status, http.StatusOK)
				s.unit = strings.Repeat(s.unit, 64<<10/len(s.unit)+1)
				now.Store(&s)
				n++
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
				heapBound := uint64(5 * size)
				if call == "answers" {
					heapBound = 8 * size
				}
				if bad := err == nil && call != "answers" || late > lateBound || peak > heapBound; bad || *only != "" {
					failed = failed || bad
					fmt.Printf("%s, %s, a prompt of %d bytes: %v in all, %v after its context, heap %d MiB, error %v\n",
						name, call, length, whole.Round(time.Millisecond), late.Round(time.Millisecond), peak>>20, err)
				}
			}
		}
	}
	fmt.Printf("%d replies: at most %v after the end of the context, heap at most %d MiB\n", n,
		worst.Round(time.Millisecond), most>>20)
	if failed {
		os.Exit(1)
	}
}

// peakOf is the largest heap while f runs, looked at every 5 ms: what is in use, and
// what was and is not collected yet.
func peakOf(f func()) (peak uint64) {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for {
			metrics.Read(heap)
			peak = max(peak, heap[0].Value.Uint64())
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
