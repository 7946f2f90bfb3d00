package providers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/reweigh/reweigh/internal/clean"
)

// HTTPConfig says where a service is and how to reach it.
type HTTPConfig struct {
	// BaseURL ends in the API's version: ".../inference/v1", ".../v1". Empty
	// means the public service.
	BaseURL string
	Key     Secret // sent as a bearer token
	// HTTP makes the requests. Nil means a client of the package's own, which
	// follows no redirects, uses no proxy (the environment is not read) and
	// keeps Concurrency connections open.
	HTTP *http.Client
	// Concurrency is the number of calls expected in flight; 0 means 64. It
	// sizes the pool of open connections where HTTP is nil: the standard
	// library keeps two, and opens a new one for nearly every call beyond.
	Concurrency int
}

const (
	maxReplyBytes   = 64 << 20
	maxErrorBytes   = 64 << 10 // read of an error body; 1 KiB of it is kept
	defaultIdle     = 64
	headerRequestID = "X-Request-Id"
)

// transport sends single requests and turns what goes wrong into an [Error].
// It is all that the providers of this package share of HTTP.
type transport struct {
	provider string
	keyName  string // how people know the key: an environment variable's name
	base     string
	key      Secret
	client   *http.Client
	uuids    bool  // request ids are sent as UUIDs
	maxReply int64 // bytes; maxReplyBytes but in tests
}

func newTransport(provider, keyName, public string, c HTTPConfig) (*transport, error) {
	fail := func(class Class, hint, format string, args ...any) (*transport, error) {
		message := c.Key.redact(fmt.Sprintf(format, args...), minKeyInMessage)
		return nil, &Error{Op: "configure", Provider: provider, Class: class, Message: message, Hint: hint}
	}
	base := c.BaseURL
	if base == "" {
		base = public
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		// The parser's error quotes the address, which may hold a password.
		return fail(ClassBadRequest, "give an address such as https://host/v1", "the base URL does not parse")
	case u.User != nil:
		return fail(ClassBadRequest, "pass the key as Key", "the base URL holds a user name or password")
	case c.Key.repeats(base):
		// it would stand in every log
		return fail(ClassBadRequest, "pass the key as Key alone", "the base URL holds the API key")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "":
		return fail(ClassBadRequest, "give an address such as https://host/v1",
			"base URL %q: want http or https, a host and a path, and nothing after them", shownURL(u))
	case c.Concurrency < 0:
		return fail(ClassBadRequest, "", "Concurrency is %d", c.Concurrency)
	}
	if public != "" && c.Key.empty() && !Loopback(base) {
		return fail(ClassAuth, "set "+keyName, "no API key")
	}
	if strings.ContainsFunc(c.Key.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fail(ClassAuth, "look for a line break or quotation marks around "+keyName,
			"the API key holds a character that no key has")
	}
	client := c.HTTP
	if client == nil {
		client = newHTTPClient(c.Concurrency)
	}
	return &transport{provider: provider, keyName: keyName, base: strings.TrimRight(base, "/"), key: c.Key,
		client: client, maxReply: maxReplyBytes}, nil
}

// shownURL is an address without what may hold a secret: user, query and fragment.
func shownURL(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.RawQuery != "" || u.Fragment != "" {
		return shown.String() + "?…"
	}
	return shown.String()
}

func newHTTPClient(concurrency int) *http.Client {
	if concurrency == 0 {
		concurrency = defaultIdle
	}
	dialer := &net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:         dialer.DialContext,
			ForceAttemptHTTP2:   true,
			MaxIdleConns:        concurrency,
			MaxIdleConnsPerHost: concurrency,
			IdleConnTimeout:     90 * time.Second,
			TLSHandshakeTimeout: 15 * time.Second,
		},
		// A POST that is redirected may arrive as a GET, elsewhere, without
		// its key. It is an answer to report, not to follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// attempt names one request in errors.
type attempt struct {
	op    string
	model string
	tag   Tag
	path  string         // below the base URL
	root  string         // in place of the base URL, where not empty
	body  map[string]any // nil: GET, unless payload is set
	// payload is a body that is not JSON, of content type form.
	payload []byte
	form    string
	limit   int64 // of the reply; 0 means maxReplyBytes
	// unbounded lets limit pass maxReplyBytes.
	unbounded   bool
	anySampling bool // the response is no draw from a policy
	defaulted   bool // sampling was left out
	raw         bool // keep the answer's body in Meta.Raw
	asked       int  // alternatives to every token of a text
	last        int  // only the log-probs of so many tokens were asked for
	// stripped is what was taken from the front of the prompt's text, because
	// the server adds it, and scored the text that was sent then.
	stripped, scored string
	// dialect says how the answer is to be read; the zero value assumes nothing.
	dialect dialect
}

