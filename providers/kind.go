package providers

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Kind is the make of a server: what speaks its dialect, and what a server shows
// itself to be in its model listing.
type Kind string

// The kinds that [NewOfKind] has a provider for.
const (
	KindFireworks      Kind = "fireworks"
	KindOpenAI         Kind = "openai"
	KindVLLM           Kind = "vllm"
	KindSGLang         Kind = "sglang"
	KindLlamaCppPython Kind = "llama-cpp-python"
	KindTogether       Kind = "together"
	KindCompatible     Kind = "compatible" // any other server that speaks OpenAI's API
)

// The kinds that are recognised, and have no log-probs of a given text: as
// [KindCompatible] they may judge and label.
const (
	kindLlamaCpp Kind = "llama.cpp"
	kindOllama   Kind = "ollama"
	kindLMStudio Kind = "lm-studio"
	kindTGI      Kind = "tgi"
)

// Kinds lists the kinds that [NewOfKind] knows.
func Kinds() []Kind {
	return []Kind{KindFireworks, KindOpenAI, KindVLLM, KindSGLang, KindLlamaCppPython, KindTogether, KindCompatible}
}

// ErrWrongKind is wrapped by the error for a server that shows itself to be of
// another kind than was said.
var ErrWrongKind = errors.New("the server is of another kind")

const togetherURL = "https://api.together.xyz/v1"

// NewOfKind returns a provider for a server of a kind, named name in ledgers and
// errors. BaseURL may be empty for the services that have a public one: fireworks,
// openai and together. A server on loopback needs no key.
//
// addsBOS is the text of the BOS token that the server puts before every text by
// itself, where its kind does ([SGLang], [LlamaCppPython]); for others it is not
// used. Of a server of KindCompatible it is assumed that completions echo, which
// certification of its log-probs finds out; if its model listing shows what it is, what that
// kind would take from the model's generation_config is sent, too.
func NewOfKind(k Kind, name, addsBOS string, c HTTPConfig) (Provider, error) {
	q := Quirks{Kind: k}
	switch k {
	case KindFireworks:
		return newFireworks(name, c)
	case KindOpenAI:
		return newOpenAI(name, c)
	case KindVLLM:
		q = VLLM()
	case KindSGLang:
		q = SGLang()
		q.AddsBOS = addsBOS
	case KindLlamaCppPython:
		q = LlamaCppPython()
		q.AddsBOS = addsBOS
	case KindTogether:
		q = Together()
		if c.BaseURL == "" {
			c.BaseURL = togetherURL
		}
	case KindCompatible:
		q.Echo, q.TokenIDs = true, true
	default:
		return nil, &Error{Op: "configure", Provider: name, Class: ClassBadRequest,
			Message: fmt.Sprintf("there is no kind %q of server", k), Hint: "have " + kindList()}
	}
	return NewCompatible(CompatibleConfig{HTTPConfig: c, Name: name, Quirks: q})
}

func kindList() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// Loopback reports whether a base URL is of this machine: localhost, or an address
// of the loopback network. No name is looked up.
func Loopback(baseURL string) bool {
	u, err := url.Parse(baseURL)
	if err != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost") ||
		strings.HasSuffix(strings.ToLower(host), ".localhost")
}

// scoreless says why a kind of server has no log-probs of a given text; empty for
// one that may have them.
func (k Kind) scoreless() string {
	switch k {
	case kindLlamaCpp:
		return LlamaCpp().NoEcho
	case kindOllama:
		return "Ollama returns log-probs of generated tokens at most, and none for the text that it is given"
	case kindLMStudio:
		return "LM Studio returns log-probs of generated tokens at most, and none for the text that it is given"
	case kindTGI:
		return "Text Generation Inference's completions have no echo, and return no log-probs of a given text"
	}
	return ""
}

// neutral are the fields of a generation that keep a kind's own defaults out: what it
// would else take from the model's generation_config, top_k among it.
func (k Kind) neutral() map[string]any {
	var q Quirks
	switch k {
	case KindVLLM:
		q = VLLM()
	case KindSGLang:
		q = SGLang()
	case KindLlamaCppPython:
		q = LlamaCppPython()
	case kindLlamaCpp:
		q = LlamaCpp()
	default:
		return nil
	}
	fields := maps.Clone(q.Generate)
	fields["top_k"] = q.TopKOff
	return fields
}

