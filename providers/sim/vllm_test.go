package sim

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// conversation is what a scored conversation comes back as.
type conversation struct {
	completion
	PromptTokenIDs []int  `json:"prompt_token_ids"`
	PromptText     string `json:"prompt_text"`
	PromptLogprobs []map[string]struct {
		Logprob *float64 `json:"logprob"`
		Rank    int      `json:"rank"`
		Decoded string   `json:"decoded_token"`
	} `json:"prompt_logprobs"`
}

func scoreChat(t *testing.T, s *Server, set dict) conversation {
	t.Helper()
	return must[conversation](t, post(s.Client(), s.VLLMURL()+"/chat/completions", "logprobs-0123456789abcdef-chat",
		chatScore(set)))
}

func chatScore(set dict) dict {
	full := dict{
		"model": ScoutModel, "max_tokens": 1, "prompt_logprobs": 1, "return_token_ids": true, "return_prompt_text": true,
		"add_generation_prompt": false, "continue_final_message": false,
		"messages": []dict{{"role": "user", "content": "Name a river."}, {"role": "assistant", "content": " The Rhine.\n"}},
	}
	for k, v := range set {
		full[k] = v
	}
	return full
}

// TestVLLMChatIsExact: the log-probs of a conversation are the model's, of what
// the model's own template makes of it.
func TestVLLMChatIsExact(t *testing.T) {
	s, _ := newServer(t, Config{})
	turns := []dataset.Message{{Role: "user", Content: "Name a river."}}
	for _, name := range chat.Names() {
		if name == "raw" || name == "mistral-small-3.1" { // no chat; a system prompt is required
			continue
		}
		tpl, _ := chat.Lookup(name)
		model := PolyglotModelOf(name)
		rendered, err := tpl.Render(turns)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(tpl.ResponseHeader(), "</think>") {
			rendered = strings.TrimSuffix(rendered, tpl.ResponseHeader()) + tpl.Assistant().Before
		}
		content := " The Rhine.\n"
		if tpl.Assistant().Trim {
			content = "The Rhine."
		}
		for open, want := range map[bool]string{true: rendered + content, false: rendered + content +
			tpl.Assistant().After} {
			got := scoreChat(t, s, dict{"model": model, "continue_final_message": open})
			if got.PromptText != want {
				t.Errorf("%s, open %v: rendered %q, want %q", name, open, got.PromptText, want)
			}
			m := mustModel(model)
			ids := m.Tokenizer().Encode(want)
			lps := m.LogProbs(ids)
			if len(got.PromptTokenIDs) != len(ids) || len(got.PromptLogprobs) != len(ids) || got.PromptLogprobs[0] != nil ||
				got.Usage.Prompt != len(ids) {
				t.Fatalf("%s: %d ids and %d positions, usage %+v, want %d", name, len(got.PromptTokenIDs), len(got.PromptLogprobs),
					got.Usage, len(ids))
			}
			for i, id := range ids {
				if got.PromptTokenIDs[i] != id {
					t.Fatalf("%s: token %d is %d, want %d", name, i, got.PromptTokenIDs[i], id)
				}
				if i == 0 {
					continue
				}
				e, ok := got.PromptLogprobs[i][strconv.Itoa(id)]
				if !ok || e.Logprob == nil || *e.Logprob != lps[i] || len(got.PromptLogprobs[i]) > 2 {
					t.Fatalf("%s: position %d is %+v, want %v for token %d and at most one more", name, i, got.PromptLogprobs[i],
						lps[i], id)
				}
			}
		}
	}
}

func TestVLLMRules(t *testing.T) {
	s, _ := newServer(t, Config{})
	for reason, set := range map[string]dict{
		"a header and an open message":         {"add_generation_prompt": true, "continue_final_message": true},
		"the header is there unless it is off": {"add_generation_prompt": nil, "continue_final_message": true},
		"the engine makes at least one token":  {"max_tokens": 0},
		"a negative number of alternatives":    {"prompt_logprobs": -2},
		"no messages":                          {"messages": []dict{}},
	} {
		if r := post(s.Client(), s.VLLMURL()+"/chat/completions", "", chatScore(set)); r.status != 400 {
			t.Errorf("%s: status %d: %s", reason, r.status, r.body)
		}
	}
	got := scoreChat(t, s, dict{"prompt_logprobs": nil})
	if got.PromptLogprobs != nil || got.PromptText == "" {
		t.Errorf("without prompt_logprobs: %v, text %q", got.PromptLogprobs, got.PromptText)
	}
	// The BOS token that completions put in front unless told not to, and chat only
	// when told to.
	const bos = "<|begin_of_text|>"
	if got := scoreChat(t, s, dict{"add_special_tokens": true}); !strings.HasPrefix(got.PromptText, bos+bos) {
		t.Errorf("add_special_tokens on chat: %q", got.PromptText)
	}
	for set, want := range map[string]int{"": 1, "true": 1, "false": 0} {
		body := dict{"model": ScoutModel, "prompt": "Hello", "max_tokens": 0, "echo": true, "logprobs": 1,
			"return_token_ids": true}
		if set != "" {
			body["add_special_tokens"] = json.RawMessage(set)
		}
		c := must[completion](t, post(s.Client(), s.VLLMURL()+"/completions", "", body))
		if got := len(c.Choices[0].PromptTokenIDs) - len(tokenizer().Encode("Hello")); got != want {
			t.Errorf("add_special_tokens %q on completions: %d tokens more, want %d", set, got, want)
		}
	}
	if r := post(s.Client(), s.VLLMURL()+"/completions", "", dict{"model": ScoutModel, "prompt": "Hello",
		"logprobs": true}); r.status != 400 {
		t.Errorf("logprobs true on completions: status %d", r.status)
	}
}

func TestVLLMFaults(t *testing.T) {
	for spec, check := range map[string]func(c conversation) bool{
		"noecho=1":        func(c conversation) bool { return c.PromptLogprobs == nil },
		"zero=1":          func(c conversation) bool { return *c.of(3) == 0 && *c.of(7) == 0 },
		"positive=1":      func(c conversation) bool { return *c.of(3) > 0 },
		"wrongtemplate=1": func(c conversation) bool { return strings.HasPrefix(c.PromptText, "<|im_start|>") },
		"null=1": func(c conversation) bool {
			nulls := 0
			for i := range c.PromptTokenIDs[1:] {
				if c.of(i+1) == nil {
					nulls++
				}
			}
			return nulls > 0 && nulls < len(c.PromptTokenIDs)-1
		},
	} {
		f, err := ParseFaults(spec)
		if err != nil {
			t.Fatal(err)
		}
		s, _ := newServer(t, Config{Faults: f})
		if got := scoreChat(t, s, nil); !check(got) {
			t.Errorf("%s: %+v", spec, got)
		}
	}
}

// of is the log-prob of the token at a position, nil for null.
func (c conversation) of(i int) *float64 {
	return c.PromptLogprobs[i][strconv.Itoa(c.PromptTokenIDs[i])].Logprob
}
