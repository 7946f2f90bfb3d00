package grading

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/memo"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/providers"
)

// The parts of every grader's prompt that are not its rubric.
var (
	//go:embed user.txt
	userTemplate string
	//go:embed protocol.txt
	protocol string
)

// The default limits of a question.
const (
	// defaultMaxTokens limits a reply: a sentence and a few numbers.
	defaultMaxTokens = 200
	// defaultMaxMaterial limits what is to be read, in bytes: about 25,000
	// tokens of English, which every current grader has room for.
	defaultMaxMaterial = 100_000
)

// Task is what a grader asks of its model, the same for every response.
type Task struct {
	Kind        string // what grades: "deterministic judge", …; part of the identity
	Name        string // the first part of the identity
	Model       string
	Rubric      string // system prompt; {{min}} and {{max}} stand for the scale's ends
	Min, Max    int    // the scale; both 0 means 0 to 100
	Fields      []string
	Temperature float64
	MaxTokens   int // 0 means 200
	Draws       int // readings per response, 1 for most
	// MaxMaterial is the largest conversation and response, together and in
	// bytes, that is sent; 0 means 100,000. Nothing is ever cut to fit.
	MaxMaterial int
	// Top asks for the log-probs of the reply with that many alternatives.
	Top int

	common *common // of requests; nil: made for each
}

// WithDefaults returns t complete, or says what is wrong with it.
func (t Task) WithDefaults() (Task, error) {
	if t.Min == 0 && t.Max == 0 {
		t.Max = 100
	}
	if t.MaxTokens == 0 {
		t.MaxTokens = defaultMaxTokens
	}
	if t.MaxMaterial == 0 {
		t.MaxMaterial = defaultMaxMaterial
	}
	var problem string
	switch {
	case t.Name == "":
		problem = "Name is empty: records refer to the grader by it"
	case t.Model == "":
		problem = "Model is empty"
	case strings.TrimSpace(t.Rubric) == "":
		problem = "the rubric is blank"
	case t.Min >= t.Max:
		problem = fmt.Sprintf("scale %d to %d: want Min < Max", t.Min, t.Max)
	case t.MaxTokens < 0:
		problem = fmt.Sprintf("MaxTokens %d: want a positive limit, or 0 for %d", t.MaxTokens, defaultMaxTokens)
	case t.MaxMaterial < 0:
		problem = fmt.Sprintf("MaxMaterial %d: want a positive limit, or 0 for %d", t.MaxMaterial, defaultMaxMaterial)
	}
	if problem != "" {
		return t, errors.New(problem)
	}
	return t, nil
}

// identity is the grader's name and 16 hexadecimal digits of a SHA-256 over
// everything that decides its grades: kind, model, every word of its prompt,
// scale, form of reply, sampling, number of readings and limits, and the version
// of the rules by which replies are read.
func (t Task) identity() string {
	return t.Name + "@" + digest(
		"reweigh grader 4", t.Kind, t.Model, t.system(), userTemplate, strings.Join(t.Fields, ","),
		strconv.Itoa(t.Min), strconv.Itoa(t.Max), strconv.FormatFloat(t.Temperature, 'g', -1, 64),
		strconv.Itoa(t.MaxTokens), strconv.Itoa(t.Draws), strconv.Itoa(t.MaxMaterial), strconv.Itoa(t.Top),
	)
}

// Request is the question about one response.
func (t Task) Request(tag providers.Tag, prompt dataset.Prompt, response string) providers.GenerateRequest {
	in := t.inCommon()
	return providers.GenerateRequest{
		Tag:         tag,
		Model:       t.Model,
		Messages:    in.messages(tag, prompt, response),
		Sampling:    offpolicy.Sampling{Temperature: t.Temperature, TopP: 1, TopK: 0, MaxTokens: t.MaxTokens},
		AnySampling: true, // a judge is no policy
		Schema:      in.schema,
		LogProbs:    t.Top > 0, TopLogProbs: t.Top,
	}
}

