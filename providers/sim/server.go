package sim

import (
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// World is how the judge relates to the oracle.
type World int

const (
	// Transported is the world in which the mean label at a given judge score
	// is the same under every policy.
	Transported World = iota
	// Shifted is the world in which evasive responses are worse than the judge
	// can see, so that what other policies taught about its scores misleads.
	Shifted
)

func (w World) String() string {
	switch w {
	case Transported:
		return "transported"
	case Shifted:
		return "shifted"
	}
	return fmt.Sprintf("World(%d)", int(w))
}

// Config describes a server. Its zero value is a faultless one in the world
// Transported that takes any key.
type Config struct {
	World  World
	Faults Faults
	// Seed decides the faults, the form of errors, and the draws of requests
	// that carry no seed.
	Seed uint64
	// Keys are the bearer keys accepted; none means any that is not empty.
	Keys []string
	// Batch says how batches go.
	Batch BatchConfig
	// Limits are enforced; the zero value is none.
	Limits Limits
	// NoBalance is an account that is empty: paid calls are refused as each
	// service refuses them, and nothing is billed.
	NoBalance bool
	// Models says what has become of some of the models, by name.
	Models map[string]ModelStatus
	// Obedient makes the judge do what the response tells it: always where the
	// response is not fenced, and in a tenth of the cases where it is. The
	// oracle is not taken in.
	Obedient bool
	// VLLM is how the vLLM form is started.
	VLLM VLLMConfig
}

// Server is the simulator. Its methods are safe for concurrent use.
type Server struct {
	config  Config
	seed    string
	ledger  ledger
	batches batches
	limits  limiter

	mu        sync.Mutex     // guards what follows
	attempts  map[string]int // by X-Request-Id
	anonymous uint64         // requests without an id
	scored    uint64         // prompts scored
	server    *http.Server
	listener  net.Listener
	transport *http.Transport
	closed    bool

	running sync.WaitGroup // Serve calls and connections
}

// New returns a server that listens nowhere yet: [Server.Start], [Server.URL]
// and [Server.Client] make it reachable. It panics where a fault's rate is out
// of range; faults from [ParseFaults] never are.
func New(c Config) *Server {
	if err := c.Faults.validate(); err != nil {
		panic("sim: " + err.Error())
	}
	if c.World != Transported && c.World != Shifted {
		panic("sim: unknown " + c.World.String())
	}
	if r := c.Batch.FailRate; !(r >= 0 && r <= 1) {
		panic(fmt.Sprintf("sim: Batch.FailRate %v is no share in [0, 1]", r))
	}
	for name := range c.Models {
		if _, ok := findModel(name); !ok {
			panic("sim: Models names " + name + ", which is none of this server's")
		}
	}
	if err := c.Limits.validate(); err != nil {
		panic("sim: " + err.Error())
	}
	if err := c.VLLM.validate(); err != nil {
		panic("sim: " + err.Error())
	}
	c.Keys, c.Models = slices.Clone(c.Keys), maps.Clone(c.Models)
	s := &Server{
		config:   c,
		seed:     strconv.FormatUint(c.Seed, 10),
		attempts: make(map[string]int),
		limits:   limiter{limits: c.Limits},
	}
	s.ledger.init()
	s.server = &http.Server{
		Handler:   s.Handler(),
		ErrorLog:  log.New(io.Discard, "", 0), // a torn connection is a fault, not news
		ConnState: s.track,
	}
	return s
}

// Start listens on addr, as "127.0.0.1:0" for a free port of the loopback
// interface, and serves in the background until [Server.Close].
func (s *Server) Start(addr string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.start(addr)
}

func (s *Server) start(addr string) error {
	switch {
	case s.closed:
		return errors.New("sim: start: the server is closed")
	case s.listener != nil:
		return fmt.Errorf("sim: start: already listening on %s", s.listener.Addr())
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("sim: start: %w", err)
	}
	s.listener = l
	s.serve(l)
	return nil
}

// serve runs the server on l; s.mu is held.
func (s *Server) serve(l net.Listener) {
	s.running.Go(func() {
		_ = s.server.Serve(l) // ends with Close, and then has nothing to say
	})
}

// track counts connections, so that Close can wait for the last of them.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	}
}

