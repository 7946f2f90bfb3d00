package jinja

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

func say(role, content string) dataset.Message { return dataset.Message{Role: role, Content: content} }

// TestRender: what jinja2 3.1.6 makes of small templates, each with one trap.
func TestRender(t *testing.T) {
	hi := []dataset.Message{say("user", "Hi")}
	for _, c := range []struct {
		source string
		kwargs map[string]any
		msgs   []dataset.Message
		want   string
		reason string
	}{
		{"{{ 'a' }} b{%- if true %}c{% endif %}", nil, hi, "a bc", "a space after an output, before a tag that strips"},
		{"a\n  {% if true %}\nb\n  {% endif %}\nc", nil, hi, "a\nb\nc", "blocks take their line with them"},
		{"a\n  {%+ if true %}\nb{% endif +%}\nc", nil, hi, "a\n  b\nc", "unless a plus keeps it"},
		{"{{ 'x' }}\n{# note #}\n{{ 'y' }}\n", nil, hi, "x\ny",
			"outputs keep their newline, comments and the source's end do not"},
		{"a\r\n{% if true %}\r\nb{% endif %}\rc", nil, hi, "a\nbc", "every line ends alike"},
		{"{{ 'one \\\ntwo' }}", nil, hi, "one two", "a backslash at a line's end joins the lines"},
		{`{{ "a\n\t\\\x41\u00e9" ~ 'it\'s' 'joined' }}`, nil, hi, "a\n\t\\Aéit'sjoined",
			"Python's escapes and adjacent literals"},
		{"{{ '}} {% not a tag' }}", nil, hi, "}} {% not a tag", "a string holds what it likes"},
		{"{{ {'a': {'b': 'c'}}['a']['b'] }}", nil, hi, "c", "brackets that close like a tag"},
		{"{% for m in messages %}{{ m.role + ': ' + m['content'] | trim }}{{ '\\n' if not loop.last }}{% endfor %}", nil,
			[]dataset.Message{say("user", " Hi "), say("assistant", "Yes"), say("user", "So?")},
			"user: Hi\nassistant: Yes\nuser: So?", "a condition without else writes nothing"},
		{"{% for m in messages if m.role == 'user' %}{{ loop.index0 }}{{ m.content[::-1] }}{% endfor %}", nil,
			[]dataset.Message{say("user", "ab"), say("assistant", "x"), say("user", "cd")}, "0ba1dc",
			"a filtered loop, a reversed text"},
		{"{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}", nil, hi, "1",
			"a namespace outlives the loop"},
		{"{% macro m(a, b='!') -%} {{ a ~ b }} {%- endmacro %}{{ m('x') + m('y', b='?') }}", nil, hi, "x!y?", "macros"},
		{"{% if think is defined and think is false %}off{% elif think is not defined %}unsaid{% else %}on{% endif %}",
			map[string]any{"think": false}, hi, "off", "kwargs are variables"},
		{"{% if tools %}t{% endif %}{{ messages[5] is defined }}{{ none is none }}", nil, hi, "FalseTrue",
			"none is there and empty"},
		{"{{ messages[0].content.lstrip() }}", nil, []dataset.Message{say("user", "\u00a0\u2003x ")}, "x ",
			"Python's white space"},
		{"{{ 'xxabxx'.strip('x') }}{{ 'a,b'.split(',')[-1] }}", nil, hi, "abb", "methods with arguments"},
		{"{{ messages | tojson }}", nil, []dataset.Message{say("user", "é<'\"")}, `[{"role": "user", "content": "é<'\""}]`,
			"no character is escaped for HTML"},
		{"{% generation %}{{ 'a' }}{% endgeneration %}", nil, hi, "a", "a trainer's mark writes nothing"},
		{"{{ strftime_now('%d %b %Y') }}", nil, hi, "05 Mar 2026", "the day that was stated"},
		{"{{ none }}{{ true }}{{ 3 - 1 }}", nil, hi, "NoneTrue2", "values as Python writes them"},
	} {
		tpl, err := New(Config{Name: "x", Source: c.source, EOS: "<end>", Kwargs: c.kwargs,
			Today: time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)})
		var got string
		if err == nil {
			got, err = tpl.Render(c.msgs)
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %q, %v, want %q: %s", c.source, got, err, c.want, c.reason)
		}
	}
}

