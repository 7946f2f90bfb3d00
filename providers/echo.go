package providers

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// echoFault is why a scored text cannot be used, with advice of its own.
type echoFault struct{ what, hint string }

func (e *echoFault) Error() string { return e.what }

const noEchoHint = "the endpoint accepted echo and returned no prompt log-probs; use an endpoint that does"

func unusableHint(err error) string {
	var f *echoFault
	if errors.As(err, &f) {
		return f.hint
	}
	return noEchoHint
}

// echoRefused makes what servers say when they will not score a text an error
// that wraps [errors.ErrUnsupported].
func echoRefused(e *Error) {
	text := strings.ToLower(e.Message)
	switch {
	case strings.Contains(text, "logits_all"):
		// llama-cpp-python sends this as a server error, which it is not.
		e.Class, e.Err = ClassBadRequest, errors.ErrUnsupported
		e.Hint = "start llama-cpp-python's server with logits_all"
	case e.Class == ClassBadRequest && strings.Contains(text, "echo"):
		// llama.cpp: "Only no echo is supported"; OpenAI: "Setting 'echo' and
		// 'logprobs' at the same time is not supported for this model."
		e.Err = errors.ErrUnsupported
		e.Hint = "the endpoint does not score given text; use one that does"
	}
}

// topKOf spells "keep every token" as the service does.
func (d dialect) topKOf(k int) int {
	if k == 0 {
		return d.TopKOff
	}
	return k
}

// withoutBOS cuts the BOS token's text off the front of a prompt where the
// server puts one there itself: two would change every log-prob.
func (d dialect) withoutBOS(prompt string) (stripped, rest string) {
	rest, ok := strings.CutPrefix(prompt, d.AddsBOS)
	if !ok || d.AddsBOS == "" || rest == "" {
		return "", prompt
	}
	return d.AddsBOS, rest
}

// restoreBOS makes the tokens those of the text as the caller gave it.
func (d dialect) restoreBOS(tokens []Token, stripped string) ([]Token, error) {
	switch {
	case stripped == "":
		return tokens, nil
	case d.EchoDropsBOS:
		bos := Token{Text: stripped, ID: -1, Offset: -1}
		return append([]Token{bos}, tokens...), nil
	case tokens[0].Text == stripped:
		return tokens, nil
	}
	return nil, &echoFault{
		fmt.Sprintf("the text was sent without its %q, for the server to add, and its first token is %q", stripped,
			cut(tokens[0].Text, 40)),
		"the server adds no such token: leave Quirks.AddsBOS empty",
	}
}

// mendFirst makes a first value above 0 missing, where the service is known to
// send something else than a log-prob there.
func (d dialect) mendFirst(tokens []Token) {
	if d.FirstAbsurd && len(tokens) > 0 && tokens[0].LogProb.OrNaN() > 0 {
		tokens[0].LogProb = dataset.Float{}
	}
}

// promptListed is the prompt's entries where the service lists them apart from
// the choices:
//
//	{"prompt": [{"text": …, "logprobs": {"tokens": […], "token_logprobs": […], "token_ids": […]}}], "choices": …}
//
// nil means that there is no such list, and the choice is to be read.
func (d dialect) promptListed(r decoded) ([]Token, string, error) {
	if r.listed.n > 1 {
		return nil, "", fmt.Errorf("the reply lists %d prompts, and one was sent", r.listed.n)
	}
	return r.listed.tokens, r.listed.text, nil
}

// withoutGenerated drops the entries of generated tokens from behind those of
// the prompt, which is known to be spelled among them. Where the request let
// the server generate, what is dropped must follow from the reply: from its
// usage or, without one, from the text that it echoes. A wrong cut would count
// a sampled token as part of the text, or leave out the last token of it.
func withoutGenerated(tokens []Token, prompt string, d decoded, generates bool) ([]Token, error) {
	n, u := len(tokens), d.usage
	if !generates {
		if u != nil && u.CompletionTokens > 0 && n == u.PromptTokens+u.CompletionTokens && u.PromptTokens > 0 {
			return tokens[:u.PromptTokens], nil // it generated although told not to
		}
		return tokens, nil
	}
	cannot := func(format string, args ...any) ([]Token, error) {
		return nil, &echoFault{
			"the prompt's log-probs cannot be told from those of the generated tokens: " + fmt.Sprintf(format, args...),
			"use a server that takes max_tokens 0 or returns token ids (Quirks.TokenIDs)",
		}
	}
	if u != nil {
		switch {
		case u.PromptTokens > 0 && n == u.PromptTokens+u.CompletionTokens && endsAt(tokens[:u.PromptTokens], prompt):
			return tokens[:u.PromptTokens], nil
		case n == u.PromptTokens && endsAt(tokens, prompt) && tokens[n-1].Text != "" &&
			strings.HasSuffix(prompt, string(tokens[n-1].spelled())):
			return tokens, nil // an end-of-turn token is counted and not listed
		}
		return cannot("%d entries, and usage says %d tokens of prompt and %d generated", n, u.PromptTokens,
			u.CompletionTokens)
	}
	if !d.choice.hasText {
		return cannot("the reply has neither usage nor text")
	}
	rest, ok := strings.CutPrefix(d.choice.text, prompt)
	if !ok {
		return cannot("no usage, and the text does not begin with the prompt")
	}
	var cuts []int
	for k := 1; k <= n; k++ {
		if string(spell(tokens[k:])) == rest && endsAt(tokens[:k], prompt) {
			cuts = append(cuts, k)
		}
	}
	if len(cuts) != 1 {
		return cannot("no usage, and the text can be cut in %d ways", len(cuts))
	}
	return tokens[:cuts[0]], nil
}

