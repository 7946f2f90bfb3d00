package providers_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/reweigh/reweigh/providers"
)

// product is a server of a known make over a toy model, with the behaviour
// towards echo and limits that the make's source or documentation describes
// (quirks.go names the places).
type product struct {
	*httptest.Server
	make   string
	noBOS  bool // the model has no BOS token
	ids    bool // takes return_token_ids
	silent bool // reports no usage

	mu     sync.Mutex
	vocab  map[string]int
	bodies []map[string]any
}

const bos = "<s>"

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func newProduct(t testing.TB, name string, set ...func(*product)) *product {
	t.Helper()
	p := &product{make: name, vocab: map[string]int{bos: 0}, ids: name == "vllm" || name == "sglang"}
	for _, s := range set {
		if s != nil {
			s(p)
		}
	}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *product) provider(t testing.TB, q providers.Quirks) *providers.Compatible {
	t.Helper()
	c, err := providers.NewCompatible(providers.CompatibleConfig{
		HTTPConfig: providers.HTTPConfig{BaseURL: p.URL + "/v1", HTTP: p.Client()}, Name: p.make, Quirks: q,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *product) requests() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.bodies)
}

// Words with the space before them; é in two tokens, half a character each.
var pieces = regexp.MustCompile(`<s>| ?[A-Za-z]+|[^A-Za-z]`)

func (p *product) tokenize(text string) (ids []int) {
	for _, w := range pieces.FindAllString(text, -1) {
		if utf8.RuneCountInString(w) == 1 && len(w) > 1 {
			ids = append(ids, p.id(w[:1]), p.id(w[1:]))
			continue
		}
		ids = append(ids, p.id(w))
	}
	return ids
}

func (p *product) id(piece string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := p.vocab[piece]; ok {
		return id
	}
	id := len(p.vocab)
	p.vocab[piece] = id
	return id
}

func (p *product) piece(id int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s, i := range p.vocab {
		if i == id {
			return s
		}
	}
	return "?"
}