func (t *transport) fail(a attempt, class Class, err error) *Error {
	return &Error{Op: a.op, Provider: t.provider, Model: a.model, Tag: a.tag, Class: class, Hint: t.hint(class),
		Err: t.key.scrub(err)}
}

// got is what is known of a 2xx answer besides its content.
type got struct {
	meta Meta
	head []byte // what it begins with
}

// json sends the request of an attempt and hands its answer to read.
func (t *transport) json(ctx context.Context, a attempt, read func(*reader)) (got, *Error) {
	return t.send(ctx, a, func(in *input) error { return readJSON(in, read) })
}

// send makes one attempt. An answer of a 2xx status is handed to consume; it is
// closed on every path.
func (t *transport) send(ctx context.Context, a attempt, consume func(*input) error) (got, *Error) {
	if err := ctx.Err(); err != nil {
		return got{}, t.fail(a, ContextClass(err), err)
	}
	method, payload := http.MethodGet, a.payload
	if a.payload != nil {
		method = http.MethodPost
	}
	if a.body != nil {
		method, a.form = http.MethodPost, "application/json"
		var err error
		if payload, err = encode(a.body); err != nil {
			return got{}, t.fail(a, ClassBadRequest, fmt.Errorf("request body: %w", err))
		}
	}
	var dialled, connected bool
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { dialled, connected = true, false },
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	}), method, cmp.Or(a.root, t.base)+a.path, bytes.NewReader(payload))
	if err != nil {
		return got{}, t.fail(a, ClassBadRequest, err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "reweigh")
	id := RequestID(a.tag)
	if t.uuids {
		id = requestUUID(id)
	}
	req.Header.Set(headerRequestID, id)
	if a.form != "" {
		req.Header.Set("Content-Type", a.form)
	}
	if !t.key.empty() {
		req.Header.Set("Authorization", "Bearer "+t.key.Reveal())
	}

	start := time.Now()
	resp, err := guarded(t.key, func() (*http.Response, error) { return t.client.Do(req) })
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // the address is in the hint, the method in Op
		}
		e := t.fail(a, transportClass(ctx, err), err)
		if outOfFiles(err) {
			e.Hint = filesHint
		}
		// Only a request that never got a connection is known to have reached
		// nobody. A RoundTripper that reports no connections is not trusted.
		e.Sent = connected || !dialled
		e.Meta.Latency = time.Since(start)
		return got{}, e
	}
	defer resp.Body.Close()
	meta := Meta{
		Status:    resp.StatusCode,
		RequestID: t.label(serverRequestID(resp.Header)),
		Header:    t.key.redactHeader(keepHeader(resp.Header)),
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		// A refusal that is cut short is still that refusal.
		body, _ := guarded(t.key, func() ([]byte, error) { return io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes)) })
		meta.Latency = time.Since(start)
		if a.raw {
			meta.Raw = t.withoutKey(body)
		}
		return got{}, t.refused(a, resp, body, meta)
	}
	in := &input{ctx: ctx, src: resp.Body, limit: min(t.maxReply, cmp.Or(a.limit, t.maxReply))}
	if a.unbounded {
		in.limit = a.limit
	}
	if a.raw {
		in.keep = &bytes.Buffer{}
	}
	_, err = guarded(t.key, func() (struct{}, error) { return struct{}{}, consume(in) })
	meta.Latency = time.Since(start)
	if a.raw {
		meta.Raw = t.withoutKey(in.keep.Bytes())
	}
	if err == nil {
		return got{meta, in.head}, nil
	}
	return got{meta, in.head}, t.unreadable(ctx, a, meta, in, err)
}

// unreadable is the error of a 2xx answer that could not be read to its end.
func (t *transport) unreadable(ctx context.Context, a attempt, meta Meta, in *input, err error) *Error {
	var p *panicked
	class := Class("")
	switch {
	case errors.As(err, &p):
		class = ClassUnknown
	case ctx.Err() != nil:
		class, err = ContextClass(ctx.Err()), ctx.Err()
	case in.err != nil && isTimeout(in.err):
		class = ClassTimeout
	case in.err == nil:
		return t.unread(a, meta, in.head, err)
	}
	e := t.broken(a, meta, nil, fmt.Errorf("reading the reply: %w", err))
	if class != "" {
		e.Class, e.Hint = class, t.hint(class)
	}
	return e
}