// TestRefuses: what could not be rendered as Python does has a name in the error.
func TestRefuses(t *testing.T) {
	for _, c := range []struct{ source, content, want string }{
		{"{% raw %}x{% endraw %}", "Hi", `line 1: the statement "raw"`},
		{"\n\n{% include 'x' %}", "Hi", `line 3: the statement "include"`},
		{"{{ 'x' }", "Hi", "not closed"},
		{"{{ 'x' 3 }}", "Hi", `"3" where the tag should end`},
		{"{{ 2 ** 3 }}", "Hi", "the operator **"},
		{"{{ '\\N{DASH}' }}", "Hi", `the escape \N`},
		{"a\x1cb", "Hi", "U+001C"},
		{"{{ messages[0].content }}", "a\x1fb", "U+001F"},
		{"{{ nothing }}", "Hi", "not defined"},
		{"{{ nothing.more }}", "Hi", "not defined"},
		{"{{ 'a' + nothing }}", "Hi", "not defined"},
		{"{{ messages[0].name + 'a' }}", "Hi", "not defined"},
		{"{% if nothing > 3 %}{% endif %}", "Hi", "not defined"},
		{"{{ 'a' + 3 }}", "Hi", "adds"},
		{"{{ 'a' + ('b' if false) }}", "Hi", "adds"},
		{"{% for x in none %}{% endfor %}", "Hi", "goes through"},
		{"{{ 'a' in none }}", "Hi", "goes through"},
		{"{{ 'abc'.find('b') }}", "Hi", "the method .find"},
		{"{{ strftime_now('%d') }}", "Hi", "Config.Today"},
		{"{{ raise_exception('no system prompt') }}", "Hi", "no system prompt"},
		{"{{ messages[0].content }}", "a<end>b", "<end>"},
		{"{{ messages[0].content }}d>", "a<en", "<end>"},
	} {
		tpl, err := New(Config{Name: "x", Source: c.source, EOS: "<end>"})
		if err == nil {
			_, err = tpl.Render([]dataset.Message{say("user", c.content)})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q with %q: %v, want an error with %q", c.source, c.content, err, c.want)
		}
	}
	var control *chat.ControlTokenError
	tpl, err := New(Config{Name: "x", Source: "{{ messages[0].content }}", EOS: "<end>"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Render([]dataset.Message{say("user", "<end>")}); !errors.As(err, &control) {
		t.Errorf("%v, want a ControlTokenError", err)
	}
}

// TestTemplate: what teacherforce asks of a template, and a hash that changes
// with all that changes the text.
func TestTemplate(t *testing.T) {
	c := Config{Name: "mine", BOS: "<s>", EOS: "<end>", Controls: []string{"<user>"}, Source: "{{ bos_token }}" +
		"{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}" +
		"{% if add_generation_prompt %}<assistant>{% endif %}"}
	tpl, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := tpl.Render([]dataset.Message{say("user", "Hi")})
	if err != nil || text != "<s><user>Hi<end><assistant>" {
		t.Errorf("%q, %v", text, err)
	}
	if tpl.Name() != "mine" || tpl.EndOfTurn() != "<end>" || tpl.ResponseHeader() != "<assistant>" ||
		tpl.BOS() != "<s>" ||
		tpl.FindControl("a<user>") != "<user>" {
		t.Errorf("%s %s %s %s %v", tpl.Name(), tpl.EndOfTurn(), tpl.ResponseHeader(), tpl.BOS(), tpl.Controls())
	}
	hashes := map[string]bool{tpl.Hash(): true}
	for _, change := range []func(*Config){
		func(c *Config) { c.Source += " " }, func(c *Config) { c.Kwargs = map[string]any{"a": 1} },
		func(c *Config) { c.Today = time.Unix(0, 0) }, func(c *Config) { c.Name = "other" },
		func(c *Config) { c.BOS = "<b>" },
	} {
		other := c
		change(&other)
		tpl, err := New(other)
		if err != nil {
			t.Fatal(err)
		}
		hashes[tpl.Hash()] = true
	}
	if len(hashes) != 6 {
		t.Errorf("%d hashes of 6 templates", len(hashes))
	}
	for _, bad := range []Config{{Name: "x"}, {Name: "x", Source: "a"}, {Source: "a", EOS: "<end>"},
		{Name: "x", Source: "a", EOS: "<end>", Kwargs: map[string]any{"f": func() {}}},
		{Name: "x", Source: "a", EOS: "<end>", Kwargs: map[string]any{"f": struct{}{}}}} {
		if _, err := New(bad); err == nil {
			t.Errorf("New(%+v) made a template", bad)
		}
	}
}

func TestReadTokenizer(t *testing.T) {
	for _, c := range []struct{ file, source, bos, controls, fails string }{
		{`{"chat_template": "x", "bos_token": {"content": "<s>"}, "eos_token": "</s>",
			"added_tokens_decoder": {"1": {"content": "</s>"}, "2": {"content": "  "}},
			"additional_special_tokens": ["<t>", "</s>"]}`,
			"x", "<s>", "</s> <t>", ""},
		{`{"chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}],
			"bos_token": null}`, "d", "", "", ""},
		{`{"bos_token": "<s>"}`, "", "<s>", "", ""},
		{`{"chat_template": [{"name": "tool_use", "template": "t"}]}`, "", "", "", "none is named default"},
		{`{"chat_template": 3}`, "", "", "", "neither"},
		{`{"bos_token": 3}`, "", "", "", "neither"},
		{`{`, "", "", "", "read tokenizer"},
	} {
		got, err := ReadTokenizer(strings.NewReader(c.file))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want %q", c.file, err, c.fails)
			}
			continue
		}
		if err != nil || got.Source != c.source || got.BOS != c.bos || strings.Join(got.Controls, " ") != c.controls {
			t.Errorf("%s: %+v, %v", c.file, got, err)
		}
	}
}

// FuzzRewrite. Invariant: any source is refused or gives a template; neither
// rewriting nor rendering panics.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"{{ a.b[1:](x, y=2)|f is g }}", "{%- set a, b = 1, 2 -%}", "{# x",
		"{% for a in b if c %}", "'\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		if out, err := rewrite(source); err == nil && strings.Count(source, "{") == 0 && source != "" && out == "" &&
			strings.Trim(source, "\r\n") != "" {
			t.Errorf("%q vanished", source)
		}
	})
}