func (t Task) system() string {
	scale := strings.NewReplacer("{{min}}", strconv.Itoa(t.Min), "{{max}}", strconv.Itoa(t.Max))
	return scale.Replace(strings.TrimSpace(t.Rubric) + "\n\n" + strings.TrimSpace(protocol))
}

// common is what all requests of a task have in common.
type common struct {
	identity, system string
	schema           *providers.Schema
	readings         memo.Table[string, reading] // of short replies, which may be alike
}

func (t Task) inCommon() *common {
	if t.common != nil {
		return t.common
	}
	return &common{identity: t.identity(), system: t.system(), schema: t.schema(),
		readings: memo.Table[string, reading]{Size: 16}}
}

func (c *common) messages(tag providers.Tag, prompt dataset.Prompt, response string) []dataset.Message {
	context := conversation(prompt)
	values := map[string]string{"nonce": nonce(c.identity, tag, context, response), "prompt": context,
		"response": response}
	var user strings.Builder
	user.Grow(len(userTemplate) + len(context) + len(response) + 128) // a nonce is longer than its name
	for i, part := range userParts() {
		if i%2 == 1 {
			part = values[part]
		}
		user.WriteString(part)
	}
	return []dataset.Message{{Role: "system", Content: c.system}, {Role: "user", Content: user.String()}}
}

// userParts are the template's texts, and between them the names of what is put there. What is put
// in is not looked through, so that a response that spells a placeholder stays as it is.
var userParts = sync.OnceValue(func() []string {
	return regexp.MustCompile(`\{\{|\}\}`).Split(strings.TrimSpace(userTemplate), -1)
})

// conversation is the context as the grader sees it: the text itself if there is
// one turn, otherwise a "role: content" line for each.
func conversation(p dataset.Prompt) string {
	turns := p.Turns()
	if len(turns) == 1 && turns[0].Role == "user" {
		return turns[0].Content
	}
	lines := make([]string, len(turns))
	for i, m := range turns {
		lines[i] = m.Role + ": " + m.Content
	}
	return strings.Join(lines, "\n")
}

// nonce is the code of the markers, a new one for every call: a function of the
// call and of what it asks, so that the same call sends the same bytes. To write
// a text that contains its own code, an author who knows everything else must
// try 2^64 texts.
func nonce(identity string, tag providers.Tag, context, response string) string {
	return digest(identity, tag.Key.String(), tag.Call, context, response)
}

// material is the size of what is to be read, in bytes.
func (t Task) material(prompt dataset.Prompt, response string) int {
	return len(conversation(prompt)) + len(response)
}

// texts spares every digest a copy of what it is of.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// digest is 16 hexadecimal digits of the SHA-256 over the length-prefixed
// strings.
func digest(list ...string) string {
	text := texts.Get().(*[]byte)
	defer texts.Put(text)
	*text = (*text)[:0]
	for _, s := range list {
		*text = append(binary.BigEndian.AppendUint64(*text, uint64(len(s))), s...)
	}
	h := sha256.Sum256(*text)
	return hex.EncodeToString(h[:8])
}

// schema is the form of the reply: a sentence of reason first, so that the
// numbers follow from it, then one whole number for each field. Every property
// is required and no other allowed, as strict structured output wants it.
func (t Task) schema() *providers.Schema {
	type property struct {
		Type        string `json:"type"`
		Description string `json:"description,omitempty"`
		Minimum     *int   `json:"minimum,omitempty"`
		Maximum     *int   `json:"maximum,omitempty"`
	}
	names := append([]string{"reason"}, t.Fields...)
	// A server writes the properties in the order of the schema, and a map has no
	// order: hence the JSON text.
	var b strings.Builder
	for i, name := range names {
		p := property{Type: "integer", Minimum: &t.Min, Maximum: &t.Max}
		if name == "reason" {
			p = property{Type: "string", Description: "One sentence."}
		}
		v, err := json.Marshal(p)
		if err != nil {
			panic("grading: schema: " + err.Error())
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%s", name, v)
	}
	return &providers.Schema{Name: "grade", Schema: map[string]any{
		"type":                 "object",
		"properties":           json.RawMessage("{" + b.String() + "}"),
		"required":             names,
		"additionalProperties": false,
	}}
}
