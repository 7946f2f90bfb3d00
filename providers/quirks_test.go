package providers_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// Every set of quirks keeps the contract over a server of its make.
func TestProductsConform(t *testing.T) {
	withBOS := func(q providers.Quirks) providers.Quirks { q.AddsBOS = bos; return q }
	for name, c := range map[string]struct {
		quirks providers.Quirks
		opt    providertest.Options
		set    func(*product)
	}{
		"vllm":   {providers.VLLM(), providertest.Options{LogProbs: true, Score: true}, nil},
		"sglang": {withBOS(providers.SGLang()), providertest.Options{LogProbs: true, Score: true}, nil},
		"sglang, no ids": {providers.SGLang(), providertest.Options{LogProbs: true, Score: true},
			func(p *product) { p.ids = false }},
		"llamacpp":         {providers.LlamaCpp(), providertest.Options{LogProbs: true}, nil},
		"llama-cpp-python": {providers.LlamaCppPython(), providertest.Options{LogProbs: true, Score: true}, nil},
		"together":         {providers.Together(), providertest.Options{Score: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c.opt.Model, c.opt.Seeded = "m", true
			providertest.Run(t, func(t *testing.T) providers.Provider {
				made, _, _ := strings.Cut(name, ",")
				return newProduct(t, made, c.set).provider(t, c.quirks)
			}, c.opt)
		})
	}
}

// What a server of each make gives for one text, against the toy model's own
// values: as many entries as the text has tokens, and nothing that was generated.
func TestProductsScoreTheTextAlone(t *testing.T) {
	const text = "The colour is ros\u00e9 now"
	bosed := func(q providers.Quirks) providers.Quirks { q.AddsBOS = bos; return q }
	for _, c := range []struct {
		reason   string
		make     string
		quirks   providers.Quirks
		set      func(*product)
		text     string
		bos      bool // the model saw a BOS token before the text
		nulls    int  // entries at the front that have no value
		shortBOS bool // BOS is not among the entries
	}{
		{"vLLM: ids, nothing generated, no BOS added", "vllm", providers.VLLM(), nil, text, false, 1, false},
		{"vLLM: the template's own BOS is the only one", "vllm", providers.VLLM(), nil, bos + text, true, 1, false},
		{"SGLang: one token generated and dropped by ids", "sglang", providers.SGLang(), nil, text, true, 1, false},
		{"SGLang without ids: dropped by usage", "sglang", providers.SGLang(), func(p *product) { p.ids = false }, text,
			true, 1, false},
		{"SGLang without ids and usage: dropped by the echoed text", "sglang", providers.SGLang(),
			func(p *product) { p.ids, p.silent = false, true }, text, true, 1, false},
		{"SGLang: the template's BOS gives way to the server's", "sglang", bosed(providers.SGLang()), nil, bos + text, true,
			1, false},
		{"llama-cpp-python: BOS missing, the next value nulled, one generated", "llama-cpp-python",
			providers.LlamaCppPython(), nil, text, true, 1, true},
		{"llama-cpp-python: BOS put back", "llama-cpp-python", bosed(providers.LlamaCppPython()), nil, bos + text, true, 2,
			false},
		{"Together: the list beside the choices", "together", providers.Together(), nil, text, true, 1, false},
	} {
		p := newProduct(t, c.make, c.set)
		req := scoreRequest()
		req.Prompt = c.text
		got, err := p.provider(t, c.quirks).ScorePrompt(t.Context(), req)
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
			continue
		}
		ids := p.tokenize(strings.TrimPrefix(c.text, bos))
		if c.bos {
			ids = append([]int{0}, ids...)
		}
		skip := 0
		if c.shortBOS {
			skip = 1
		}
		if len(got.Tokens) != len(ids)-skip {
			t.Errorf("%s: %d entries for %d tokens: %+v", c.reason, len(got.Tokens), len(ids)-skip, got.Tokens)
			continue
		}
		for i, tok := range got.Tokens {
			want := logProb(ids, i+skip)
			if i < c.nulls {
				want = math.NaN()
			}
			if tok.LogProb.OrNaN() != want && !(math.IsNaN(want) && !tok.LogProb.Valid()) {
				t.Errorf("%s: entry %d %q is %v, want %v", c.reason, i, tok.Text, tok.LogProb.OrNaN(), want)
			}
		}
	}
}

