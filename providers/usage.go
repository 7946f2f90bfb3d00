package providers

import (
	"fmt"

	"github.com/reweigh/reweigh/dataset"
)

// Usage is what an answer consumed, as far as its service says. It counts every
// token once, whichever way the service counts.
type Usage struct {
	PromptTokens int
	// CompletionTokens are all that were generated, hidden ones too: they are
	// billed alike.
	CompletionTokens int
	CachedTokens     int // of PromptTokens, those billed at the cached price
	// HiddenTokens are those of CompletionTokens that the text leaves out:
	// reasoning, or what the service counts beside the text without a name.
	HiddenTokens int
	// Stated is what the service itself says that the answer cost, in USD; most
	// say nothing. The dearer of that and the table's price is charged.
	Stated dataset.Float
}

// statedUsage is a usage object as services write it; -1 is a count that is
// missing or none.
type statedUsage struct {
	seen, twice              bool
	prompt, completion       int
	total, cached, reasoning int
	cost                     dataset.Float
	// OpenRouter's: with a key of one's own, the upstream bills beside its cost.
	ownKey   bool
	upstream dataset.Float
	// Anthropic's names, and Bedrock's: what was read from a cache and written to one
	// stands beside input_tokens.
	input         bool
	read, written int
}

// usage reads a usage object: OpenAI's names, and those of others.
func (r *reader) usage(u *statedUsage) {
	u.prompt, u.completion, u.total, u.cached, u.reasoning, u.read, u.written = -1, -1, -1, -1, -1, -1, -1
	some := r.kind() == '{'
	var seen uint32
	once := func(bit uint32) { // a count that stands twice says nothing
		u.twice = u.twice || seen&(1<<bit) != 0
		seen |= 1 << bit
	}
	for ok := r.enter('{'); ok; ok = r.more('}') {
		switch key := r.key(); string(key) {
		case "prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens", "promptTokens":
			// OpenAI; its Responses API, Anthropic; Gemini; Bedrock; gateways in JavaScript
			once(0)
			u.input = string(key) == "input_tokens" || string(key) == "inputTokens"
			u.prompt = r.count()
		case "completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens", "completionTokens":
			once(1)
			u.completion = r.count()
		case "total_tokens", "totalTokenCount", "totalTokens":
			once(2)
			u.total = r.count()
		case "prompt_tokens_details", "input_tokens_details":
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if string(r.key()) == "cached_tokens" {
					u.cached = max(u.cached, r.count())
				} else {
					r.skip()
				}
			}
		case "cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cachedContentTokenCount":
			// Moonshot; DeepSeek; Mistral; Gemini
			u.cached = max(u.cached, r.count())
		case "cache_read_input_tokens", "cacheReadInputTokens": // Anthropic, Bedrock
			u.read = r.count()
		case "cache_creation_input_tokens", "cacheWriteInputTokens":
			u.written = r.count()
		case "completion_tokens_details", "output_tokens_details":
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if string(r.key()) == "reasoning_tokens" {
					u.reasoning = max(u.reasoning, r.count())
				} else {
					r.skip()
				}
			}
		case "reasoning_tokens", "thoughtsTokenCount": // SGLang; Gemini
			u.reasoning = max(u.reasoning, r.count())
		case "cost", "total_cost", "estimated_cost": // OpenRouter, Perplexity; LiteLLM; DeepInfra
			r.cost(u, 1)
		case "cost_in_usd_ticks": // xAI: 10¹⁰ a dollar
			r.cost(u, 1e-10)
		case "is_byok":
			u.ownKey = r.filled()
		case "cost_details":
			for ok := r.enter('{'); ok; ok = r.more('}') {
				if string(r.key()) != "upstream_inference_cost" {
					r.skip()
				} else if f, ok := r.number(); ok && f >= 0 {
					u.upstream = dataset.Known(f)
				}
			}
		default:
			r.skip()
		}
	}
	u.seen = u.seen || some && r.err == nil
}

