package sim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/langmodel"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// VLLMURL is the base URL of the vLLM protocol: [Server.URL] and "/vllm/v1".
func (s *Server) VLLMURL() string { return s.URL() + "/vllm/v1" }

// PolyglotModelOf is PolyglotModel behind the chat endpoint of vLLM, where a
// model's own template renders the conversation: the one that this names.
func PolyglotModelOf(template string) string { return PolyglotModel + "." + template }

// vllmCompletions serves POST /vllm/v1/completions. What differs from Fireworks
// is the BOS token that is put before a text unless the request forbids it, that
// log-probs come in the old format alone, and that characters show late.
func (s *Server) vllmCompletions(c *call) (answer, *apiError) {
	r, err := decode(c.body)
	if err != nil {
		return answer{}, err
	}
	var on bool
	if json.Unmarshal(r.Logprobs, &on) == nil && !absent(r.Logprobs) {
		return answer{}, badRequest("logprobs", "Input should be a valid integer, unable to parse logprobs")
	}
	var text string
	if json.Unmarshal(r.Prompt, &text) == nil && (r.AddSpecialTokens == nil || *r.AddSpecialTokens) {
		raw, e := json.Marshal("<|begin_of_text|>" + text)
		if e != nil {
			panic("sim: prompt: " + e.Error()) // a string always encodes
		}
		r.Prompt = raw
	}
	r.late = true
	return s.completions(c, r)
}

// shownLate gives the tokens the texts that vLLM gives them (0.32.0,
// v1/engine/logprobs.py, _correct_decoded_token, and observed). A piece that
// leaves a character open shows as nothing, and the one that completes it as all
// that was not shown; up to four tokens before it are looked at, and a text's first
// is not among them. Offsets count the characters shown.
func shownLate(entries []entry) []entry {
	tok := vocabulary()
	open := func(raw []byte) bool {
		r, n := utf8.DecodeLastRune(raw)
		return r == utf8.RuneError && n > 0
	}
	join := func(es []entry) (raw []byte) {
		for _, e := range es {
			raw = append(raw, tok.Bytes(e.id)...)
		}
		return raw
	}
	out := slices.Clone(entries)
	at := 0
	for i, e := range entries {
		text := cleanText(tok.Bytes(e.id))
		if i > 0 && open(tok.Bytes(e.id)) {
			text = ""
			from := 0
			if entries[0].first {
				from = 1
			}
			for k := i - 1; k >= max(from, i-4); k-- {
				if open(join(entries[k : i+1])) {
					continue
				}
				clean := i // the tokens before it that are open, too, were not shown
				for clean > k && open(tok.Bytes(entries[clean-1].id)) {
					clean--
				}
				text = strings.TrimPrefix(cleanText(join(entries[k:i+1])), cleanText(join(entries[k:clean])))
				break
			}
		}
		out[i].shown, out[i].offset = &text, at
		at += utf8.RuneCountInString(text)
	}
	return out
}

// vllmChat serves POST /vllm/v1/chat/completions: a generation, or, with
// prompt_logprobs, the log-probs of the conversation as the model's own template
// renders it.
//
// A conversation may end with the assistant's message, where
// add_generation_prompt is off: closed as an earlier turn is, or left open for
// the model to go on with, where continue_final_message is on.
func (s *Server) vllmChat(c *call) (answer, *apiError) {
	r, err := decode(c.body)
	if err != nil {
		return answer{}, err
	}
	header := r.AddGenerationPrompt == nil || *r.AddGenerationPrompt
	switch {
	case header && r.ContinueFinalMessage:
		return answer{}, badRequest("", "Cannot set both `continue_final_message` and `add_generation_prompt` to True.")
	case r.PromptLogprobs != nil && *r.PromptLogprobs < 0:
		return answer{}, badRequest("prompt_logprobs", "`prompt_logprobs` must be a positive value or -1.")
	}
	t, err := s.fireworksTask(c, r, 1)
	if err != nil {
		return answer{}, err
	}
	s.config.VLLM.started(&t, r)
	if r.ResponseFormat != nil && r.ResponseFormat.Type != "text" {
		if _, t.prompt, err = s.render(r.Messages, true); err != nil {
			return answer{}, err
		}
		return s.grade(c, r, t)
	}
	text, err := s.vllmRender(t.model, r, header)
	if err != nil {
		return answer{}, err
	}
	if r.AddSpecialTokens != nil && *r.AddSpecialTokens {
		text = "<|begin_of_text|>" + text
	}
	t.prompt = t.model.lm().Tokenizer().Encode(text)
	if err := fits(t.prompt, t.maxTokens); err != nil {
		return answer{}, err
	}
	t.stream = s.drawStream(t.model, t.prompt, r.Seed, c.id, 0)
	ch := s.run(t, c.id)
	ch.ids = slices.Concat(ch.ids, ch.stop)
	a := s.chatAnswer(c, r, t, ch)
	if r.PromptLogprobs == nil && !r.ReturnPromptText {
		return a, nil
	}
	b := a.body[:len(a.body)-1]
	if r.ReturnPromptText {
		b = append(b, `,"prompt_text":`...)
		b = appendString(b, text)
	}
	b = append(b, `,"prompt_logprobs":`...)
	if r.PromptLogprobs == nil || s.config.Faults.NoEcho {
		b = append(b, "null"...)
	} else {
		t.echo, t.top = len(t.prompt), *r.PromptLogprobs
		b = appendPromptLogprobs(b, shownLate(s.scorePrompt(t, c.id, newOffsets([]byte(text)))))
	}
	a.body = append(b, '}')
	return a, nil
}

