package providers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// drillKey has characters that addresses escape.
const drillKey = "sk-live+Zz/98765-AbCdEfGhIj_43210=="

// headerError is what a careless transport returns: a value, so that %#v shows
// all of it, with the request's headers.
type headerError struct{ Header http.Header }

func (e headerError) Error() string { return fmt.Sprintf("refused by proxy, sent %v", e.Header) }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type panicBody struct{}

func (panicBody) Read([]byte) (int, error) { panic("reading for Bearer " + drillKey) }
func (panicBody) Close() error             { return nil }

// tornBody ends in the middle, as a connection does that breaks.
type tornBody struct{ io.Reader }

func (b tornBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
func (tornBody) Close() error { return nil }

func answer(status int, body string, header ...string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
}

func torn(status int, body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: tornBody{strings.NewReader(body)},
			Request: r}, nil
	}
}

// indiscreet are transports and servers that show the key in every place that
// they can write to.
func indiscreet() map[string]roundTrip {
	k, half := drillKey, drillKey[:20]
	escaped := strings.ReplaceAll(k, "/", `\/`)
	message := func(s string) string {
		return `{"choices":[{"message":{"content":"` + s + `"},"text":"` + s +
			`","finish_reason":"stop"}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`
	}
	pad := strings.Repeat("x", 20)
	out := map[string]roundTrip{
		"error with the headers": func(r *http.Request) (*http.Response, error) { return nil, headerError{r.Header} },
		"wrapped error": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("dial: %w", headerError{r.Header})
		},
		"joined error": func(r *http.Request) (*http.Response, error) {
			return nil, errors.Join(io.ErrUnexpectedEOF, headerError{r.Header})
		},
		"error with the address": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Post", URL: "http://proxy/?key=" + url.QueryEscape(k), Err: io.EOF}
		},
		"panic with a text":    func(*http.Request) (*http.Response, error) { panic("lost Bearer " + k) },
		"panic with an error":  func(r *http.Request) (*http.Response, error) { panic(headerError{r.Header}) },
		"panic with a request": func(r *http.Request) (*http.Response, error) { panic(r) },
		"panic in the body": func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: panicBody{}, Request: r}, nil
		},
		"headers": answer(200, message("fine"), "X-Request-Id", k, "X-Ratelimit-Limit-Requests", "for "+k,
			"Retry-After", k),
		"headers of an error": answer(429, `{}`, "X-Request-Id", k, "X-Ratelimit-Reset-Tokens", k, "Retry-After-Ms", "1"),
		"redirect":            answer(302, k, "Location", "http://elsewhere.invalid/"+k),
		"served model": answer(200,
			`{"model":"`+k+`","choices":[{"message":{"content":"a"},"text":"a","finish_reason":"`+k+`"}]}`),
		"text":         answer(200, message(k)),
		"escaped text": answer(200, message("it is "+escaped)),
		"refusal":      answer(200, `{"choices":[{"message":{"content":null,"refusal":"`+k+`"}}]}`),
		"token": answer(200,
			`{"choices":[{"text":"Hi there","message":{"content":"a"},"logprobs":{"content":[{"token":"Hi there","logprob":-1},{"token":"`+k+`","logprob":-1,"top_logprobs":[{"token":"`+k+`","logprob":-1}]}]}}]}`),
		"not JSON":          answer(200, "Bearer "+k),
		"log-prob of text":  answer(200, `{"choices":[{"logprobs":{"content":[{"token":"a","logprob":"`+pad+k+`"}]}}]}`),
		"id of text":        answer(200, `{"choices":[{"logprobs":{"content":[{"token":"a","token_id":"`+pad+k+`"}]}}]}`),
		"key twice":         answer(200, `{"`+k+`":1,"`+k+`":2,"choices":[{"text":"a"}]}`),
		"error in a 200":    answer(200, `{"error":{"message":"for `+k+`","code":"`+k+`"}}`),
		"not JSON, escaped": answer(200, "{"+strings.NewReplacer("/", `\/`, "+", `\u002b`, "=", `\u003D`).Replace(k)),
		"torn answer":       torn(200, `{"choices":[{"text":"`+half),
		"torn refusal":      torn(503, `upstream failed for Bearer `+half),
		"long refusal":      answer(500, strings.Repeat(" ", 64<<10-12)+k),
		"listing":           answer(200, `{"data":[{"id":"`+k+`"}]}`),
		"described model":   answer(200, `{"name":"`+k+`"}`),
		"described date":    answer(200, `{"name":"accounts/a/models/m","deprecationDate":"`+k+`"}`),
		"date of a listing": answer(200, `{"data":[{"id":"m","shutdown_date":"`+pad+k+`"}]}`),
	}
	for name, body := range map[string]string{
		"nested": `{"error":{"message":"key ` + k + ` is wrong","type":"` + k + `","code":"` + k + `"}}`,
		"flat":   `{"object":"error","message":["` + escaped + `"],"code":"c"}`,
		"string": `{"error":"` + k + `","message":"m"}`,
		"detail": `{"detail":[{"loc":["header","` + k + `"],"msg":"` + k + `"}]}`,
		"HTML":   `<html><a href="/login?key=` + url.QueryEscape(k) + `">` + k + `</a></html>`,
		"cut":    `{"error":{"message":"` + strings.Repeat("y", 1000) + k,
	} {
		for _, status := range []int{401, 404, 429, 500} {
			out[fmt.Sprintf("%s %d", name, status)] = answer(status, body)
		}
	}
	return out
}

