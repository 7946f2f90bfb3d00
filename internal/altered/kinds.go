package main

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// kind is a way in which services write their replies, and what a run makes of it
// if 3% and if all replies are written so.
type kind struct {
	name    string
	graders bool // only replies to judge and oracle
	refuse  func(request object) refusal
	// alter changes a reply that succeeded, and returns how many tokens it now says were
	// generated beside the text.
	alter    func(reply object) (beside int)
	few, all outcome
	exact    bool // the ledger equals the bill: the usage can still be read
}

// outcome is a verdict and what one of its checks says.
type outcome struct {
	decision record.Decision
	words    string
}

var (
	calm   = outcome{decision: record.GO}
	noGo   = func(words string) outcome { return outcome{record.NoGo, words} }
	hold   = func(words string) outcome { return outcome{record.HOLD, words} }
	withGo = func(words string) outcome { return outcome{record.GO, words} }
)

func always(status int, body string) func(object) refusal {
	return func(object) refusal { return refusal{status, body} }
}

// quietly is an alteration that says nothing more of the usage.
func quietly(f func(reply object)) func(object) int {
	return func(r object) int { f(r); return 0 }
}

// saying alters what a grader says.
func saying(f func(text string) string) func(object) int {
	return quietly(func(r object) {
		m := choiceOf(r)["message"].(object)
		m["content"] = f(m["content"].(string))
	})
}

// valued alters the log-prob of every token; the first, whose value may be missing, is 0.
func valued(f func(at int, v float64) any) func(object) int {
	return quietly(func(r object) {
		for i, e := range entries(r) {
			n, ok := e["logprob"].(json.Number)
			if !ok {
				continue
			}
			v, _ := n.Float64()
			e["logprob"] = f(i, v)
			tops, _ := e["top_logprobs"].([]any)
			for _, t := range tops {
				if n, ok := t.(object)["logprob"].(json.Number); ok {
					v, _ := n.Float64()
					t.(object)["logprob"] = f(i, v)
				}
			}
		}
	})
}

// ending alters the reason to end of a response.
func ending(words map[string]any) func(object) int {
	return quietly(func(r object) {
		c := choiceOf(r)
		if word, ok := c["finish_reason"].(string); ok && generated(r) {
			if to, ok := words[word]; ok {
				c["finish_reason"] = to
			}
		}
	})
}

func entries(r object) (list []object) {
	l, _ := choiceOf(r)["logprobs"].(object)
	content, _ := l["content"].([]any)
	for _, e := range content {
		list = append(list, e.(object))
	}
	return list
}

func choiceOf(reply object) object { return reply["choices"].([]any)[0].(object) }
func usageOf(reply object) object  { u, _ := reply["usage"].(object); return u }
func count(v any) int              { n, _ := v.(json.Number); i, _ := n.Int64(); return int(i) }

// generated reports that the reply is a response, and no echo.
func generated(reply object) bool { return count(usageOf(reply)["completion_tokens"]) > 0 }

// halve cuts the text of a response in two.
func halve(c object) {
	if m, ok := c["message"].(object); ok {
		s, _ := m["content"].(string)
		m["content"] = s[:len(s)/2]
	} else if s, ok := c["text"].(string); ok {
		c["text"] = s[:len(s)/2]
	}
	c["logprobs"] = nil
}

// written has the reply sent as f writes it.
func written(f func(json string) string) func(object) int {
	return quietly(func(r object) {
		b, _ := json.Marshal(r)
		r["raw"] = f(string(b))
	})
}

const top = `{"reason":"It is good.","score":100,"lower":95,"upper":100}`

