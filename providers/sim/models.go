package sim

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// The models that the server answers for.
const (
	ScoutModel    = "accounts/fireworks/models/llama4-scout-instruct-basic"
	MaverickModel = "accounts/fireworks/models/llama4-maverick-instruct-basic"
	OracleModel   = "gpt-4o"      // grades with little noise
	JudgeModel    = "gpt-4o-mini" // grades with bias and noise

	// PolyglotModel answers completions as ScoutModel does, over a vocabulary
	// that has the special tokens of every family in teacherforce/chat. It is not
	// listed: it is for tests of what is sent to a model.
	PolyglotModel = "accounts/fireworks/models/polyglot"
)

// modelSpec is one model of the catalogue.
type modelSpec struct {
	name     string
	provider provider
	size     langmodel.Size
	template string // of its chat, behind vLLM's protocol; empty means Llama 4's
	polyglot bool   // has the special tokens of every family, and is not listed
	oracle   bool   // reads quality itself, where the others read its appearance
	drift    string // what answers in its place when it drifts
	price    price
}

var catalogue = []modelSpec{
	{name: ScoutModel, provider: fireworks, size: langmodel.Small, drift: MaverickModel, price: priceOf(ScoutModel)},
	{name: MaverickModel, provider: fireworks, size: langmodel.Large, drift: ScoutModel, price: priceOf(MaverickModel)},
	{name: PolyglotModel, provider: fireworks, size: langmodel.Small, polyglot: true, drift: ScoutModel,
		price: priceOf(ScoutModel)},
	{name: OracleModel, provider: openAI, size: langmodel.Large, oracle: true, drift: JudgeModel,
		price: priceOf(OracleModel)},
	{name: JudgeModel, provider: openAI, size: langmodel.Small, drift: OracleModel, price: priceOf(JudgeModel)},
}

func findModel(name string) (modelSpec, bool) {
	for _, m := range catalogue {
		if m.name == name {
			return m, true
		}
		if template, ok := strings.CutPrefix(name, m.name+"."); ok && m.polyglot {
			if _, ok := chat.Lookup(template); ok {
				m.name, m.template = name, template
				return m, true
			}
		}
	}
	return modelSpec{}, false
}

// maxContext is what a model can attend to, in tokens.
const maxContext = 131072

// The language models are built once for all servers: they are immutable, and
// building one takes longer than answering a request.
var (
	smallModel = sync.OnceValue(func() *langmodel.Model { return langmodel.New(langmodel.Small) })
	largeModel = sync.OnceValue(func() *langmodel.Model { return langmodel.New(langmodel.Large) })
	tokenizer  = sync.OnceValue(langmodel.DefaultTokenizer)
	// vocabulary spells the tokens of every model: its ids go on where those of
	// tokenizer end.
	vocabulary = sync.OnceValue(langmodel.PolyglotTokenizer)
)

func (m modelSpec) lm() *langmodel.Model {
	if m.polyglot {
		return langmodel.Polyglot()
	}
	if m.size == langmodel.Large {
		return largeModel()
	}
	return smallModel()
}

// stopTokens end a response: the end of the turn, and of the text.
var stopTokens = sync.OnceValue(func() []int {
	var ids []int
	for _, text := range []string{endOfTurn, "<|end_of_text|>", "<|eom|>"} {
		if id, ok := tokenizer().Special(text); ok {
			ids = append(ids, id)
		}
	}
	return ids
})

// endOfTurn is the text of the token by which Llama 4 ends a turn.
const endOfTurn = "<|eot|>"

// endOfTurnID panics where the tokenizer has no such token: then nothing that
// this package says would be true.
func endOfTurnID() int {
	id, ok := tokenizer().Special(endOfTurn)
	if !ok {
		panic("sim: the tokenizer has no " + endOfTurn)
	}
	return id
}

// model finds the model that answers for name, which is another one where the
// record drifts.
func (s *Server) model(c *call, name string) (modelSpec, *apiError) {
	m, ok := findModel(name)
	if name == "" {
		return modelSpec{}, badRequest("model", "you must provide a model parameter")
	}
	if status := s.status(m); !ok || m.provider != c.provider && c.provider != vllm || status.Gone || status.OnDemand {
		message := "Model not found, inaccessible, and/or not deployed"
		if c.provider == openAI {
			message = "The model `" + name + "` does not exist or you do not have access to it."
		}
		return modelSpec{}, &apiError{status: http.StatusNotFound, kind: "model_not_found", message: message, param: "model"}
	}
	if s.hitsRow("drift", s.config.Faults.Drift, c.id) {
		m, _ = findModel(m.drift)
	}
	return m, nil
}