// shown is what a server shows of its kind, and by what; empty where it shows none.
//
// Sources: vLLM entrypoints/openai/…/protocol.py, SGLang
// srt/entrypoints/openai/protocol.py, llama.cpp tools/server and llama-cpp-python
// server/app.py write their owned_by; Ollama's is the namespace of the model's name,
// openai/openai.go; that of Text Generation Inference is the name of its one model, of which
// it says no date, router/src/server.rs; LM Studio's is that of its listings in public issues;
// OpenAI sends its headers with every answer. A gateway shows what stands behind it, or
// nothing.
func (l listing) shown(h http.Header) (k Kind, by string) {
	if h.Get("Openai-Version") != "" {
		return KindOpenAI, "its header openai-version"
	}
	if strings.HasPrefix(strings.ToLower(h.Get("Server")), "llama.cpp") {
		return kindLlamaCpp, "its header server"
	}
	for i, m := range l.models {
		of := kindOfOwner(l.cards[i].owner, m.ID)
		if len(l.models) == 1 && l.cards[i].undated && l.cards[i].owner == m.ID {
			of = kindTGI
		}
		switch {
		case of == "" || k != "" && of != k:
			return "", "" // models of several makes: a gateway
		case k == "":
			k, by = of, fmt.Sprintf("owned_by %q in its model listing", cut(l.cards[i].owner, 40))
		}
	}
	return k, by
}

func kindOfOwner(owner, id string) Kind {
	name, _, tagged := strings.Cut(id, ":")
	switch {
	case owner == "vllm":
		return KindVLLM
	case owner == "sglang":
		return KindSGLang
	case owner == "llamacpp":
		return kindLlamaCpp
	case owner == "me":
		return KindLlamaCppPython
	case owner == "fireworks" && strings.HasPrefix(id, "accounts/"):
		return KindFireworks
	case owner == "organization_owner":
		return kindLMStudio
	case owner == "library", tagged && slices.Contains(strings.Split(name, "/"), owner):
		return kindOllama
	}
	return ""
}

// checkKind compares what a server shows with what it was said to be.
func (s *service) checkKind(a attempt, g got, l listing) *Error {
	shown, by := l.shown(g.meta.Header)
	s.noScore.Store(shown.scoreless())
	if s.Kind == "" || s.Kind == KindCompatible {
		s.found.Store(shown)
	}
	if shown == "" || s.Kind == "" || s.Kind == KindCompatible || shown == s.Kind {
		return nil
	}
	e := s.fail(a, ClassBadRequest, ErrWrongKind)
	e.Status, e.Sent, e.Meta = g.meta.Status, true, g.meta
	e.Message = fmt.Sprintf("this is a server of kind %s, by %s, and not of kind %s", shown,
		s.key.redact(by, minKeyInData), s.Kind)
	use := shown
	if shown.scoreless() != "" {
		use = KindCompatible
	}
	e.Hint = fmt.Sprintf("declare it as %s", use)
	if why := shown.scoreless(); why != "" {
		e.Hint += ": it may judge and label, and cannot score: " + why
	}
	return e
}

// looked is a [Provider] of this package: it knows whether it scores prompts at all, and
// what a server of which nobody said the kind has shown itself to be.
type looked interface {
	noScores(model string) string
	shows(model string) (k Kind, said bool)
}

func (f *Fireworks) noScores(string) string  { return f.service.scoreless() }
func (o *OpenAI) noScores(string) string     { return o.service.scoreless() }
func (c *Compatible) noScores(string) string { return c.service.scoreless() }

func (s *service) shows(string) (k Kind, said bool) {
	if k, _ = s.found.Load().(Kind); !slices.Contains(Kinds(), k) {
		k = ""
	}
	return k, s.Kind != "" && s.Kind != KindCompatible || s.Generate != nil
}

func (f *Fireworks) shows(m string) (Kind, bool)  { return f.service.shows(m) }
func (o *OpenAI) shows(m string) (Kind, bool)     { return o.service.shows(m) }
func (c *Compatible) shows(m string) (Kind, bool) { return c.service.shows(m) }

func (r *Router) noScores(model string) string {
	e, local := r.Route(model)
	if s, ok := e.Provider.(looked); ok {
		return s.noScores(local)
	}
	return ""
}

func (r *Router) shows(model string) (Kind, bool) {
	e, local := r.Route(model)
	return ShownKind(e.Provider, local)
}

// ShownKind is what the server of a model has shown itself to be where nobody said its kind:
// a provider of that kind sends what such a server needs. It is empty before
// [Provider.Models], and of a server that shows no kind which [NewOfKind] knows. said is
// true if the kind was declared as another than [KindCompatible], if [Quirks].Generate says
// which settings are sent to keep the server's own out, and of a provider that is none of this package.
func ShownKind(p Provider, model string) (k Kind, said bool) {
	if s, ok := p.(looked); ok {
		return s.shows(model)
	}
	return "", true
}

// ScoresPrompts says why no log-probs of a given text come from p for a model, as far
// as a provider of this package knows, and is nil where they may. Nothing is sent. What a
// server shows of its make in its model listing is known after [Provider.Models].
func ScoresPrompts(p Provider, model string) error {
	if s, ok := p.(looked); ok {
		if why := s.noScores(model); why != "" {
			return fmt.Errorf("providers: %s: %s: %w", nameOf(p, model), why, errors.ErrUnsupported)
		}
	}
	return nil
}