// Replies that cannot be read with certainty are refused, in words that say why.
func TestProductsRefuse(t *testing.T) {
	generic := providers.Quirks{Echo: true}
	for _, c := range []struct {
		reason string
		make   string
		quirks providers.Quirks
		set    func(*product)
		prompt string
		says   string
	}{
		{"llama.cpp, known as such: nothing is sent", "llamacpp", providers.LlamaCpp(), nil, "a b",
			"llama.cpp's server returns log-probs of generated tokens only"},
		{"llama.cpp, not known as such", "llamacpp", generic, nil, "a b", "no log-probs"},
		{"llama.cpp, one token generated", "llamacpp", providers.Quirks{Echo: true, ScoreGenerates: true}, nil, "a b",
			"spell another text"},
		{"llama-cpp-python, no BOS: every value would be the next token's", "llama-cpp-python", providers.LlamaCppPython(),
			func(p *product) { p.noBOS = true }, "a b", "the log-prob of the next"},
		{"llama-cpp-python, two BOS", "llama-cpp-python", providers.LlamaCppPython(), nil, bos + "a b", "AddsBOS"},
		{"llama-cpp-python without usage", "llama-cpp-python", providers.LlamaCppPython(),
			func(p *product) { p.silent = true }, "a b", "no usage"},
		{"SGLang that is wrongly said to add BOS", "sglang",
			func() providers.Quirks { q := providers.SGLang(); q.AddsBOS = bos; return q }(),
			func(p *product) { p.noBOS = true }, bos + "a b", "leave Quirks.AddsBOS empty"},
	} {
		p := newProduct(t, c.make, c.set)
		req := scoreRequest()
		req.Prompt = c.prompt
		_, err := p.provider(t, c.quirks).ScorePrompt(t.Context(), req)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v: want ErrUnsupported and %q", c.reason, err, c.says)
		}
		if c.make == "llamacpp" && !c.quirks.Echo && len(p.requests()) != 0 {
			t.Errorf("%s: %d requests were sent", c.reason, len(p.requests()))
		}
	}
}

// Refusals by the servers themselves.
func TestEchoRefused(t *testing.T) {
	for _, c := range []struct {
		reason string
		reply  providertest.Reply
		hint   string
	}{
		{"llama.cpp", providertest.Reply{Status: 400,
			Body: `{"error":{"code":400,"message":"Only no echo is supported","type":"invalid_request_error"}}`},
			"does not score given text"},
		{"OpenAI since October 2023", providertest.Reply{Status: 400,
			Body: `{"error":{"message":"Setting 'echo' and 'logprobs' at the same time is not supported for this model.","type":"invalid_request_error"}}`}, "does not score given text"},
		{"llama-cpp-python says it with 500, which would be tried again", providertest.Reply{Status: 500,
			Body: `{"error":{"message":"logprobs is not supported for models created with logits_all=False","type":"internal_server_error"}}`}, "logits_all"},
	} {
		s := providertest.NewServer(t, c.reply)
		_, err := vllm(t, s).ScorePrompt(t.Context(), scoreRequest())
		if e := wantError(t, err, providers.ClassBadRequest); !errors.Is(err, errors.ErrUnsupported) ||
			!strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s: %v, hint %q", c.reason, err, e.Hint)
		}
	}
}