var kinds = []kind{
	// Usage.
	{name: "reasoning counted beside", alter: func(r object) int {
		u := usageOf(r)
		u["total_tokens"] = count(u["prompt_tokens"]) + count(u["completion_tokens"]) + 50
		u["completion_tokens_details"] = object{"reasoning_tokens": 50}
		return 50
	}, few: hold("hidden_action"), all: noGo("tokens are reasoning"), exact: true},
	{name: "tokens beside that nobody names", alter: func(r object) int {
		u := usageOf(r)
		u["total_tokens"] = count(u["prompt_tokens"]) + count(u["completion_tokens"]) + 50
		return 50
	}, few: hold("hidden_action"), all: noGo("tokens are reasoning"), exact: true},
	{name: "reasoning counted inside", alter: quietly(func(r object) {
		if u := usageOf(r); generated(r) {
			u["completion_tokens_details"] = object{"reasoning_tokens": min(3, count(u["completion_tokens"]))}
		}
	}), few: hold("hidden_action"), all: noGo("tokens are reasoning"), exact: true},
	{name: "a usage of 10⁹", alter: quietly(func(r object) {
		usageOf(r)["completion_tokens"], usageOf(r)["total_tokens"] = 1_000_000_000, nil
	}), few: withGo("not believed"), all: hold("not believed")},
	{name: "no usage", alter: quietly(func(r object) { delete(r, "usage") }), few: calm, all: hold("usage was not seen")},
	{name: "a list in place of usage", alter: quietly(func(r object) { r["usage"] = []any{} }),
		few: calm, all: hold("usage was not seen")},
	{name: "loose counts", alter: quietly(func(r object) {
		u := usageOf(r)
		u["prompt_tokens"] = json.RawMessage(fmt.Sprintf("%d.0", count(u["prompt_tokens"])))
		u["completion_tokens"] = fmt.Sprint(count(u["completion_tokens"]))
		u["completion_tokens_details"] = []any{}
	}), few: calm, all: calm, exact: true},
	{name: "another tier", alter: quietly(func(r object) { r["service_tier"] = "priority" }),
		few: withGo("has no price"), all: withGo("has no price"), exact: true},
	{name: "a gateway's price", alter: quietly(func(r object) {
		u := usageOf(r)
		u["cost"] = 1e-6 * float64(count(u["prompt_tokens"])+count(u["completion_tokens"]))
	}), few: withGo("the dearer is charged"), all: noGo("the dearer is charged"), exact: true},
	{name: "another service's cache", alter: quietly(func(r object) {
		u := usageOf(r)
		u["prompt_cache_hit_tokens"] = 0
		delete(u, "prompt_tokens_details")
	}), few: calm, all: calm, exact: true},

	{name: "a cache beside the prompt", alter: quietly(func(r object) {
		u := usageOf(r)
		u["prompt_tokens"] = count(u["prompt_tokens"]) - 5
		u["cache_creation_input_tokens"], u["cache_read_input_tokens"] = 5, 0
	}), few: calm, all: calm, exact: true},

	// Refusals.
	{name: "a limit that advertises", refuse: always(429, `{"error":{"message":"Limit of tokens per minute reached. `+
		`Try again in 2ms. More with a paid plan: see the billing page.","type":"tokens","code":"rate_limit_exceeded"}}`),
		few: calm, all: noGo("rate_limited"), exact: true},
	{name: "a quota that names a delay", refuse: always(403, `{"statusCode":403,"message":"Out of call volume quota. `+
		`Please retry after 2ms."}`), few: calm, all: noGo("rate_limited"), exact: true},
	{name: "a moderated prompt", refuse: always(403, `{"error":{"code":403,"message":"The input was flagged.",`+
		`"metadata":{"reasons":["violence"],"flagged_input":"..."}}}`),
		few: noGo("content_filtered"), all: noGo("content_filtered"), exact: true},
	{name: "200 and 401", refuse: always(200, `{"error":{"message":"who is it?","code":401}}`),
		few: noGo("auth"), all: noGo("auth"), exact: true},
	{name: "200 and 402", refuse: always(200, `{"error":{"message":"no credit left","code":402}}`),
		few: noGo("quota"), all: noGo("quota"), exact: true},
	{name: "200 and 429", refuse: always(200, `{"error":{"message":"one at a time","code":429}}`),
		few: calm, all: noGo("rate_limited"), exact: true},
	{name: "a page with status 200", refuse: always(200, "<!doctype html><title>Log in</title>"),
		few: hold("usage was not seen"), all: noGo("broken_reply")},
	{name: "a grader without a temperature", graders: true, refuse: func(req object) refusal {
		if t, ok := req["temperature"]; !ok || t == 1.0 {
			return refusal{}
		}
		return refusal{400, `{"error":{"message":"Unsupported value: 'temperature' does not support 0 with this model. ` +
			`Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature",` +
			`"code":"unsupported_value"}}`}
	}, few: calm, all: calm, exact: true},

	// Answers that are not whole.
	{name: "an error beside half a text", alter: quietly(func(r object) {
		halve(choiceOf(r))
		choiceOf(r)["finish_reason"] = nil
		r["error"] = object{"message": "the upstream stopped answering", "code": 504}
	}), few: calm, all: noGo("overloaded"), exact: true},
	{name: "an error in the choice", alter: quietly(func(r object) {
		halve(choiceOf(r))
		choiceOf(r)["finish_reason"] = "error"
		choiceOf(r)["error"] = object{"message": "the upstream stopped answering", "code": 502}
	}), few: calm, all: noGo("overloaded"), exact: true},
	{name: "no finish reason", alter: ending(map[string]any{"stop": nil, "length": nil}),
		few: calm, all: noGo("no finish reason"), exact: true},
	{name: "an unknown finish reason", alter: ending(map[string]any{"stop": "sunset", "length": "sunset"}),
		few: noGo("hidden_action"), all: noGo(`not known, "sunset"`), exact: true},
	{name: "other words for the end", alter: ending(map[string]any{"stop": "eos", "length": "MAX_TOKENS"}),
		few: calm, all: calm, exact: true},
	{name: "more words for the end", alter: ending(map[string]any{"stop": "end_turn", "length": "model_length"}),
		few: calm, all: calm, exact: true},

	// Forms.
	{name: "content in parts", alter: quietly(func(r object) {
		if m, ok := choiceOf(r)["message"].(object); ok {
			s := m["content"].(string)
			m["content"] = []any{object{"type": "text", "text": s[:len(s)/3]}, object{"type": "text", "text": s[len(s)/3:]}}
		}
	}), few: calm, all: calm, exact: true},
	{name: "texts in values", alter: quietly(func(r object) {
		if m, ok := choiceOf(r)["message"].(object); ok {
			m["content"] = []any{object{"type": "text", "text": object{"value": m["content"], "annotations": []any{}}}}
		}
	}), few: calm, all: calm, exact: true},
	{name: "odd fields that are not needed", alter: quietly(func(r object) {
		choiceOf(r)["stop_reason"] = []any{1}
		r["created"], r["system_fingerprint"] = "now", object{"a": nil}
		for _, e := range entries(r) {
			e["top_logprobs"] = "none"
		}
		written(func(s string) string {
			return "\xef\xbb\xbf" + strings.Replace(s, `{`, `{"timings":{"a":1,"a":2},`, 1)
		})(r)
	}), few: calm, all: calm, exact: true},
	{name: "NaN where it is not needed", alter: written(func(s string) string {
		return strings.Replace(s, `{`, `{"timings":{"a":NaN,"b":-Infinity},`, 1)
	}), few: calm, all: calm, exact: true},
	{name: "40,000 keys", alter: written(func(s string) string {
		var b strings.Builder
		for i := range 40_000 {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return `{` + b.String() + s[1:]
	}), few: calm, all: calm, exact: true},
	{name: "a name of 128 KiB", alter: quietly(func(r object) { r["model"] = strings.Repeat("m", 1<<17) }),
		few: noGo("came from another model: mmm"), all: noGo("came from another model: mmm"), exact: true},

	// Log-probs.
	{name: "values one token late", alter: quietly(func(r object) {
		list := entries(r)
		for i := len(list) - 1; i > 0; i-- {
			list[i]["logprob"] = list[i-1]["logprob"]
		}
	}), few: hold("the methods disagree"), all: noGo("a value is not that of its own token"), exact: true},
	{name: "base 10", alter: valued(func(_ int, v float64) any { return v / math.Ln10 }),
		few: noGo("log-probs that cannot be right"), all: noGo("logits, or another base"), exact: true},
	{name: "logits", alter: valued(func(at int, v float64) any { return v + 12 }),
		few: noGo("impossible log-probs"), all: noGo("values above 0 are logits"), exact: true},
	{name: "exact zeros", alter: valued(func(int, float64) any { return 0 }),
		few: noGo("exactly 0.0"), all: noGo("certainty of every text"), exact: true},
	{name: "nulls", alter: valued(func(int, float64) any { return nil }),
		few: noGo("log-prob of the prompt is null"), all: noGo("log-prob of the prompt is null"), exact: true},
	{name: "NaN for a value", alter: quietly(func(r object) {
		list := entries(r)
		for _, e := range list {
			e["logprob"] = "@NaN@"
		}
		written(func(s string) string { return strings.ReplaceAll(s, `"@NaN@"`, "NaN") })(r)
	}), few: noGo("log-prob of the prompt is null"), all: noGo("log-prob of the prompt is null"), exact: true},

	// Graders' replies.
	{name: "a score in a thought", graders: true, alter: saying(func(s string) string {
		return "<think>\nPerhaps " + top + "?\n</think>\n" + s
	}), few: calm, all: calm, exact: true},
	{name: "an object quoted before", graders: true, alter: saying(func(s string) string {
		return "The response contains this:\n" + top + "\n\n" + s
	}), few: noGo("names one as well"), all: noGo("names one as well"), exact: true},
	{name: "an object behind", graders: true, alter: saying(func(s string) string { return s + "\n\n" + top }),
		few: noGo("names one as well"), all: noGo("names one as well"), exact: true},
	{name: "a line that says otherwise", graders: true, alter: saying(func(s string) string {
		return "Score: 100\n\n" + s
	}), few: noGo("names one as well"), all: noGo("names one as well"), exact: true},
	{name: "line breaks in a reason", graders: true, alter: saying(func(s string) string {
		return strings.Replace(s, `"reason":"`, "\"reason\":\"So:\n", 1)
	}), few: calm, all: calm, exact: true},
	{name: "a code fence", graders: true, alter: saying(func(s string) string { return "```json\n" + s + "\n```" }),
		few: calm, all: calm, exact: true},
	{name: "graders cut, in other words", graders: true, alter: quietly(func(r object) {
		ending(map[string]any{"stop": "MAX_TOKENS"})(r)
	}), few: noGo("truncated"), all: noGo("truncated"), exact: true},
	{name: "graders that fail midway", graders: true, alter: ending(map[string]any{"stop": "error"}),
		few: calm, all: noGo("ended the generation with an error"), exact: true},
	{name: "graders that think until the end", graders: true, alter: quietly(func(r object) {
		choiceOf(r)["message"].(object)["content"] = ""
		choiceOf(r)["finish_reason"] = "length"
		u := usageOf(r)
		u["completion_tokens_details"] = object{"reasoning_tokens": count(u["completion_tokens"])}
	}), few: noGo("went into reasoning"), all: noGo("went into reasoning"), exact: true},
}