const filesHint = "the process may open no more files or connections: raise the limit of open files or lower the " +
	"concurrency"

// outOfFiles recognises that the process, or the machine, has no file
// descriptors left for another connection. A look-up of a name says it in words.
func outOfFiles(err error) bool {
	return err != nil && (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		strings.Contains(err.Error(), "too many open files"))
}

// encode writes the body with sorted keys, so that equal requests are equal
// bytes, and without HTML escapes.
func encode(body map[string]any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(body)
	return b.Bytes(), err
}

// refused is the error for an answer of another status than 2xx.
func (t *transport) refused(a attempt, resp *http.Response, body []byte, meta Meta) *Error {
	said := parseError(body)
	if said.code == "" { // Amazon's, as "ThrottlingException:http://…"
		said.code, _, _ = strings.Cut(cut(resp.Header.Get("X-Amzn-Errortype"), maxName), ":")
	}
	e := t.fail(a, "", nil)
	e.Status, e.Sent, e.Meta = resp.StatusCode, true, meta
	e.RetryAfter = retryAfter(resp.Header, time.Now())
	said.wait = cmp.Or(e.RetryAfter, said.wait) // the header is the more exact of the two
	t.described(e, resp.StatusCode, said)
	if e.Class == ClassModelNotFound && (a.model == "" || isRouteMissing(said)) {
		e.Class, e.Hint = ClassBadRequest, t.hint(ClassBadRequest) // it is the address that was not found
	}
	if strings.HasPrefix(said.message, pageSays) && e.Class == ClassAuth {
		e.Hint = fmt.Sprintf("something before the service answers with a page of its own: check the base URL %s, and what "+
			"stands between (a proxy, a firewall, a region)", t.base)
	}
	if e.Message == "" {
		e.Message = strings.ToLower(http.StatusText(resp.StatusCode))
	}
	if e.Class == ClassBadRequest {
		switch {
		case resp.StatusCode/100 == 3:
			e.Hint = "the server redirects: use the address that it redirects to as base URL"
		case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed:
			e.Hint = fmt.Sprintf("check the base URL %s: it ends in the API's version, as /v1", t.base)
		case resp.StatusCode == http.StatusNotImplemented:
			e.Err = errors.ErrUnsupported
		}
	}
	return e
}

// isRouteMissing recognises what routers, as opposed to model servers, say
// with a 404.
func isRouteMissing(s said) bool {
	words := strings.ToLower(strings.TrimSpace(s.message))
	return words == "resource not found" || s.code == "" && s.status == 0 && (words == "not found" ||
		strings.HasPrefix(words, "404 page not found") || strings.HasPrefix(words, "default backend") ||
		strings.HasPrefix(words, "<") || strings.HasPrefix(s.message, pageSays))
}

// broken is the error for a 2xx answer that cannot be used.
func (t *transport) broken(a attempt, meta Meta, body []byte, err error) *Error {
	e := t.fail(a, ClassBrokenReply, err)
	e.Status, e.Sent, e.Meta = meta.Status, true, meta
	if len(body) > 0 {
		e.Message = fmt.Sprintf("%s; the reply begins %q", t.clean(err.Error()), cut(t.clean(string(body)), 120))
	}
	return e
}

// label makes a name that a server chose fit to be kept: without the key, in one
// line, and at most 256 bytes.
func (t *transport) label(s string) string {
	return cut(oneLine(t.key.redact(cut(s, 4*maxName), minKeyInData)), maxName)
}

// clean makes a server's words fit to be shown: without the key, whatever
// server echoes it, in one line, and at most 1 KiB. The key goes first, so
// that no cut leaves half of it.
func (t *transport) clean(s string) string {
	return cut(oneLine(t.key.redact(s, minKeyInMessage)), 1<<10)
}

func oneLine(s string) string { return clean.Line(strings.Join(strings.Fields(s), " ")) }

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// transportClass is the class of an attempt that got no answer.
func transportClass(ctx context.Context, err error) Class {
	var p *panicked
	switch {
	case errors.As(err, &p):
		return ClassUnknown // a defect, which no second attempt cures
	case ctx.Err() != nil:
		return ContextClass(ctx.Err())
	case isTimeout(err):
		return ClassTimeout
	}
	return ClassNetwork
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}
