package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers/sim"
)

// TestServesAndBills: both addresses answer, and the bill's file covers a request by
// the time that the next one is answered.
func TestServesAndBills(t *testing.T) {
	bill := filepath.Join(t.TempDir(), "bill.json")
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"-bill", bill}, w, io.Discard) }()
	urls, lines := map[string]string{}, bufio.NewScanner(r)
	for len(urls) < 2 && lines.Scan() {
		name, url, _ := strings.Cut(lines.Text(), " ")
		urls[name] = url
	}
	for range 2 {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, urls["openai"]+"/chat/completions",
			strings.NewReader(`{"model":"gpt-4o-mini","max_tokens":4,"messages":[{"role":"user","content":"Hello."}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer any")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", resp.Status, body)
		}
		resp.Body.Close()
	}
	stop()
	if c := <-code; c != 0 { // the server has ended, and with it what it was writing
		t.Errorf("exit %d", c)
	}
	var b sim.Bill
	data, err := os.ReadFile(bill)
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil || b.Total.Calls != 2 {
		t.Errorf("a bill of %d calls for 2: %v", b.Total.Calls, err)
	}
}

func TestRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"more"}, {"-faults", "typo=1"}, {"-nosuch"}} {
		var said strings.Builder
		if code := run(t.Context(), args, io.Discard, &said); code != 2 || said.Len() == 0 {
			t.Errorf("%q: exit %d, %q", args, code, said.String())
		}
	}
}