// Where the reply leaves open which entries are the prompt's, nothing is guessed.
func TestGeneratedTokensAreDroppedExactly(t *testing.T) {
	const ask = "Hi there"
	for _, c := range []struct {
		reason string
		body   string
		want   int // entries; 0 means refused
	}{
		{"usage says how many are whose",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`, 2},
		{"an end-of-turn token is counted and not listed",
			`{"choices":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1]}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`, 2},
		{"nothing was generated",
			`{"choices":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there"],"token_logprobs":[null,-1]}}],"usage":{"prompt_tokens":2,"completion_tokens":0}}`, 2},
		{"BOS counted and not listed: as many entries as prompt tokens, the last of them generated",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, 0},
		{"the same, and the generated token shows as nothing",
			`{"choices":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there",""],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, 0},
		{"usage adds up, and cuts inside the prompt: BOS is listed and not counted",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["<s>","Hi"," there"," you"],"token_logprobs":[null,-1,-1,-2]}}],"usage":{"prompt_tokens":2,"completion_tokens":2}}`, 0},
		{"BOS counted and not listed, and the generated token repeats the prompt's end",
			`{"choices":[{"text":"Hi there there","logprobs":{"tokens":["Hi"," there"," there"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, 0},
		{"usage that fits nothing",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`, 0},
		{"no usage: the echoed text says it",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}]}`,
			2},
		{"no usage, BOS listed",
			`{"choices":[{"text":"Hi there you","logprobs":{"tokens":["<s>","Hi"," there"," you"],"token_logprobs":[null,-1,-1,-2]}}]}`, 3},
		{"no usage, two ways to cut",
			`{"choices":[{"text":"Hi there","logprobs":{"tokens":["Hi"," there",""],"token_logprobs":[null,-1,-2]}}]}`, 0},
		{"no usage, the prompt is not echoed",
			`{"choices":[{"text":" you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}]}`, 0},
		{"no usage and no text",
			`{"choices":[{"logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}]}`, 0},
		{"the generated token repeats the prompt's end",
			`{"choices":[{"text":"Hi there there","logprobs":{"tokens":["Hi"," there"," there"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`, 2},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: c.body})
		p, err := providers.NewCompatible(providers.CompatibleConfig{
			HTTPConfig: providers.HTTPConfig{BaseURL: s.URL() + "/v1", HTTP: s.Client()}, Quirks: providers.Quirks{Echo: true,
				ScoreGenerates: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		req := scoreRequest()
		req.Prompt = ask
		got, err := p.ScorePrompt(t.Context(), req)
		switch {
		case c.want == 0 && (!errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "cannot be told")):
			t.Errorf("%s: %d entries, %v: want a refusal", c.reason, len(got.Tokens), err)
		case c.want > 0 && (err != nil || len(got.Tokens) != c.want):
			t.Errorf("%s: %d entries, %v: want %d", c.reason, len(got.Tokens), err, c.want)
		}
		if sent := s.Requests()[0].Body["max_tokens"]; sent != 1.0 {
			t.Errorf("%s: max_tokens %v was sent", c.reason, sent)
		}
	}
}

// A generic server that generates although max_tokens was 0 says so by usage.
func TestUninvitedTokenIsDropped(t *testing.T) {
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"Hi there you","logprobs":{"tokens":["Hi"," there"," you"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":2,"completion_tokens":1}}`})
	got, err := vllm(t, s).ScorePrompt(t.Context(), scoreRequest())
	if err != nil || len(got.Tokens) != 2 {
		t.Errorf("%d tokens, %v: want the prompt's 2", len(got.Tokens), err)
	}
}

// Ids that the server prefixes without saying so would shift every value.
func TestIDsAreCountedByUsage(t *testing.T) {
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"","logprobs":{"tokens":["<s>","a","b"],"token_logprobs":[null,-1,-2]}}],"usage":{"prompt_tokens":3,"completion_tokens":0}}`})
	_, err := vllm(t, s).ScorePrompt(t.Context(), providers.ScoreRequest{Model: "m", PromptIDs: []int{1, 2}})
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "3 tokens in a prompt of 2 ids") {
		t.Errorf("%v", err)
	}
}

// The absurd first value is missing, not certain, and not a probability.
func TestTogetherFirstValue(t *testing.T) {
	p := newProduct(t, "together").provider(t, providers.Together())
	req := promptRequest()
	req.LogProbs = true
	g, err := p.Generate(t.Context(), req)
	if err != nil || len(g.Tokens) != 10 || g.Tokens[0].LogProb.Valid() || !g.Tokens[1].LogProb.Valid() {
		t.Fatalf("%v, %+v", err, g.Tokens)
	}
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"x","finish_reason":"stop","logprobs":{"tokens":["x"],"token_logprobs":[-0.25]}}]}`})
	q, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL(),
		HTTP: s.Client()}, Quirks: providers.Together()})
	if err != nil {
		t.Fatal(err)
	}
	if g, err := q.Generate(t.Context(), req); err != nil || g.Tokens[0].LogProb.OrNaN() != -0.25 {
		t.Errorf("a first value that is a log-prob is kept: %v, %+v", err, g.Tokens)
	}
}