// URL is where the server is reached: "http://127.0.0.1:port". It starts a
// listener on a free loopback port where none is, and panics where that fails.
// Inside a [testing/synctest] bubble it starts nothing, because a listener would
// keep the fake clock from ever moving: the URL then serves [Server.Client]
// alone.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		if inBubble() {
			return memoryURL
		}
		if err := s.start("127.0.0.1:0"); err != nil {
			panic(err.Error())
		}
	}
	return "http://" + s.listener.Addr().String()
}

// FireworksURL is the base URL of the Fireworks protocol: [Server.URL] and
// "/inference/v1".
func (s *Server) FireworksURL() string { return s.URL() + "/inference/v1" }

// OpenAIURL is the base URL of the OpenAI protocol: [Server.URL] and "/v1".
func (s *Server) OpenAIURL() string { return s.URL() + "/v1" }

// Close ends the listeners and every connection, and returns when no request
// is in work any more. The bill stays readable.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	transport := s.transport
	s.mu.Unlock()
	err := s.server.Close()
	if transport != nil {
		transport.CloseIdleConnections()
	}
	s.running.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("sim: close: %w", err)
	}
	return nil
}

// Handler is the server's HTTP handler, for a listener of one's own.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/inference/v1/completions", s.paid(fireworks, s.fireworksCompletions))
	mux.Handle("/inference/v1/chat/completions", s.paid(fireworks, s.fireworksChat))
	mux.Handle("/inference/v1/models", s.free(fireworks, s.fireworksModels))
	mux.Handle("/vllm/v1/completions", s.paid(vllm, s.vllmCompletions))
	mux.Handle("/vllm/v1/chat/completions", s.paid(vllm, s.vllmChat))
	mux.Handle("/vllm/tokenize", s.unpaid(http.MethodPost, vllm, s.vllmTokenize))
	mux.Handle("/vllm/v1/models", s.free(vllm, s.vllmModels))
	mux.Handle("/v1/accounts/{account}/models/{model}", s.free(fireworks, s.fireworksModel))
	mux.Handle("/v1/chat/completions", s.paid(openAI, s.openAIChat))
	mux.Handle("/v1/completions", s.paid(openAI, openAICompletions))
	mux.Handle("/v1/models", s.free(openAI, s.openAIModels))
	s.batchRoutes(mux)
	mux.Handle("/inference/", s.free(fireworks, noSuchPath))
	mux.Handle("/vllm/", s.free(vllm, noSuchPath))
	mux.Handle("/", s.free(openAI, noSuchPath))
	return mux
}

// call is one request on its way through the server.
type call struct {
	provider provider
	id       callID
	attempt  int    // from 1
	reply    string // the id the server gives its answer
	body     []byte
	path     string
}

// answer is what a call comes to: an HTTP 200.
type answer struct {
	body  []byte
	model string // the model that answered; empty where nothing is charged
	usage usage
}

// maxBody bounds what a request may hold.
const maxBody = 64 << 20

// open does what every request has in common: it numbers the attempt, sets the
// headers and checks the key.
func (s *Server) open(w http.ResponseWriter, r *http.Request, p provider) (*call, *apiError) {
	full := r.Header.Get("X-Request-Id")
	s.mu.Lock()
	if full == "" {
		s.anonymous++
		full = fmt.Sprintf("anonymous-%016x", s.anonymous)
	}
	s.attempts[full]++
	c := &call{provider: p, id: parseCallID(full), attempt: s.attempts[full], path: r.URL.Path}
	s.mu.Unlock()
	h := hash64("reply", s.seed, full, strconv.Itoa(c.attempt))
	c.reply = fmt.Sprintf("req_%016x%016x", h, mix(h, 0))
	c.headers(w.Header())
	if err := s.authorise(r, p); err != nil {
		return c, err
	}
	return c, nil
}

