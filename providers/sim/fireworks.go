package sim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/reweigh/reweigh/internal/langmodel"
)

// fireworksDefaults are Llama 4's own generation settings: a client that leaves
// a setting out does not get what it may have meant.
var fireworksDefaults = defaults{temperature: 0.6, topP: 0.9, maxTokens: 2048}

// fireworksCompletions serves POST /inference/v1/completions.
func (s *Server) fireworksCompletions(c *call) (answer, *apiError) {
	r, err := decode(c.body)
	if err != nil {
		return answer{}, err
	}
	return s.completions(c, r)
}

func (s *Server) completions(c *call, r *request) (answer, *apiError) {
	base, err := s.fireworksTask(c, r, 0)
	if err != nil {
		return answer{}, err
	}
	if absent(r.Prompt) {
		return answer{}, badRequest("prompt", "Missing required parameter: prompt")
	}
	prompts, err := parsePrompts(r.Prompt, base.model.lm().Tokenizer())
	if err != nil {
		return answer{}, err
	}
	if r.late {
		s.config.VLLM.started(&base, r)
	}
	tasks := make([]task, len(prompts))
	var u usage
	for i, prompt := range prompts {
		t := base
		t.prompt = prompt
		t.stream = s.drawStream(t.model, prompt, r.Seed, c.id, i)
		if err := fits(prompt, t.maxTokens); err != nil {
			return answer{}, err
		}
		t.echo = len(prompt)
		if r.EchoLast != nil {
			t.echo = min(*r.EchoLast, len(prompt))
		} else if !r.Echo {
			t.echo = 0
		}
		tasks[i] = t
		u.prompt += len(prompt)
	}

	b := head(room(tasks...), "cmpl-"+c.reply, "text_completion", base.model.name)
	for i, t := range tasks {
		if i > 0 {
			b = append(b, ',')
		}
		ch := s.run(t, c.id)
		u.completion += ch.generated
		b = append(b, `{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"text":`...)
		b = appendString(b, ch.text)
		b = append(b, `,"finish_reason":"`...)
		b = append(b, ch.finish...)
		b = append(b, `","logprobs":`...)
		if t.form == lateLogprobs {
			ch.entries = shownLate(ch.entries)
		}
		b = s.appendChoiceLogprobs(b, t, ch)
		if t.form == lateLogprobs && r.Echo && !s.config.Faults.NoEcho {
			// What echo and logprobs ask for is listed by id, too, as if prompt_logprobs had (completion/protocol.py).
			b = append(b, `,"prompt_logprobs":`...)
			b = appendPromptLogprobs(b, ch.entries[:len(t.prompt)])
		}
		if r.ReturnTokenIDs {
			b = append(b, `,"prompt_token_ids":`...)
			b = appendInts(b, t.prompt)
			b = append(b, `,"token_ids":`...)
			if r.late { // vLLM lists the stop token, too
				ch.ids = slices.Concat(ch.ids, ch.stop)
			}
			b = appendInts(b, ch.ids)
		}
		b = append(b, '}')
	}
	u = s.charged(u)
	b = appendUsage(append(b, ']'), u)
	return answer{body: append(b, '}'), model: base.model.name, usage: u}, nil
}

// fireworksChat serves POST /inference/v1/chat/completions.
func (s *Server) fireworksChat(c *call) (answer, *apiError) {
	r, err := decode(c.body)
	if err != nil {
		return answer{}, err
	}
	t, err := s.fireworksTask(c, r, 1)
	if err != nil {
		return answer{}, err
	}
	_, prompt, err := s.render(r.Messages, r.SafeTokenization)
	if err != nil {
		return answer{}, err
	}
	if err := fits(prompt, t.maxTokens); err != nil {
		return answer{}, err
	}
	t.prompt = prompt
	if r.ResponseFormat != nil && r.ResponseFormat.Type != "text" {
		return s.grade(c, r, t)
	}
	t.stream = s.drawStream(t.model, prompt, r.Seed, c.id, 0)
	// Chat echo is for looking at the prompt: it brings no log-probs.
	t.echoText = true
	if r.EchoLast != nil {
		t.echo = min(*r.EchoLast, len(prompt))
	} else if r.Echo {
		t.echo = len(prompt)
	}
	return s.chatAnswer(c, r, t, s.run(t, c.id)), nil
}

// fireworksTask reads what both endpoints share.
func (s *Server) fireworksTask(c *call, r *request, leastTokens int) (task, *apiError) {
	var t task
	var err *apiError
	if t.model, err = s.model(c, r.Model); err != nil {
		return t, err
	}
	if t.sampling, err = r.sampling(fireworksDefaults); err != nil {
		return t, err
	}
	if t.maxTokens, err = r.limit(fireworksDefaults, leastTokens); err != nil {
		return t, err
	}
	if t.stop, err = r.stops(); err != nil {
		return t, err
	}
	if r.EchoLast != nil && *r.EchoLast < 0 {
		return t, badRequest("echo_last", "Invalid value %d for echo_last: want 0 or more", *r.EchoLast)
	}
	t.form, t.top, err = r.fireworksLogprobs()
	if r.late && t.form == legacyLogprobs {
		t.form = lateLogprobs
	}
	return t, err
}