// endsAt reports whether the entries end as prompt does, having spelled all of
// it. Entries without exact bytes are compared as in covers.
func endsAt(tokens []Token, prompt string) bool {
	spelled, want := spell(tokens), []byte(prompt)
	if slices.ContainsFunc(tokens, func(t Token) bool { return t.Bytes == nil }) {
		spelled, want = ascii(spelled), ascii(want)
	}
	return bytes.HasSuffix(spelled, want)
}

// echoWithoutBOS reads llama-cpp-python's echo. It lists the tokens of the
// prompt but BOS, then the generated ones, and numbers them by usage:
//
//	P-1+C entries  the text began with one BOS token: every value is its token's
//	P+C            it began with none: each value is that of the next token
//	P-2+C          it began with two
//
// (llama.py, _create_completion: the slice of all_tokens against that of
// all_logprobs.) Where the text of the BOS token, bos, is known and begins prompt,
// all of them are put back. Special tokens and parts of characters show as empty text.
func echoWithoutBOS(tokens []Token, prompt, bos string, u *Usage) ([]Token, error) {
	if u == nil {
		return nil, &echoFault{"the reply reports no usage, by which alone the prompt's log-probs can be told from others",
			"use llama-cpp-python's own server"}
	}
	n := len(tokens) - u.CompletionTokens
	switch k := strings.Count(prompt, bos); {
	case bos != "" && strings.HasPrefix(prompt, bos) && n == u.PromptTokens-k && n > 0:
		return reinstateBOS(tokens[:n], prompt, bos)
	case n == u.PromptTokens:
		return nil, &echoFault{
			fmt.Sprintf("%d entries for a prompt of %d tokens: it has no BOS token, and this server then gives every token "+
				"the log-prob of the next", n, u.PromptTokens),
			"models whose text does not begin with BOS cannot be scored by llama-cpp-python's echo: use vLLM or SGLang",
		}
	case n == u.PromptTokens-2:
		return nil, &echoFault{
			fmt.Sprintf("%d entries for a prompt of %d tokens: the server put a BOS token before the text's own", n,
				u.PromptTokens),
			"name the text of the model's BOS token in Quirks.AddsBOS, or leave it out of the prompt",
		}
	case n != u.PromptTokens-1 || n < 1:
		return nil, &echoFault{
			fmt.Sprintf("%d entries, and usage says %d tokens of prompt and %d generated", len(tokens), u.PromptTokens,
				u.CompletionTokens),
			"the server counts its tokens in another way than llama-cpp-python",
		}
	case !spellsInPart(tokens[:n], prompt):
		return nil, errors.New("the log-prob entries spell another text than the prompt")
	}
	return tokens[:n], nil
}

// spellsInPart reports whether the entries spell prompt, where an empty entry
// stands for any text and so does what precedes them. Only ASCII is compared: a
// token may have lost part of a character.
func spellsInPart(tokens []Token, prompt string) bool {
	var runs [][]byte // texts between empty entries
	run := []byte{}
	for _, t := range tokens {
		if t.Text == "" {
			runs, run = append(runs, run), []byte{}
			continue
		}
		run = append(run, ascii([]byte(t.Text))...)
	}
	rest := ascii([]byte(prompt))
	if !bytes.HasSuffix(rest, run) {
		return false
	}
	rest = rest[:len(rest)-len(run)]
	for _, r := range runs {
		_, after, ok := bytes.Cut(rest, r)
		if !ok {
			return false
		}
		rest = after
	}
	return true
}

// lastOf checks an answer to echo_last: the entries of the prompt's last k
// tokens, or of all where it has fewer. skipped is how many stand before them.
func lastOf(tokens []Token, ids []int, prompt string, k int, u *Usage) (last []Token, skipped int, err error) {
	all := len(ids)
	if ids == nil {
		if u == nil {
			return nil, 0, errors.New("the reply gives neither token ids nor usage, which would show what was left out")
		}
		all = u.PromptTokens
	}
	want := min(k, all)
	switch {
	case want < 1 || len(tokens) != want:
		return nil, 0, fmt.Errorf("%d log-prob entries for the last %d of %d tokens", len(tokens), k, all)
	case ids != nil:
		if err := fillIDs(tokens, ids[all-want:]); err != nil {
			return nil, 0, err
		}
	case want < all && !endsWithin(tokens, prompt):
		return nil, 0, errors.New("the log-prob entries spell another text than the end of the prompt")
	case want == all && !covers(tokens, spell(tokens), prompt):
		return nil, 0, errors.New("the log-prob entries spell another text than the prompt")
	}
	return tokens, all - want, nil
}

// endsWithin reports whether prompt ends in what the entries spell.
func endsWithin(tokens []Token, prompt string) bool {
	spelled, want := spell(tokens), []byte(prompt)
	if slices.ContainsFunc(tokens, func(t Token) bool { return t.Bytes == nil }) {
		spelled, want = ascii(spelled), ascii(want)
	}
	return bytes.HasSuffix(want, spelled)
}

// withoutKey is a body that may be kept.
func (t *transport) withoutKey(body []byte) []byte {
	if key := t.key.Reveal(); len(key) >= 4 {
		body = bytes.ReplaceAll(body, []byte(key), []byte(redacted))
	}
	return body
}