// created is when every model and answer says it was made: a clock would make
// equal answers differ.
const created = 1743811200

// ModelStatus is what has become of a model. The zero value is served.
type ModelStatus struct {
	// Gone: the model is neither listed nor served.
	Gone bool
	// OnDemand: it is listed and not served without a deployment of one's own,
	// which only Fireworks' model resource says; calls are answered with 404.
	OnDemand bool
	// Shutdown is the announced end of service; zero where none is. The server
	// has no clock, and serves the model all the same.
	Shutdown time.Time
}

func (s *Server) status(m modelSpec) ModelStatus { return s.config.Models[m.name] }

// listed are the models of one provider that are not gone and not for tests alone.
func (s *Server) listed(p provider) []modelSpec {
	var out []modelSpec
	for _, m := range catalogue {
		if (m.provider == p || p == vllm) && !m.polyglot && !s.status(m).Gone {
			out = append(out, m)
		}
	}
	return out
}

// fireworksModel serves GET /v1/accounts/{account}/models/{model}, the resource
// of one model. It has its names in another spelling than the listing.
func (s *Server) fireworksModel(c *call) (answer, *apiError) {
	type date struct {
		Year  int `json:"year"`
		Month int `json:"month"`
		Day   int `json:"day"`
	}
	name := strings.TrimPrefix(c.path, "/v1/")
	m, ok := findModel(name)
	if !ok || m.provider != fireworks || s.status(m).Gone {
		return answer{}, &apiError{status: http.StatusNotFound, kind: "not_found", message: "model " + name + " not found"}
	}
	status := s.status(m)
	var shutdown *date
	if d := status.Shutdown; !d.IsZero() {
		shutdown = &date{d.Year(), int(d.Month()), d.Day()}
	}
	b, err := json.Marshal(map[string]any{
		"name": m.name, "kind": "HF_BASE_MODEL", "state": "READY", "public": true, "contextLength": maxContext,
		"supportsServerless": !status.OnDemand, "deprecationDate": shutdown,
	})
	if err != nil {
		panic("sim: model resource: " + err.Error()) // strings and numbers always encode
	}
	return answer{body: b}, nil
}

func (s *Server) fireworksModels(*call) (answer, *apiError) {
	type entry struct {
		ID            string `json:"id"`
		Object        string `json:"object"`
		OwnedBy       string `json:"owned_by"`
		Created       int64  `json:"created"`
		Kind          string `json:"kind"`
		SupportsChat  bool   `json:"supports_chat"`
		SupportsImage bool   `json:"supports_image_input"`
		SupportsTools bool   `json:"supports_tools"`
		ContextLength int    `json:"context_length"`
	}
	var list []any
	for _, m := range s.listed(fireworks) {
		list = append(list, entry{ID: m.name, Object: "model", OwnedBy: "fireworks", Created: created,
			Kind: "HF_BASE_MODEL", SupportsChat: true, ContextLength: maxContext})
	}
	return listing(list)
}

func (s *Server) vllmModels(*call) (answer, *apiError) {
	type entry struct {
		ID         string  `json:"id"`
		Object     string  `json:"object"`
		Created    int64   `json:"created"`
		OwnedBy    string  `json:"owned_by"`
		Root       string  `json:"root"`
		Parent     *string `json:"parent"`
		MaxLen     int     `json:"max_model_len"`
		Permission []any   `json:"permission"`
	}
	var list []any
	for _, m := range s.listed(vllm) {
		list = append(list, entry{ID: m.name, Object: "model", Created: created, OwnedBy: "vllm", Root: m.name,
			MaxLen: maxContext, Permission: []any{}})
	}
	return listing(list)
}

func (s *Server) openAIModels(*call) (answer, *apiError) {
	type entry struct {
		ID       string  `json:"id"`
		Object   string  `json:"object"`
		Created  int64   `json:"created"`
		OwnedBy  string  `json:"owned_by"`
		Shutdown *string `json:"shutdown_date"`
	}
	var list []any
	for _, m := range s.listed(openAI) {
		e := entry{ID: m.name, Object: "model", Created: created, OwnedBy: "system"}
		if d := s.status(m).Shutdown; !d.IsZero() {
			day := d.Format(time.DateOnly)
			e.Shutdown = &day
		}
		list = append(list, e)
	}
	return listing(list)
}

func listing(list []any) (answer, *apiError) {
	b, err := json.Marshal(map[string]any{"object": "list", "data": list})
	if err != nil {
		panic("sim: model listing: " + err.Error()) // strings and numbers always encode
	}
	return answer{body: b}, nil
}