// cost reads a stated cost: a number, or an object that has the sum.
func (r *reader) cost(u *statedUsage, unit float64) {
	if r.kind() == '{' {
		for ok := r.enter('{'); ok; ok = r.more('}') {
			if string(r.key()) == "total_cost" {
				r.cost(u, unit)
			} else {
				r.skip()
			}
		}
		return
	}
	if f, ok := r.number(); ok && f >= 0 {
		u.cost = dataset.Known(f * unit)
	}
}

// usage puts the counts together, nil where they do not give both sides: a count
// that is missing is not 0.
//
//	total > prompt + completion   what is over was generated beside the text, or is of the prompt, if
//	                              it is what a cache gave or took
//	total < prompt + completion   the parts count
//	reasoning > completion        it is counted beside it
//	cached > prompt               it is counted beside it
//	Anthropic's names             so is what a cache gave and took, unless the total says that it is inside
//
// doubt says what does not fit together, and how it was read.
func (s statedUsage) usage() (u *Usage, doubt string) {
	if !s.seen {
		return nil, ""
	}
	p, c, t := s.prompt, s.completion, s.total
	switch {
	case s.twice:
		return nil, "a count stands twice"
	case p >= 0 && c >= 0:
	case p >= 0 && t >= p:
		c = t - p
	case c >= 0 && t >= c:
		p = t - c
	default:
		return nil, "prompt and generated tokens are not stated"
	}
	cached, written := max(0, s.cached, s.read), max(0, s.written)
	beside := cached > p || s.input && s.read >= 0 && t != p+c
	if beside {
		p += cached
	}
	if s.input && t != p+c {
		p += written
	}
	if over := t - p - c; over > 0 && over != s.reasoning {
		read := max(0, s.read) // other names for what was cached are of tokens inside the prompt
		switch over {          // a gateway that took the prompt without its cache
		case read + written, written, read:
			p += over
		}
	}
	u = &Usage{PromptTokens: p, CachedTokens: cached, Stated: s.cost}
	if own, ok := s.upstream.Get(); ok && s.ownKey {
		cost, _ := s.cost.Get()
		u.Stated = dataset.Known(cost + own)
	}
	over := max(0, t-p-c)
	reasoning := max(0, s.reasoning)
	apart := over
	switch {
	case over == 0 && reasoning > c: // inside it cannot be
		apart = reasoning
		doubt = fmt.Sprintf("%d tokens of reasoning in %d generated ones: counted beside them", reasoning, c)
	case over > 0 && reasoning != over:
		doubt = fmt.Sprintf("a total of %d tokens, %d more than prompt and completion: counted as generated", t, over)
	case t >= 0 && t < p+c:
		doubt = fmt.Sprintf("a total of %d tokens for %d and %d: the parts are counted", t, p, c)
	}
	u.CompletionTokens = c + apart
	u.HiddenTokens = max(reasoning, apart)
	return u, doubt
}

// defaultContext is how many tokens a model is taken to hold about which nobody
// says anything.
const defaultContext = 1 << 20

// believed is u as an answer to a request of that bound can have used it, and
// nil where it cannot: a count past the model's context is broken. One past the
// request's own bound is believed, because hidden tokens pass max_tokens, and is
// doubtful.
func (u *Usage) believed(bound Usage, context int) (*Usage, string) {
	if u == nil {
		return nil, ""
	}
	most := max(bound.PromptTokens+bound.CompletionTokens, context)
	switch {
	case u.PromptTokens > most || u.CompletionTokens > most:
		return nil, fmt.Sprintf("%d and %d tokens, more than the %d that the model can hold: not believed", u.PromptTokens,
			u.CompletionTokens, most)
	case u.PromptTokens > bound.PromptTokens || u.CompletionTokens > bound.CompletionTokens:
		return u, fmt.Sprintf("%d and %d tokens, where the request allows %d and %d: charged as stated", u.PromptTokens,
			u.CompletionTokens, bound.PromptTokens, bound.CompletionTokens)
	}
	return u, ""
}