// show is a token as the make decodes it by itself.
func (p *product) show(id int) string {
	s := p.piece(id)
	if p.make == "llama-cpp-python" { // errors="ignore", special tokens off
		if s == bos {
			return ""
		}
		return strings.ToValidUTF8(s, "")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// entries are log-probs in the old completions format.
type entries struct {
	Tokens   []string   `json:"tokens"`
	LogProbs []*float64 `json:"token_logprobs"`
	IDs      []int      `json:"token_ids,omitempty"`
	Offset   []int      `json:"text_offset,omitempty"`
}

// logProb is that of ids[i] after those before it.
func logProb(ids []int, i int) float64 {
	h := fnv.New32a()
	fmt.Fprint(h, ids[:i+1])
	return -float64(h.Sum32()%1000+1) / 100
}

func (p *product) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reply := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	type obj = map[string]any
	refuse := func(status int, message string) {
		reply(status, obj{"object": "error", "message": message, "type": "BadRequestError", "code": status})
	}
	if id := r.Header.Get("X-Request-Id"); p.make == "llama-cpp-python" && id != "" && !uuid.MatchString(id) {
		reply(400, obj{"error": "bad request"}) // starlette-context, seen on a running server
		return
	}
	if strings.HasSuffix(r.URL.Path, "/models") {
		reply(200, obj{"data": []obj{{"id": "m"}}})
		return
	}
	var b struct {
		Model, Prompt, Messages any
		MaxTokens               *int `json:"max_tokens"`
		Echo                    bool
		LogProbs                any   `json:"logprobs"`
		Seed                    int64 `json:"seed"`
		Temperature             *float64
		TopK                    *int  `json:"top_k"`
		ReturnIDs               bool  `json:"return_token_ids"`
		AddSpecial              *bool `json:"add_special_tokens"`
	}
	body := obj{}
	raw := json.NewDecoder(r.Body)
	if err := raw.Decode(&body); err != nil {
		refuse(400, err.Error())
		return
	}
	again, _ := json.Marshal(body)
	if err := json.Unmarshal(again, &b); err != nil {
		refuse(400, err.Error())
		return
	}
	p.mu.Lock()
	p.bodies = append(p.bodies, body)
	p.mu.Unlock()
	if b.Model != "m" {
		refuse(404, "The model does not exist.")
		return
	}
	if p.make == "sglang" && b.TopK != nil && *b.TopK < 1 && *b.TopK != -1 {
		refuse(400, fmt.Sprintf("top_k must be -1 (disable) or at least 1, got %d.", *b.TopK))
		return
	}

	chat := strings.HasSuffix(r.URL.Path, "/chat/completions")
	var prompt []int
	switch v := b.Prompt.(type) {
	case string:
		prompt = p.tokenize(v)
		if !p.noBOS && (b.AddSpecial == nil || *b.AddSpecial) {
			prompt = append([]int{0}, prompt...)
		}
	case []any:
		if p.make == "llama-cpp-python" { // server/types.py: Union[str, List[str]]
			reply(422, obj{"detail": []obj{{"loc": []any{"body", "prompt"}, "msg": "Input should be a valid string"}}})
			return
		}
		for _, id := range v {
			prompt = append(prompt, int(id.(float64)))
		}
	default: // chat: every message counts
		text := bos
		messages, _ := b.Messages.([]any)
		for _, m := range messages {
			m, _ := m.(map[string]any)
			text += fmt.Sprint(m["role"], " ", m["content"], " ")
		}
		prompt = p.tokenize(text)
	}
	limit := 16
	if b.MaxTokens != nil {
		limit = *b.MaxTokens
	}
	switch {
	case limit == 0 && p.make == "llama-cpp-python":
		limit = 40 // to the end of the context
	case limit == 0 && p.make == "together":
		refuse(400, "max_tokens must be at least 1")
		return
	}
	all, finish := slices.Clone(prompt), "length"
	for i := 0; i < limit; i++ {
		if i == 60 {
			finish = "stop"
			break
		}
		draw := i
		if b.Temperature != nil && *b.Temperature > 0 {
			draw += int(b.Seed)
		}
		all = append(all, p.id([]string{" red", " blue", " green"}[draw%3]))
	}
	made := len(all) - len(prompt)

	text := func(ids []int) string {
		var s strings.Builder
		for _, id := range ids {
			s.WriteString(p.piece(id))
		}
		return strings.ToValidUTF8(s.String(), "\uFFFD")
	}
	list := func(from, to int) (e entries) {
		for i := from; i < to; i++ {
			v := logProb(all, i)
			e.Tokens, e.LogProbs = append(e.Tokens, p.show(all[i])), append(e.LogProbs, &v)
			if p.make == "together" {
				e.IDs = append(e.IDs, all[i])
			}
			if p.make == "sglang" {
				e.Offset = append(e.Offset, -1)
			}
		}
		return e
	}
	choice := obj{"index": 0, "finish_reason": finish}
	answer := obj{"id": "x", "model": "m", "choices": []obj{choice}}
	if !p.silent {
		answer["usage"] = obj{"prompt_tokens": len(prompt), "completion_tokens": made, "total_tokens": len(all)}
	}
	said := text(all[len(prompt):])
	if chat {
		choice["message"] = obj{"role": "assistant", "content": said}
		if b.LogProbs == true {
			content := []obj{}
			for i := len(prompt); i < len(all); i++ {
				content = append(content, obj{"token": p.show(all[i]), "logprob": logProb(all, i), "id": all[i]})
			}
			choice["logprobs"] = obj{"content": content}
		}
		reply(200, answer)
		return
	}
	choice["text"] = said
	if b.ReturnIDs && p.ids {
		choice["prompt_token_ids"], choice["token_ids"] = prompt, all[len(prompt):]
	}
	from := len(prompt)
	if b.Echo && p.make != "llamacpp" {
		from = 0
		if p.make != "vllm" || !b.ReturnIDs {
			if s, ok := b.Prompt.(string); ok {
				choice["text"] = s + said
			}
		}
	}
	if b.LogProbs != nil && b.LogProbs != false {
		switch {
		case p.make == "llamacpp":
			content := []obj{}
			for i := from; i < len(all); i++ {
				content = append(content, obj{"token": p.show(all[i]), "logprob": logProb(all, i), "id": all[i], "bytes": nil})
			}
			choice["logprobs"] = obj{"content": content}
		case p.make == "together" && from == 0:
			first := list(0, len(prompt))
			first.LogProbs[0] = nil
			answer["prompt"] = []obj{{"text": text(prompt), "logprobs": first}}
			choice["text"], choice["logprobs"] = said, p.absurd(list(len(prompt), len(all)))
		case p.make == "together":
			choice["logprobs"] = p.absurd(list(from, len(all)))
		case p.make == "llama-cpp-python" && from == 0:
			// all_tokens loses its BOS, all_logprobs starts at the first row:
			// without a BOS each token meets the row of the next.
			shown := all
			if all[0] == 0 {
				shown = all[1:]
			}
			var e entries
			for i, id := range shown {
				if id == 0 {
					continue
				}
				row := append(slices.Clone(all[:min(i+1, len(all))]), id)
				v := logProb(row, len(row)-1)
				e.Tokens, e.LogProbs = append(e.Tokens, p.show(id)), append(e.LogProbs, &v)
			}
			e.LogProbs[0] = nil
			choice["logprobs"] = e
		default:
			e := list(from, len(all))
			if from == 0 && len(e.LogProbs) > 0 {
				e.LogProbs[0] = nil
			}
			choice["logprobs"] = e
		}
	}
	reply(200, answer)
}

// absurd puts a positive number first, as Together was seen to do.
func (p *product) absurd(e entries) entries {
	if len(e.LogProbs) > 0 {
		*e.LogProbs[0] = 0.69970703 // togethercomputer/openapi issue 5
	}
	return e
}