// TestKeyAppearsNowhere runs every method of every provider, through a Client
// and alone, over transports and servers that show the key wherever they can,
// and searches everything that a program could print: results, errors and
// their causes in every form, the ledger, debug logs, the standard logger.
func TestKeyAppearsNowhere(t *testing.T) {
	var out bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&out)
	level := &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}
	logs := []*slog.Logger{slog.New(slog.NewTextHandler(&out, level)), slog.New(slog.NewJSONHandler(&out, level))}

	print := func(v any) {
		fmt.Fprintf(&out, "%v\n%+v\n%#v\n%q\n", v, v, v, fmt.Sprint(v))
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		} else {
			fmt.Fprintln(&out, err)
		}
		for _, l := range logs {
			l.Debug("value", "v", v)
		}
	}
	var printError func(err error)
	printError = func(err error) {
		if err == nil {
			return
		}
		print(err)
		var e *providers.Error
		if errors.As(err, &e) {
			print(*e)
		}
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			printError(u.Unwrap())
		case interface{ Unwrap() []error }:
			for _, cause := range u.Unwrap() {
				printError(cause)
			}
		}
	}

	config := func(rt http.RoundTripper) providers.HTTPConfig {
		// The transport is logged as programs do: all but the one header that
		// has to carry the key.
		logged := roundTrip(func(r *http.Request) (*http.Response, error) {
			trace := &httptrace.ClientTrace{GetConn: func(addr string) { logs[0].Debug("connect", "addr", addr) }}
			h := r.Header.Clone()
			h.Del("Authorization")
			logs[1].Debug("request", "method", r.Method, "url", r.URL, "header", h)
			return rt.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
		})
		return providers.HTTPConfig{
			BaseURL: "http://host.invalid/v1", Key: providers.NewSecret(drillKey),
			HTTP: &http.Client{Transport: logged, CheckRedirect: func(*http.Request,
				[]*http.Request) error {
				return http.ErrUseLastResponse
			}},
		}
	}
	makers := map[string]func(providers.HTTPConfig) (providers.Provider, error){
		"fireworks": func(c providers.HTTPConfig) (providers.Provider, error) { return providers.NewFireworks(c) },
		"openai":    func(c providers.HTTPConfig) (providers.Provider, error) { return providers.NewOpenAI(c) },
		"compatible": func(c providers.HTTPConfig) (providers.Provider, error) {
			return providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: c, Quirks: providers.VLLM()})
		},
	}
	checked := 0
	check := func(what string) {
		t.Helper()
		text := out.String()
		lower := strings.ToLower(text)
		for _, form := range []string{url.QueryEscape(drillKey), base64.StdEncoding.EncodeToString([]byte(drillKey))} {
			if strings.Contains(text, form) {
				t.Errorf("%s: shows the key as %s", what, form)
			}
		}
		if strings.Contains(lower, fmt.Sprintf("%x", drillKey)) {
			t.Errorf("%s: shows the key in hex", what)
		}
		for i := 0; i+10 <= len(drillKey); i++ { // no part of it that would help anyone
			if at := strings.Index(text, drillKey[i:i+10]); at >= 0 {
				t.Errorf("%s: shows the key: …%s…", what, text[max(0, at-80):min(len(text), at+80)])
				break
			}
		}
		checked += len(text)
		out.Reset()
	}

	outcomes := map[string]int{}
	for name, rt := range indiscreet() {
		for maker, build := range makers {
			c := config(rt)
			print(c)
			p, err := build(c)
			if err != nil {
				t.Fatal(err)
			}
			ledger, budget := &providers.MemoryLedger{}, providers.NewBudget(1)
			cl := client(t, p, providers.ClientConfig{
				Ledger: ledger, Budget: budget, Retry: providers.Retry{Attempts: 2, Base: time.Microsecond, Max: time.Microsecond},
				OnAttempt: func(e providers.Entry) { print(e) },
			})
			print(p)
			print(cl)
			for _, who := range []providers.Provider{p, called{cl}} {
				req := chatRequest()
				req.LogProbs = true
				g, err := who.Generate(t.Context(), req)
				print(g)
				printError(err)
				outcomes[classOf(err)]++
				s, err := who.ScorePrompt(t.Context(), scoreRequest())
				print(s)
				printError(err)
				outcomes[classOf(err)]++
				if c, ok := who.(interface {
					ScoreChat(context.Context, providers.ChatScoreRequest) (providers.PromptScore, error)
				}); ok {
					s, err := c.ScoreChat(t.Context(), chatScoreRequest())
					print(s)
					printError(err)
				}
				m, err := who.Models(t.Context())
				print(m)
				printError(err)
				outcomes[classOf(err)]++
				if d, ok := who.(interface {
					Describe(context.Context, string) (providers.Model, error)
				}); ok {
					m, err := d.Describe(t.Context(), "accounts/a/models/m")
					print(m)
					printError(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), -1)
			_, err = cl.Generate(ctx, chatRequest())
			cancel()
			printError(err)
			print(ledger.Entries())
			print(budget)
			if budget.Reserved() != 0 {
				t.Errorf("%s: %v stay reserved", name, budget.Reserved())
			}
			check(maker + ": " + name)
		}
	}
	// The constructors' own refusals.
	for _, base := range []string{"ftp://host/" + drillKey, "http://host/" + url.PathEscape(drillKey) + "/v1",
		"http://user:" + drillKey + "@host/v1", "http://host/v1?key=" + drillKey, "://" + drillKey} {
		for maker, build := range makers {
			c := config(nil)
			c.BaseURL = base
			if _, err := build(c); err != nil {
				printError(err)
			} else {
				t.Errorf("%s: %s was accepted", maker, base)
			}
			check(maker + " at a bad address")
		}
	}
	for _, class := range []providers.Class{"", providers.ClassNetwork, providers.ClassUnknown,
		providers.ClassBrokenReply, providers.ClassAuth, providers.ClassRateLimited, providers.ClassOverloaded,
		providers.ClassBadRequest} {
		if outcomes[string(class)] == 0 {
			t.Errorf("no call ended as %q: the drill does not reach it", class)
		}
	}
	t.Logf("searched %d KiB of output; calls by class: %v", checked>>10, outcomes)
}

