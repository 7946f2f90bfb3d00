package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// request holds the fields that the server acts on, of either protocol. A field
// that takes several types stays raw until it is known which one it has.
type request struct {
	Model               string          `json:"model"`
	Prompt              json.RawMessage `json:"prompt"`
	Messages            []message       `json:"messages"`
	MaxTokens           *int            `json:"max_tokens"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Temperature         *float64        `json:"temperature"`
	TopP                *float64        `json:"top_p"`
	TopK                *int            `json:"top_k"`
	Seed                *int64          `json:"seed"`
	N                   *int            `json:"n"`
	Stop                json.RawMessage `json:"stop"`
	Stream              bool            `json:"stream"`
	Echo                bool            `json:"echo"`
	EchoLast            *int            `json:"echo_last"`
	Logprobs            json.RawMessage `json:"logprobs"`
	TopLogprobs         *int            `json:"top_logprobs"`
	ReturnTokenIDs      bool            `json:"return_token_ids"`
	SafeTokenization    bool            `json:"safe_tokenization"`
	ResponseFormat      *responseFormat `json:"response_format"`

	// vLLM's.
	AddSpecialTokens     *bool `json:"add_special_tokens"`
	AddGenerationPrompt  *bool `json:"add_generation_prompt"`
	ContinueFinalMessage bool  `json:"continue_final_message"`
	TemplateKwargs       struct {
		EnableThinking *bool `json:"enable_thinking"`
	} `json:"chat_template_kwargs"`
	late             bool // characters show late, as vLLM's do
	PromptLogprobs   *int `json:"prompt_logprobs"`
	ReturnPromptText bool `json:"return_prompt_text"`

	RepetitionPenalty *float64 `json:"repetition_penalty"`
}

// message is a turn whose content is a string, or a list of text parts.
type message struct {
	Role    string
	Content string
}

func (m *message) UnmarshalJSON(b []byte) error {
	var raw struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	m.Role = raw.Role
	if json.Unmarshal(raw.Content, &m.Content) == nil {
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw.Content, &parts); err != nil {
		return errors.New("content is neither a string nor a list of text parts")
	}
	var b2 strings.Builder
	for _, p := range parts {
		if p.Type != "text" {
			return fmt.Errorf("content part of type %q is not supported", p.Type)
		}
		b2.WriteString(p.Text)
	}
	m.Content = b2.String()
	return nil
}

// decode reads a request's body.
func decode(body []byte) (*request, *apiError) {
	var r request
	err := json.Unmarshal(body, &r)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		return nil, &apiError{status: http.StatusUnprocessableEntity, kind: "invalid_request_error",
			message: fmt.Sprintf("Input should be a valid %s, not %s", wrong.Type, wrong.Value), param: wrong.Field}
	case err != nil:
		return nil, badRequest("", "We could not parse the JSON body of your request: %v", err)
	}
	return &r, nil
}

// absent reports a field that was left out or sent as null.
func absent(raw json.RawMessage) bool {
	return len(raw) == 0 || bytes.Equal(raw, []byte("null"))
}

// defaults are what a server uses where a request says nothing.
type defaults struct {
	temperature, topP float64
	maxTokens         int
}

// sampling checks how the request wants its tokens drawn.
func (r *request) sampling(d defaults) (langmodel.Sampling, *apiError) {
	s := langmodel.Sampling{Temperature: d.temperature, TopP: d.topP}
	if r.Temperature != nil {
		s.Temperature = *r.Temperature
	}
	if r.TopP != nil {
		s.TopP = *r.TopP
	}
	if r.TopK != nil {
		s.TopK = *r.TopK
	}
	switch {
	case !(s.Temperature >= 0 && s.Temperature <= 2):
		return s, badRequest("temperature", "Invalid value %v for temperature: want 0 to 2", s.Temperature)
	case !(s.TopP > 0 && s.TopP <= 1):
		return s, badRequest("top_p", "Invalid value %v for top_p: want (0, 1]", s.TopP)
	case s.TopK < 0 || s.TopK > 100:
		return s, badRequest("top_k", "Invalid value %d for top_k: want 0 to 100", s.TopK)
	case r.N != nil && *r.N != 1:
		return s, badRequest("n", "Invalid value %d for n: this server gives one choice a prompt", *r.N)
	case r.Stream:
		return s, badRequest("stream", "This server does not stream")
	}
	return s, nil
}

// limit is the most tokens that may be generated.
func (r *request) limit(d defaults, least int) (int, *apiError) {
	n, name := d.maxTokens, "max_tokens"
	switch {
	case r.MaxTokens != nil && r.MaxCompletionTokens != nil:
		return 0, badRequest("max_completion_tokens", "Only one of max_tokens and max_completion_tokens may be set")
	case r.MaxTokens != nil:
		n = *r.MaxTokens
	case r.MaxCompletionTokens != nil:
		n, name = *r.MaxCompletionTokens, "max_completion_tokens"
	}
	if n < least || n > maxContext {
		return 0, badRequest(name, "Invalid value %d for %s: want %d to %d", n, name, least, maxContext)
	}
	return n, nil
}

// stops are the request's stop strings: one, or a list.
func (r *request) stops() ([]string, *apiError) {
	if absent(r.Stop) {
		return nil, nil
	}
	var one string
	if json.Unmarshal(r.Stop, &one) == nil {
		return []string{one}, nil
	}
	var list []string
	if json.Unmarshal(r.Stop, &list) != nil || len(list) > 4 {
		return nil, badRequest("stop", "stop: want a string or a list of up to 4 strings")
	}
	return list, nil
}

// fits checks the context window.
func fits(prompt []int, maxTokens int) *apiError {
	if len(prompt)+maxTokens <= maxContext {
		return nil
	}
	return &apiError{status: http.StatusBadRequest, kind: "context_length_exceeded", param: "messages",
		message: fmt.Sprintf(
			"This model's maximum context length is %d tokens. However, your request has %d prompt tokens and asks for up to "+
				"%d more.",
			maxContext, len(prompt), maxTokens)}
}

// render turns a conversation into the model's own tokens. Special-token text
// in the users' turns becomes the token, or stays text where safe is set.
func (s *Server) render(msgs []message, safe bool) (string, []int, *apiError) {
	name := "llama4"
	if s.config.Faults.WrongTemplate {
		name = "chatml"
	}
	template, ok := chat.Lookup(name)
	if !ok {
		panic("sim: no chat template " + name)
	}
	// The template refuses text that spells a special token, and a server takes
	// it. So the opening mark is hidden from the template, and shown again to
	// the tokenizer; where it stays hidden it is text.
	hidden := hideMark(msgs)
	turns := make([]dataset.Message, len(msgs))
	users := make([]dataset.Message, len(msgs))
	for i, m := range msgs {
		content := strings.ReplaceAll(m.Content, specialMark, hidden)
		turns[i] = dataset.Message{Role: m.Role, Content: content}
		if m.Role != "user" {
			content = m.Content // parsed, whoever wrote it
		}
		users[i] = dataset.Message{Role: m.Role, Content: content}
	}
	masked, err := template.Render(turns)
	if err != nil {
		return "", nil, badRequest("messages", "%s", strings.ReplaceAll(err.Error(), hidden, specialMark))
	}
	text := strings.ReplaceAll(masked, hidden, specialMark)
	if !safe {
		return text, tokenizer().Encode(text), nil
	}
	return text, encodeMasked(masked, hidden), nil
}

// specialMark begins the text of every special token.
const specialMark = "<|"

// hideMark is a character of the private use area that no message contains.
func hideMark(msgs []message) string {
	for r := '\uE000'; r <= '\uF8FF'; r++ {
		mark := string(r)
		used := false
		for _, m := range msgs {
			used = used || strings.Contains(m.Content, mark)
		}
		if !used {
			return mark
		}
	}
	return "\U00100000\U00100001" // 6,400 characters were all in use: nobody sends that by chance
}

// encodeMasked tokenizes a rendered text in which content hides its special
// marks: the template's own special tokens are recognised, those that content
// spells are ordinary text.
func encodeMasked(masked, hidden string) []int {
	tok := tokenizer()
	var ids []int
	ordinary := func(s string) {
		ids = append(ids, tok.EncodeOrdinary(strings.ReplaceAll(s, hidden, specialMark))...)
	}
	rest, from := masked, 0
	for {
		i := strings.Index(rest[from:], specialMark)
		if i < 0 {
			break
		}
		i += from
		end := strings.Index(rest[i:], "|>")
		if end < 0 {
			break
		}
		end += i + len("|>")
		id, ok := tok.Special(rest[i:end])
		if !ok {
			from = i + len(specialMark)
			continue
		}
		ordinary(rest[:i])
		ids = append(ids, id)
		rest, from = rest[end:], 0
	}
	ordinary(rest)
	return ids
}

// property is one property of a JSON schema's object, in the schema's order.
type property struct {
	name             string
	types            []string
	minimum, maximum *float64
	enum             []json.RawMessage
}

// responseFormat is what the reply has to look like.
type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name   string          `json:"name"`
		Schema json.RawMessage `json:"schema"`
		Strict bool            `json:"strict"`
	} `json:"json_schema"`
}

// properties reads the schema, and holds it to the rules of strict mode.
func (f *responseFormat) properties() ([]property, *apiError) {
	const param = "response_format"
	if f.JSONSchema == nil || absent(f.JSONSchema.Schema) {
		return nil, badRequest(param, "Missing required parameter: 'response_format.json_schema.schema'.")
	}
	name := f.JSONSchema.Name
	valid := func(r rune) bool {
		return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool { return !valid(r) }) {
		return nil, badRequest(param, "Invalid 'response_format.json_schema.name': want 1 to 64 of a-z, A-Z, 0-9, _ and -.")
	}
	invalid := func(format string, args ...any) *apiError {
		return badRequest(param, "Invalid schema for response_format '%s': %s", name, fmt.Sprintf(format, args...))
	}
	var schema struct {
		Type                 string          `json:"type"`
		Properties           json.RawMessage `json:"properties"`
		Required             []string        `json:"required"`
		AdditionalProperties json.RawMessage `json:"additionalProperties"`
	}
	if err := json.Unmarshal(f.JSONSchema.Schema, &schema); err != nil {
		return nil, invalid("%v", err)
	}
	if schema.Type != "object" {
		return nil, invalid("schema must have type 'object'.")
	}
	props, err := orderedProperties(schema.Properties)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if !f.JSONSchema.Strict {
		return props, nil
	}
	if string(schema.AdditionalProperties) != "false" {
		return nil, invalid("In context=(), 'additionalProperties' is required to be supplied and to be false.")
	}
	required := make(map[string]bool)
	for _, r := range schema.Required {
		required[r] = true
	}
	for _, p := range props {
		if !required[p.name] {
			return nil, invalid("In context=(), 'required' is required to be supplied and to be an array including every "+
				"key in properties. Missing '%s'.", p.name)
		}
		delete(required, p.name)
	}
	for extra := range required {
		return nil, invalid("In context=(), 'required' names '%s', which is no property.", extra)
	}
	return props, nil
}

// orderedProperties reads a JSON object of schemas without losing its order,
// which the reply follows.
func orderedProperties(raw json.RawMessage) ([]property, error) {
	if absent(raw) {
		return nil, errors.New("object schema has no properties")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("properties is no object")
	}
	var props []property
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var p struct {
			Type    json.RawMessage   `json:"type"`
			Minimum *float64          `json:"minimum"`
			Maximum *float64          `json:"maximum"`
			Enum    []json.RawMessage `json:"enum"`
		}
		if err := dec.Decode(&p); err != nil {
			return nil, fmt.Errorf("property %v: %w", key, err)
		}
		prop := property{name: key.(string), minimum: p.Minimum, maximum: p.Maximum, enum: p.Enum}
		var one string
		if json.Unmarshal(p.Type, &one) == nil {
			prop.types = []string{one}
		} else if err := json.Unmarshal(p.Type, &prop.types); err != nil && !absent(p.Type) {
			return nil, fmt.Errorf("property %v: type: %w", key, err)
		}
		props = append(props, prop)
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return props, nil
}
