package providers

import "strings"

// answer is what a reply of chat/completions or completions holds: one form for
// both and for all services, because they differ in what they leave out. Only
// what the request needs of it is read (want); the rest has to be JSON.
type answer struct {
	model, tier string
	choices     int
	choice      choice
	usage       statedUsage
	elsewhere   statedUsage // under another name, where usage is missing
	promptIDs   []int
	listed      promptList
	positions   []position // vLLM chat: the conversation's log-probs
	promptText  string     // vLLM chat: the rendered conversation
	said        said       // an error, or words beside the choices
}

// choice is the first choice; others are passed over.
type choice struct {
	text      string
	hasText   bool
	message   message
	has       bool // there is a message
	finish    string
	native    string // the upstream's word behind a gateway's finish
	tokens    []Token
	promptIDs []int
	tokenIDs  []int
	positions []position // vLLM's completions: the prompt's alternatives by id
	stopped   string     // at this, says the server
	usage     statedUsage
	said      said
}

// message is what a chat's choice says.
type message struct {
	content string
	has     bool // content is there and not null
	refusal string
	// reasoned, called and other say what stands beside the text.
	reasoned, called bool
	other            string // a part of a kind that is not text
	odd              bool   // the content is something else than text, parts of it or null
}

// promptList is Together's echo: the prompts apart from the choices.
type promptList struct {
	n      int
	text   string
	tokens []Token
}

// want is what a request needs of its reply, and how much of it there can be.
type want struct {
	tokens    bool // log-probs, ids
	listed    bool // the list of prompts
	positions bool // a scored conversation
	most      int  // tokens
	top       int  // alternatives to each of them
}

// textBytes bounds a text of so many tokens. Reasoning that a service writes
// into the text may pass the request's limit, so the bound is wide.
func (w want) textBytes() int { return 1<<20 + 256*w.most }

// replyBytes bounds a reply: 4 MiB, and 4 KiB for every token that the request
// sends or asks for, at most maxReplyBytes.
func (w want) replyBytes() int64 { return min(maxReplyBytes, 4<<20+4<<10*int64(w.most)) }

// entries bounds lists of tokens: a server may add a template's framing to the
// prompt and generate more than it was asked for, but not many times as many.
func (w want) entries() int { return 1<<16 + w.most }

// alternatives bounds all of a reply together. Those beyond it are left out.
func (w want) alternatives() int { return min(1<<21, w.entries()*(1+w.top)) }

// answer reads a reply. An error is said where it stands: at the top, beside the
// choices or in their place, or in the choice.
func (r *reader) answer(w want) (a answer) {
	if r.kind() == '[' { // Gemini lists its errors
		for i, ok := 0, r.enter('['); ok; i, ok = i+1, r.more(']') {
			if i > 0 {
				r.skip()
				continue
			}
			a = r.answer(w)
		}
		return a
	}
	defer func() { r.salvage(&a) }()
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch key := r.key(); string(key) {
		case "model":
			a.model = r.word(maxName)
		case "service_tier":
			a.tier = r.word(maxName)
		case "choices":
			r.once(&seen, 0, "choices")
			for ok := r.enter('['); ok; ok = r.more(']') {
				if a.choices++; a.choices > 1 {
					r.skip()
					continue
				}
				a.choice = r.choice(w)
			}
		case "usage":
			if a.usage.seen {
				a.usage.twice = true
			}
			r.usage(&a.usage)
		case "usageMetadata", "usage_metadata": // Gemini's own
			r.usage(&a.elsewhere)
		case "prompt_token_ids": // Fireworks chat, vLLM chat
			a.promptIDs = r.ids(w, &seen, 1)
		case "prompt": // Together: the echoed prompt
			if !w.listed {
				r.skip()
				continue
			}
			r.once(&seen, 2, "prompt")
			a.listed = r.promptList(w)
		case "prompt_logprobs":
			if !w.positions {
				r.skip()
				continue
			}
			r.once(&seen, 3, "prompt_logprobs")
			a.positions = r.positions(w)
		case "prompt_text":
			if !w.positions {
				r.skip()
				continue
			}
			r.once(&seen, 4, "prompt_text")
			a.promptText, _ = r.text(w.textBytes())
		default:
			r.saidMember(&a.said, string(key), 0)
		}
	}
	for _, u := range []statedUsage{a.choice.usage, a.elsewhere} {
		if !a.usage.seen {
			a.usage = u
		}
	}
	return a
}