// fireworksLogprobs tells the two formats apart: true asks for the new one, a
// number from 1 to 5 for the old.
func (r *request) fireworksLogprobs() (logprobForm, int, *apiError) {
	top := 0
	if r.TopLogprobs != nil {
		if top = *r.TopLogprobs; top < 0 || top > 5 {
			return 0, 0, badRequest("top_logprobs", "Invalid value %d for top_logprobs: want 0 to 5", top)
		}
	}
	if absent(r.Logprobs) {
		if top > 0 {
			return 0, 0, badRequest("top_logprobs", "top_logprobs needs logprobs: true")
		}
		return noLogprobs, 0, nil
	}
	var on bool
	if json.Unmarshal(r.Logprobs, &on) == nil {
		if !on {
			return noLogprobs, 0, nil
		}
		return contentLogprobs, top, nil
	}
	n, most := 0, 5
	if r.late {
		most = 20 // vLLM's --max-logprobs
	}
	if json.Unmarshal(r.Logprobs, &n) != nil || n < 1 || n > most {
		return 0, 0, badRequest("logprobs", "Invalid value %s for logprobs: want true, false or 1 to %d", r.Logprobs, most)
	}
	return legacyLogprobs, n, nil
}

// parsePrompts reads a prompt in any of its four forms. No BOS is added, and
// special-token text stands for the token.
func parsePrompts(raw json.RawMessage, tok *langmodel.Tokenizer) ([][]int, *apiError) {
	if string(bytes.Join(bytes.Fields(raw), nil)) == "[]" {
		return nil, badRequest("prompt", "prompt: the list is empty")
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return [][]int{tok.Encode(text)}, nil
	}
	var texts []string
	if json.Unmarshal(raw, &texts) == nil && len(texts) > 0 {
		prompts := make([][]int, len(texts))
		for i, t := range texts {
			prompts[i] = tok.Encode(t)
		}
		return prompts, nil
	}
	var ids []int
	var lists [][]int
	switch {
	case json.Unmarshal(raw, &ids) == nil:
		lists = [][]int{ids}
	case json.Unmarshal(raw, &lists) != nil || len(lists) == 0:
		return nil, badRequest("prompt", "prompt: want a string, a list of strings, a list of token ids or a list of "+
			"such lists")
	}
	for _, l := range lists {
		for _, id := range l {
			if id < 0 || id >= tok.Size() {
				return nil, badRequest("prompt", "prompt: token id %d is outside the vocabulary [0, %d)", id, tok.Size())
			}
		}
	}
	return lists, nil
}

// charged is what the server says it counted.
func (s *Server) charged(u usage) usage {
	f := s.config.Faults
	return usage{prompt: f.count(u.prompt), completion: f.count(u.completion), cached: f.count(u.cached)}
}

// room is a buffer for about what the answer to tasks will take: growing into
// it would copy most of it several times.
func room(tasks ...task) []byte {
	n := 1024
	for _, t := range tasks {
		perToken := 8
		if t.form != noLogprobs {
			perToken = 200 + 100*t.top
		}
		n += perToken * (t.echo + min(t.maxTokens, 512))
	}
	return make([]byte, 0, n)
}

// head opens an answer, up to the first choice.
func head(b []byte, id, object, model string) []byte {
	b = fmt.Appendf(b, `{"id":%q,"object":%q,"created":%d,"model":`, id, object, created)
	b = appendString(b, model)
	return append(b, `,"choices":[`...)
}

func appendUsage(b []byte, u usage) []byte {
	return fmt.Appendf(b,
		`,"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d}}`,
		u.prompt, u.completion, u.prompt+u.completion, u.cached)
}

// appendChoiceLogprobs writes null where nothing was asked for, or where echo
// is broken and nothing was generated.
func (s *Server) appendChoiceLogprobs(b []byte, t task, c choice) []byte {
	if t.form == noLogprobs || s.config.Faults.NoEcho && len(c.entries) == 0 {
		return append(b, "null"...)
	}
	return appendLogprobs(b, t.form, c.entries)
}

// chatAnswer writes a chat completion of either provider.
func (s *Server) chatAnswer(c *call, r *request, t task, ch choice) answer {
	if c.provider == openAI && len(ch.entries) > len(ch.ids) {
		ch.entries = ch.entries[:len(ch.ids)] // OpenAI does not show the end of the turn
	}
	b := head(room(t), "chatcmpl-"+c.reply, "chat.completion", t.model.name)
	b = append(b, `{"index":0,"message":{"role":"assistant","content":`...)
	b = appendString(b, ch.text)
	if c.provider == openAI {
		b = append(b, `,"refusal":null`...)
	}
	b = append(b, `},"finish_reason":"`...)
	b = append(b, ch.finish...)
	b = append(b, `","logprobs":`...)
	b = s.appendChoiceLogprobs(b, t, ch)
	if r.ReturnTokenIDs {
		b = append(b, `,"token_ids":`...)
		b = appendInts(b, ch.ids)
	}
	b = append(b, '}', ']')
	if r.ReturnTokenIDs {
		b = append(b, `,"prompt_token_ids":`...)
		b = appendInts(b, t.prompt)
	}
	u := s.charged(usage{prompt: len(t.prompt), completion: ch.generated})
	b = appendUsage(b, u)
	if c.provider == openAI {
		b = append(b, `,"service_tier":"default","system_fingerprint":null`...)
	}
	return answer{body: append(b, '}'), model: t.model.name, usage: u}
}
