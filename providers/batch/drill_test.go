package batch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestBatchRefusedLine: one line that the service does not accept fails the
// whole batch; the others are submitted again without it.
func TestBatchRefusedLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{})
		uploads := 0
		next := e.server.Client().Transport
		e.http = tripper(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/files") {
				b, err := io.ReadAll(r.Body)
				if err != nil {
					return nil, err
				}
				if uploads++; uploads == 1 {
					parts := bytes.Split(b, []byte(`"method":"POST"`))
					b = append(bytes.Join(parts[:3], []byte(`"method":"POST"`)), `"method":"PUTT"`...)
					b = append(b, bytes.Join(parts[3:], []byte(`"method":"POST"`))...)
				}
				r.Body = io.NopCloser(bytes.NewReader(b))
			}
			return next.RoundTrip(r)
		})
		reqs := batchRequests(6)
		res := e.run(t, reqs)
		bad := wantError(t, res[reqs[2].Tag].Err, providers.ClassBadRequest)
		if bad.Code != "invalid_method" || bad.Tag != reqs[2].Tag {
			t.Errorf("the refused line: %+v", bad)
		}
		rest := append(reqs[:2:2], reqs[3:]...)
		e.wantAnswered(t, rest, res)
	})
}

// TestBatchPatience: a server that cannot be asked for an hour changes nothing;
// one whose queue never has room is given up, resumably and unpaid.
func TestBatchPatience(t *testing.T) {
	reqs := batchRequests(5)
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{})
		next, start := e.server.Client().Transport, time.Now()
		e.http = tripper(func(r *http.Request) (*http.Response, error) {
			if d := time.Since(start); r.Method == http.MethodGet && d < time.Hour {
				return nil, errors.New("no route to host")
			}
			return next.RoundTrip(r)
		})
		e.wantAnswered(t, reqs, e.run(t, reqs))
	})
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{QueueLines: 4}})
		start := time.Now()
		_, err := e.runner(t, e.ledger).Run(t.Context(), e.config, reqs)
		x := wantError(t, err, providers.ClassRateLimited)
		if took := time.Since(start); took < 6*time.Hour || took > 7*time.Hour || x.Hint == "" {
			t.Errorf("given up after %v with hint %q", took, x.Hint)
		}
		if e.budget.Spent() != 0 || e.budget.Reserved() != 0 {
			t.Errorf("%v spent, %v reserved: nothing was submitted", e.budget.Spent(), e.budget.Reserved())
		}
		e.wantBill(t, e.ledger.Entries())
	})
}

// TestBatchFoundInLongListing: a submission whose answer was lost is found
// behind more batches than one page lists.
func TestBatchFoundInLongListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		next := e.server.Client().Transport
		e.http = tripper(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err == nil && r.Method == http.MethodPost && r.URL.Path == "/v1/batches" {
				resp.Body.Close()
				cancel()
				return nil, ctx.Err()
			}
			return resp, err
		})
		reqs := batchRequests(3)
		_, err := e.runner(t, e.ledger).Run(ctx, e.config, reqs)
		wantError(t, err, providers.ClassCanceled)
		if e.budget.Spent() == 0 {
			t.Error("a submission whose fate is unknown is not counted as owed")
		}

		e.http = nil
		b := e.client(t, nil).Provider().(providers.Batcher)
		for i := range 120 {
			tag := providers.Tag{Stage: "other", Key: dataset.Key{PromptID: fmt.Sprint(i)}}
			file, err := b.UploadBatch(t.Context(), tag, []byte("{}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.CreateBatch(t.Context(), tag, providers.BatchSubmission{FileID: file,
				Endpoint: "/v1/chat/completions"}); err != nil {
				t.Fatal(err)
			}
		}
		e.wantAnswered(t, reqs, e.run(t, reqs))
	})
}

// TestBatchKey: no error or state of a batch shows the key, whatever the server
// repeats.
func TestBatchKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newBatchEnv(t, sim.Config{Batch: sim.BatchConfig{ExpireAfter: 2, FailRate: 0.5}})
		e.config.Attempts = 1
		e.http = watched{next: e.server.Client().Transport, rewrite: func(path string, body []byte) []byte {
			for _, word := range []string{"The server had an error", "This request could not", "req_"} {
				body = bytes.ReplaceAll(body, []byte(word), []byte(word+" "+key))
			}
			return body
		}}
		res := e.run(t, batchRequests(8))
		failed := 0
		for _, r := range res {
			if r.Err != nil {
				failed++
			}
			if s := fmt.Sprintf("%+v", r); strings.Contains(s, key) {
				t.Errorf("the key is in %s", s)
			}
		}
		states, _ := e.store.Load()
		if s := fmt.Sprintf("%+v %+v", states, e.ledger.Entries()); strings.Contains(s, key) || failed < 6 {
			t.Errorf("%d failed; state and ledger: %s", failed, s)
		}
	})
}