// salvage looks for the usage of an answer that failed before it was read: what
// cannot be used was paid for all the same.
func (r *reader) salvage(a *answer) {
	if !r.failed || a.usage.seen {
		return
	}
	err := r.err
	r.err = nil
	for r.err == nil && r.dec.StackDepth() > 1 {
		if _, e := r.dec.ReadToken(); e != nil {
			r.broken(e)
		}
	}
	if kind, n := r.dec.StackIndex(r.dec.StackDepth()); kind == '{' {
		if n%2 != 0 { // a key was read
			r.skip()
		}
		for r.more('}') {
			if string(r.key()) == "usage" {
				r.usage(&a.usage)
			} else {
				r.skip()
			}
		}
	}
	r.err = err
}

func (r *reader) choice(w want) (c choice) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "text":
			r.once(&seen, 0, "text")
			c.text, c.hasText = r.text(w.textBytes())
		case "message":
			r.once(&seen, 1, "message")
			if c.has = r.kind() == '{'; c.has {
				c.message = r.message(w)
			} else {
				r.skip()
			}
		case "finish_reason":
			r.once(&seen, 2, "finish_reason")
			c.finish = r.finish()
		case "native_finish_reason": // OpenRouter: the upstream's own word
			c.native = r.word(maxName)
		case "provider_specific_fields": // LiteLLM, with the same in it
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if string(r.key()) == "native_finish_reason" {
					c.native = r.word(maxName)
				} else {
					r.skip()
				}
			}
		case "logprobs":
			if !w.tokens {
				r.skip()
				continue
			}
			r.once(&seen, 3, "logprobs")
			c.tokens = r.logprobs(w)
		case "prompt_token_ids":
			c.promptIDs = r.ids(w, &seen, 4)
		case "token_ids":
			c.tokenIDs = r.ids(w, &seen, 5)
		case "prompt_logprobs":
			if !w.tokens || w.top == 0 {
				r.skip()
				continue
			}
			r.once(&seen, 6, "prompt_logprobs")
			c.positions = r.positions(w)
		case "stop_reason", "matched_stop": // vLLM, SGLang: a string, or the id of an end-of-turn token
			if r.kind() == '"' {
				c.stopped = r.word(maxName)
			} else {
				r.skip()
			}
		case "usage": // Moonshot
			r.usage(&c.usage)
		case "error":
			r.saidMember(&c.said, "error", 0)
		default:
			r.skip()
		}
	}
	return c
}

// finish is a reason to end: a word, or an object of which "type" is the word. Python's
// and JSON's words for nothing are none.
func (r *reader) finish() (word string) {
	if r.kind() != '{' {
		word = r.word(maxName)
		if strings.EqualFold(word, "none") || strings.EqualFold(word, "null") {
			return ""
		}
		return word
	}
	for ok := r.enter('{'); ok; ok = r.more('}') {
		if string(r.key()) == "type" {
			word = r.word(maxName)
			continue
		}
		r.skip()
	}
	return word
}

func (r *reader) message(w want) (m message) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "content":
			r.once(&seen, 0, "content")
			r.content(&m, w)
		case "refusal":
			r.once(&seen, 1, "refusal")
			m.refusal, _ = r.text(w.textBytes())
		case "reasoning_content", "reasoning", "reasoning_details", "thinking", "thinking_blocks":
			// vLLM, SGLang, DeepSeek, Fireworks; newer vLLM, Together; OpenRouter; Ollama; LiteLLM
			m.reasoned = r.filled() || m.reasoned
		case "provider_specific_fields": // LiteLLM
			for ok := r.enter('{'); ok; ok = r.more('}') {
				switch string(r.key()) {
				case "reasoning_content", "reasoning", "thinking_blocks":
					m.reasoned = r.filled() || m.reasoned
				default:
					r.skip()
				}
			}
		case "tool_calls", "function_call":
			m.called = r.filled() || m.called
		default:
			r.skip()
		}
	}
	return m
}