// vllmTokenize serves POST /vllm/tokenize: the token ids that chat makes of the messages.
func (s *Server) vllmTokenize(c *call) (answer, *apiError) {
	r, err := decode(c.body)
	if err != nil {
		return answer{}, err
	}
	m, err := s.model(c, r.Model)
	if err != nil {
		return answer{}, err
	}
	text, err := s.vllmRender(m, r, r.AddGenerationPrompt == nil || *r.AddGenerationPrompt)
	if err != nil {
		return answer{}, err
	}
	if r.AddSpecialTokens != nil && *r.AddSpecialTokens {
		text = "<|begin_of_text|>" + text
	}
	ids := m.lm().Tokenizer().Encode(text)
	body, e := json.Marshal(map[string]any{"count": len(ids), "max_model_len": maxContext, "tokens": ids,
		"token_strs": nil})
	if e != nil {
		panic("sim: tokenize: " + e.Error()) // ids are numbers
	}
	return answer{body: body}, nil
}

// noThought is what Qwen3's template puts in front of an answer if enable_thinking is off.
const noThought = "<think>\n\n</think>\n\n"

// vllmRender puts the messages through the model's own template.
func (s *Server) vllmRender(m modelSpec, r *request, header bool) (string, *apiError) {
	if len(r.Messages) == 0 {
		return "", badRequest("messages", "List should have at least 1 item after validation, not 0")
	}
	name := m.template
	if name == "" || s.config.Faults.WrongTemplate {
		name = map[bool]string{true: "chatml", false: "llama4"}[s.config.Faults.WrongTemplate]
	}
	template, ok := chat.Lookup(name)
	if !ok {
		panic("sim: no chat template " + name)
	}
	turns := make([]dataset.Message, len(r.Messages))
	for i, m := range r.Messages {
		turns[i] = dataset.Message{Role: m.Role, Content: m.Content}
	}
	last := turns[len(turns)-1]
	if last.Role != "assistant" {
		text, err := template.Render(turns)
		if err != nil {
			return "", badRequest("messages", "%v", err)
		}
		if !header { // the turns alone, without what announces the answer
			text = strings.TrimSuffix(text, template.ResponseHeader())
		} else if think := r.TemplateKwargs.EnableThinking; think != nil && !*think {
			text += noThought
		}
		return text, nil
	}
	// The published templates write the last answer as an earlier one, or behind the
	// empty thought by which they turn thinking off.
	text, err := template.Render(turns[:len(turns)-1])
	if err != nil {
		return "", badRequest("messages", "%v", err)
	}
	turn, content := template.Assistant(), last.Content
	if strings.Contains(template.ResponseHeader(), "</think>") {
		content = strings.TrimLeft(content, "\n")
	} else {
		text = strings.TrimSuffix(text, template.ResponseHeader()) + turn.Before
	}
	if turn.Trim {
		content = strings.TrimSpace(content)
	}
	text += content
	if !r.ContinueFinalMessage {
		text += turn.After
		if header {
			text += template.ResponseHeader()
		}
	}
	return text, nil
}

// appendPromptLogprobs writes a list of maps from token id to log-prob, rank and
// text: of the token that stands there, and of the likeliest ones.
func appendPromptLogprobs(b []byte, entries []entry) []byte {
	tok := vocabulary()
	one := func(id int, text string, lp float64, rank int) {
		b = append(b, '"')
		b = strconv.AppendInt(b, int64(id), 10)
		b = append(b, `":{"logprob":`...)
		b = appendFloat(b, lp)
		b = append(b, `,"rank":`...)
		b = strconv.AppendInt(b, int64(rank), 10)
		b = append(b, `,"decoded_token":`...)
		b = appendString(b, text)
		b = append(b, '}')
	}
	b = append(b, '[')
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		if e.first {
			b = append(b, "null"...)
			continue
		}
		b = append(b, '{')
		rank := 1 + slices.IndexFunc(e.top, func(c langmodel.Candidate) bool { return c.ID == e.id })
		if rank == 0 {
			rank = len(e.top) + 1
		}
		one(e.id, *e.shown, e.logprob, rank)
		for k, c := range e.top {
			if c.ID != e.id {
				b = append(b, ',')
				one(c.ID, cleanText(tok.Bytes(c.ID)), c.LogProb, k+1)
			}
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