func classOf(err error) string {
	var e *providers.Error
	if errors.As(err, &e) {
		return string(e.Class)
	}
	return ""
}

// called is a Client as a Provider.
type called struct{ *providers.Client }

func (called) Name() string { return "called" }

// A cause that shows the key is replaced, and still is what it was.
func TestScrubbedCauseKeepsItsIdentity(t *testing.T) {
	p, err := providers.NewOpenAI(providers.HTTPConfig{Key: providers.NewSecret(drillKey),
		HTTP: &http.Client{Transport: indiscreet()["joined error"]}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Generate(t.Context(), chatRequest())
	if e := wantError(t, err, providers.ClassNetwork); !errors.Is(e, io.ErrUnexpectedEOF) || !strings.Contains(e.Error(),
		"Bearer [redacted]") {
		t.Errorf("%v: want one that is io.ErrUnexpectedEOF and says Bearer [redacted]", e)
	}
}

// A panic of the HTTP client is a failure of one call, which may have been
// billed, and is not tried again.
func TestPanicOfTheHTTPClient(t *testing.T) {
	for _, name := range []string{"panic with a text", "panic in the body"} {
		p, err := providers.NewOpenAI(providers.HTTPConfig{Key: providers.NewSecret(drillKey),
			HTTP: &http.Client{Transport: indiscreet()[name]}})
		if err != nil {
			t.Fatal(err)
		}
		budget := providers.NewBudget(1)
		_, err = client(t, p, providers.ClientConfig{Budget: budget}).Generate(t.Context(), chatRequest())
		e := wantError(t, err, providers.ClassUnknown)
		if !e.Sent || e.Meta.Attempts != 1 || !strings.Contains(e.Error(), "panicked") || budget.Spent() < bound ||
			budget.Reserved() != 0 {
			t.Errorf("%s: %+v, %v spent, %v reserved", name, e, budget.Spent(), budget.Reserved())
		}
	}
}

// A provider of the importer's that panics goes on panicking, but takes neither
// the slot nor the budget of the calls that follow along.
func TestPanicOfAProviderFreesWhatItHeld(t *testing.T) {
	ledger, budget := &providers.MemoryLedger{}, providers.NewBudget(2*bound)
	panics := true
	c := client(t, providertest.Func{OnGenerate: func(context.Context, providers.GenerateRequest) (providers.Generation,
		error) {
		if panics {
			panic("a defect")
		}
		return providers.Generation{Text: "fine", Usage: &providers.Usage{PromptTokens: 1}}, nil
	}}, providers.ClientConfig{Concurrency: 1, Ledger: ledger, Budget: budget})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		c.Generate(t.Context(), chatRequest())
	}()
	if budget.Reserved() != 0 || pico(budget.Spent()) != pico(bound) {
		t.Errorf("%v reserved, %v spent: want the reservation spent", budget.Reserved(), budget.Spent())
	}
	if e := ledger.Entries(); len(e) != 1 || e[0].Outcome != providers.OutcomeInFlight || e[0].Cost != bound {
		t.Errorf("the ledger has %+v: want one line in flight, at its reservation", e)
	}
	panics = false
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Generate(ctx, chatRequest()); err != nil {
		t.Errorf("the next call: %v", err)
	}
}