// content is a message's text: a string, a list of parts whose texts are joined,
// or one part.
func (r *reader) content(m *message, w want) {
	switch r.kind() {
	case '"':
		m.content, m.has = r.text(w.textBytes())
	case '[':
		m.has = true
		var text []byte
		for ok := r.enter('['); ok; ok = r.more(']') {
			text = r.part(m, text, w)
		}
		m.content = string(text)
	case '{':
		m.has = true
		m.content = string(r.part(m, nil, w))
	case 'n':
		r.skip()
	default: // a number, true, false
		m.odd = true
		r.skip()
	}
}

// part reads a part of a message, and returns joined with its text behind it.
func (r *reader) part(m *message, joined []byte, w want) []byte {
	if r.kind() == '"' {
		s, _ := r.text(w.textBytes() - len(joined))
		return append(joined, s...)
	}
	switch r.kind() {
	case '{':
	case 'n':
		r.skip()
		return joined
	default:
		m.odd = true
		r.skip()
		return joined
	}
	var seen uint32
	var kind, text string
	var has, thought bool
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch string(r.key()) {
		case "type":
			r.once(&seen, 0, "type")
			kind = r.word(maxName)
		case "text":
			r.once(&seen, 1, "text")
			switch r.kind() {
			case '"', 'n':
				text, has = r.text(w.textBytes() - len(joined))
			case '{': // OpenAI's assistants
				text, has = r.textValue(w.textBytes() - len(joined))
				m.odd = m.odd || !has
			default:
				m.odd = true
				r.skip()
			}
		case "refusal":
			r.once(&seen, 2, "refusal")
			m.refusal, _ = r.text(w.textBytes())
		case "thinking", "reasoning", "summary":
			thought = r.filled() || thought
		default:
			r.skip()
		}
	}
	switch kind {
	case "", "text", "output_text":
		if has {
			joined = append(joined, text...)
		}
	case "refusal":
	case "thinking", "reasoning", "redacted_thinking":
		m.reasoned = true
	case "tool_use", "tool_call", "function_call":
		m.called = true
	default:
		m.other = kind
	}
	m.reasoned = m.reasoned || thought
	m.odd = m.odd || seen == 0 && !thought // an object that is no part
	return joined
}

// textValue is the text of {"value": …}.
func (r *reader) textValue(most int) (text string, has bool) {
	var seen uint32
	for ok := r.enter('{'); ok; ok = r.more('}') {
		if string(r.key()) != "value" {
			r.skip()
			continue
		}
		r.once(&seen, 0, "value")
		text, has = r.text(most)
	}
	return text, has
}

// ids is a list of token ids, nil where it is missing. With an entry that is none
// it is as good as missing, because that could be any token, and so it is where it
// stands twice.
func (r *reader) ids(w want, seen *uint32, bit uint) []int {
	twice := *seen&(1<<bit) != 0
	*seen |= 1 << bit
	if twice || r.kind() != '[' {
		r.skip()
		return nil
	}
	var ids []int
	odd := false
	for ok := r.enter('['); ok; ok = r.more(']') {
		id := r.id()
		if odd = odd || id < 0; odd {
			ids = nil
			continue
		}
		if len(ids) >= w.entries() {
			r.fail("more than %d token ids", len(ids))
			return nil
		}
		if ids == nil {
			ids = make([]int, 0, min(w.most, 1<<12))
		}
		ids = append(ids, id)
	}
	return ids
}

func (r *reader) promptList(w want) (l promptList) {
	for ok := r.enter('['); ok; ok = r.more(']') {
		if l.n++; l.n > 1 {
			r.skip()
			continue
		}
		var seen uint32
		for ok := r.enter('{'); ok; ok = r.more('}') {
			switch string(r.key()) {
			case "text":
				r.once(&seen, 0, "text")
				l.text, _ = r.text(w.textBytes())
			case "logprobs":
				r.once(&seen, 1, "logprobs")
				l.tokens = r.logprobs(w)
			default:
				r.skip()
			}
		}
	}
	return l
}