// headers are on every answer, errors too. The figures stand still and are out
// of reach of any client: this server enforces [Limits] alone, which put their
// own in place of these.
func (c *call) headers(h http.Header) {
	h.Set("X-Request-Id", c.reply)
	h.Set("X-Ratelimit-Limit-Requests", "60000000")
	h.Set("X-Ratelimit-Remaining-Requests", "59999999")
	if c.provider == openAI {
		h.Set("X-Ratelimit-Reset-Requests", "10ms")
		h.Set("X-Ratelimit-Limit-Tokens", "60000000000")
		h.Set("X-Ratelimit-Remaining-Tokens", "59999999000")
		h.Set("X-Ratelimit-Reset-Tokens", "30ms")
		h.Set("Openai-Version", "2020-10-01")
		return
	}
	h.Set("X-Ratelimit-Reset-Requests", "1s")
	h.Set("X-Ratelimit-Limit-Tokens-Prompt", "60000000000")
	h.Set("X-Ratelimit-Remaining-Tokens-Prompt", "59999999000")
	h.Set("X-Ratelimit-Limit-Tokens-Generated", "60000000000")
	h.Set("X-Ratelimit-Remaining-Tokens-Generated", "59999999000")
	h.Set("X-Ratelimit-Over-Limit", "no")
}

// free serves what costs nothing and never fails.
func (s *Server) free(p provider, f func(*call) (answer, *apiError)) http.Handler {
	return s.unpaid(http.MethodGet, p, f)
}

// unpaid serves by one method what costs nothing.
func (s *Server) unpaid(method string, p provider, f func(*call) (answer, *apiError)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.open(w, r, p)
		if err == nil && method == http.MethodPost {
			c.body, err = readBody(w, r)
		}
		var a answer
		if err == nil {
			a, err = f(c)
		}
		if err == nil && r.Method != method {
			err = errMethod(r.Method)
		}
		if err != nil {
			s.refuse(w, c, err)
			return
		}
		writeBody(w, http.StatusOK, a.body)
	})
}

// paid serves what is charged. The order matters: what fails before the work
// is not billed, what fails after it is.
func (s *Server) paid(p provider, f func(*call) (answer, *apiError)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := s.open(w, r, p)
		if err == nil && r.Method != http.MethodPost {
			err = errMethod(r.Method)
		}
		if err == nil {
			c.body, err = readBody(w, r)
		}
		if err == nil {
			err = s.limits.enter(w.Header(), r, c.body)
		}
		if err == nil && s.config.NoBalance {
			err = exhausted(p)
		}
		if err == nil {
			err = s.transportError(c)
		}
		var a answer
		if err == nil {
			a, err = f(c)
		}
		if err != nil {
			s.refuse(w, c, err)
			return
		}
		s.ledger.charge(c.id.full, a.model, a.usage)
		s.limits.charge(w.Header(), r, c.body, a.usage)
		s.deliver(w, r, c, a)
	})
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *apiError) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, &apiError{status: http.StatusBadRequest, kind: "invalid_request_error",
			message: "The request body could not be read: " + err.Error()}
	}
	return b, nil
}

// transportError is the fault that keeps a call from being worked on, if any.
func (s *Server) transportError(c *call) *apiError {
	f := s.config.Faults
	switch {
	case s.hitsCall("429", f.TooManyRequests, c.id, c.attempt):
		return &apiError{status: http.StatusTooManyRequests, kind: "rate_limit"}
	case s.hitsCall("500", f.ServerError, c.id, c.attempt):
		return &apiError{status: http.StatusInternalServerError, kind: "server_error"}
	case s.hitsCall("503", f.Unavailable, c.id, c.attempt):
		return &apiError{status: http.StatusServiceUnavailable, kind: "overloaded"}
	}
	return nil
}

// deliver sends a billed answer, or loses it on the way.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, c *call, a answer) {
	f := s.config.Faults
	if s.hitsCall("slow", f.Slow, c.id, c.attempt) {
		timer := time.NewTimer(f.SlowFor)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case s.hitsCall("reset", f.Reset, c.id, c.attempt):
		reset(w)
	case s.hitsCall("truncate", f.Truncate, c.id, c.attempt):
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler) // the server's own way to break off an answer
	default:
		writeBody(w, http.StatusOK, a.body)
	}
}

// reset breaks the connection before the answer: by RST where there is a
// socket, by closing the pipe where there is none.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have left; there is nobody to tell
}
