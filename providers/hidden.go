package providers

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hidden says why the text of a reply is not the whole action, or nothing. Only
// what a reply or its own request shows is counted, never a model's name.
func hidden(req GenerateRequest, d decoded) string {
	var why []string
	add := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	m := d.choice.message
	text := len(d.choice.text) + len(m.content) + len(m.refusal)
	switch u := d.usage; {
	case u != nil && u.HiddenTokens > 0:
		add("%d of its %d tokens are reasoning that the text leaves out", u.HiddenTokens, u.CompletionTokens)
	case m.reasoned:
		add("it reasoned, and the reply gives the reasoning apart from the text")
	case d.choice.finish == FinishFiltered: // which says that there was more
	case u != nil && len(d.tokens) == 0 && u.CompletionTokens > text+specialTokens:
		add("%d tokens were generated for a text of %d bytes", u.CompletionTokens, text)
	}
	switch {
	case m.called:
		add("it called a tool")
	case len(why) == 0 && d.choice.finish == finishTool:
		add("it ended in a tool call")
	}
	if m.other != "" {
		add("the message has a part of the kind %q, which the text leaves out", m.other)
	}
	if f := d.choice.finish; f != FinishStop && f != FinishLength && f != FinishFiltered && f != finishTool {
		add("it ended for a reason that is not known, %q", f)
	}
	if _, known := FinishOf(d.choice.stopped); d.choice.stopped != "" && !known && d.choice.finish == FinishStop {
		add("it was cut at %q, which the text does not show", d.choice.stopped)
	}
	for _, k := range []string{"stop", "stop_token_ids", "stop_regex"} {
		if given(req.Extra[k]) {
			add("the request sets %s, and the text does not show what it was cut at", k)
		}
	}
	return strings.Join(why, "; ")
}

// specialTokens is more tokens than a response has besides those of its text: its end, and
// the headers of its message. A token of the text has at least one byte.
const specialTokens = 8

// given reports whether a field of a request says something: it is there and
// neither null, false nor an empty text, list or object.
func given(v any) bool {
	raw, err := json.Marshal(v)
	if err != nil {
		return true
	}
	switch string(raw) {
	case "null", `""`, "[]", "{}", "false":
		return false
	}
	return true
}
