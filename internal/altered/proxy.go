package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/reweigh/reweigh/providers"
)

type object = map[string]any

// refusal is an answer in place of work: nothing is done, and nothing is billed.
type refusal struct {
	status int
	body   string
}

// proxy stands between a run and the simulator and alters a share of the replies: the
// same ones every time.
type proxy struct {
	kind
	next   http.RoundTripper
	rate   float64
	prices providers.Prices

	mu    sync.Mutex
	seen  map[string]int
	extra providers.USD // that the altered replies cost beyond what the simulator bills
	hits  int
}

func (p *proxy) RoundTrip(r *http.Request) (*http.Response, error) {
	id := r.Header.Get("X-Request-Id")
	grader := !strings.HasPrefix(r.URL.Path, "/inference/")
	// Below 1, certification is spared: what it meets stops a run.
	if !strings.HasSuffix(r.URL.Path, "/completions") || p.rate < 1 && strings.HasPrefix(id, "certify-") ||
		p.graders && !grader {
		return p.next.RoundTrip(r)
	}
	p.mu.Lock()
	p.seen[id]++
	h := sha256.Sum256(fmt.Append(nil, id, p.seen[id]))
	p.mu.Unlock()
	if float64(binary.BigEndian.Uint64(h[:])>>11)/(1<<53) >= p.rate {
		return p.next.RoundTrip(r)
	}
	if p.refuse != nil {
		sent, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body.Close()
		r.Body = io.NopCloser(bytes.NewReader(sent))
		var request object
		if err := json.Unmarshal(sent, &request); err != nil {
			return nil, err
		}
		if no := p.refuse(request); no.body != "" {
			p.hit(0)
			return &http.Response{StatusCode: no.status, Header: http.Header{},
				Body: io.NopCloser(strings.NewReader(no.body)), Request: r}, nil
		}
	}
	resp, err := p.next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusOK || p.alter == nil {
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
	model, _ := reply["model"].(string)
	price, err := p.prices.For(model)
	if err != nil {
		return nil, err
	}
	u := usageOf(reply)
	plain := price.Cost(providers.Usage{PromptTokens: count(u["prompt_tokens"]),
		CompletionTokens: count(u["completion_tokens"])})
	extra := price.Cost(providers.Usage{CompletionTokens: p.alter(reply)})
	if stated, ok := usageOf(reply)["cost"].(float64); ok {
		extra = max(extra, providers.USD(stated)-plain)
	}
	p.hit(extra)
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

func (p *proxy) hit(extra providers.USD) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hits++
	p.extra += extra
}