// What each make is sent to sample without filters of its own.
func TestQuirkBodies(t *testing.T) {
	for _, c := range []struct {
		make   string
		quirks providers.Quirks
		topK   float64
		want   map[string]float64 // source: quirks.go
	}{
		{"vllm", providers.VLLM(), 0, map[string]float64{"min_p": 0, "repetition_penalty": 1}},
		{"sglang", providers.SGLang(), -1, map[string]float64{"min_p": 0, "repetition_penalty": 1}},
		{"llamacpp", providers.LlamaCpp(), 0, map[string]float64{"min_p": 0, "repeat_penalty": 1}},
		{"llama-cpp-python", providers.LlamaCppPython(), 0, map[string]float64{"min_p": 0, "repeat_penalty": 1}},
		{"together", providers.Together(), 0, map[string]float64{"min_p": 0, "repetition_penalty": 1}},
	} {
		p := newProduct(t, c.make)
		server := p.provider(t, c.quirks)
		for _, req := range []providers.GenerateRequest{chatRequest(), promptRequest()} {
			if _, err := server.Generate(t.Context(), req); err != nil {
				t.Fatalf("%s: %v", c.make, err)
			}
		}
		req := promptRequest()
		req.Sampling.TopK = 7
		if _, err := server.Generate(t.Context(), req); err != nil {
			t.Fatalf("%s: %v", c.make, err)
		}
		for i, body := range p.requests() {
			topK := c.topK
			if i == 2 {
				topK = 7
			}
			if body["top_k"] != topK {
				t.Errorf("%s: request %d says top_k %v, want %v", c.make, i, body["top_k"], topK)
			}
			for k, v := range c.want {
				if body[k] != v {
					t.Errorf("%s: request %d says %s %v, want %v", c.make, i, k, body[k], v)
				}
			}
		}
	}
}

// Elsewhere a positive value is a fault to be seen, and stays.
func TestPositiveValuesStayElsewhere(t *testing.T) {
	s := providertest.NewServer(t,
		providertest.Reply{Body: `{"choices":[{"text":"x","finish_reason":"stop","logprobs":{"tokens":["x"],"token_logprobs":[0.5]}}]}`})
	req := promptRequest()
	req.LogProbs = true
	if g, err := vllm(t, s).Generate(t.Context(), req); err != nil || g.Tokens[0].LogProb.OrNaN() != 0.5 {
		t.Errorf("%v, %+v", err, g.Tokens)
	}
}

// llama-cpp-python's echo leaves gaps; what it does spell must be the prompt's.
func TestLossyEchoIsCompared(t *testing.T) {
	for _, c := range []struct {
		reason, prompt, tokens string
		ok                     bool
	}{
		{"all of it", "Hi there", `["Hi"," there"]`, true},
		{"a special token shows as nothing", "<|user|>Hi", `["","Hi"]`, true},
		{"at the end", "Hi<|eot|>", `["Hi",""]`, true},
		{"half a character each", "H\u00e9!", `["H","","","!"]`, true},
		{"another word", "Hi there", `["Hi"," where"]`, false},
		{"another word behind a gap", "<|user|>Hi there", `[""," there","Hi"]`, false},
		{"a word too many", "Hi", `["Hi"," there"]`, false},
		{"the end is missing", "Hi there", `["Hi"]`, false},
	} {
		n := strings.Count(c.tokens, ",") + 1
		values := strings.TrimSuffix(strings.Repeat("-1,", n), ",")
		s := providertest.NewServer(t, providertest.Reply{Body: fmt.Sprintf(
			`{"choices":[{"text":"","logprobs":{"tokens":%s,"token_logprobs":[%s]}}],"usage":{"prompt_tokens":%d,"completion_tokens":0}}`, c.tokens, values, n+1)})
		p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.URL(),
			HTTP: s.Client()}, Quirks: providers.LlamaCppPython()})
		if err != nil {
			t.Fatal(err)
		}
		req := scoreRequest()
		req.Prompt = c.prompt
		got, err := p.ScorePrompt(t.Context(), req)
		if c.ok && (err != nil || len(got.Tokens) != n) || !c.ok && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %d tokens, %v", c.reason, len(got.Tokens), err)
		}
	}
}

// A prompt of BOS alone keeps it: an empty prompt would be another request.
func TestBOSAloneIsKept(t *testing.T) {
	q := providers.LlamaCppPython()
	q.AddsBOS = bos
	p := newProduct(t, "llama-cpp-python")
	req := promptRequest()
	req.Prompt = bos
	if _, err := p.provider(t, q).Generate(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	req.Prompt = bos + "a"
	if _, err := p.provider(t, q).Generate(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	var sent []any
	for _, b := range p.requests() {
		sent = append(sent, b["prompt"])
	}
	if !slices.Equal(sent, []any{bos, "a"}) {
		t.Errorf("sent %q", sent)
	}
}
