package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	engine "github.com/ardanlabs/jinja"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
)

// Config describes a model's own template.
type Config struct {
	// Name is how policies name the template. Required.
	Name string
	// Source is the template's text. Required.
	Source string
	// BOS and EOS are the tokenizer's bos_token and eos_token, empty for none.
	BOS, EOS string
	// EndOfTurn is the text of the token by which the model ends its turn; empty
	// means EOS.
	EndOfTurn string
	// Controls are the texts of the vocabulary's special tokens.
	Controls []string
	// Kwargs are further variables, as a server's chat_template_kwargs:
	// enable_thinking, date_string.
	Kwargs map[string]any
	// Today is the day that strftime_now tells. Zero makes a template that asks
	// for it fail: a policy's context may not change overnight.
	Today time.Time
}

// New makes a template of c. A source that uses what cannot be rendered as
// Python does is refused, with the line and the construct.
func New(c Config) (chat.Template, error) {
	fail := func(err error) (chat.Template, error) {
		return chat.Template{}, fmt.Errorf("jinja: template %q: %w", c.Name, err)
	}
	if c.Source == "" {
		return fail(errors.New("no source"))
	}
	source, err := rewrite(c.Source)
	if err != nil {
		return fail(err)
	}
	t, err := engine.Compile(source)
	if err != nil {
		return fail(err)
	}
	kwargs, err := json.Marshal(c.Kwargs)
	if err != nil {
		return fail(fmt.Errorf("kwargs: %w", err))
	}
	for k, v := range c.Kwargs {
		if v != nil && engine.FromGoValue(v).IsUndefined() {
			return fail(fmt.Errorf("kwargs: %s is a %T; want what JSON has", k, v))
		}
	}
	end := c.EndOfTurn
	if end == "" {
		end = c.EOS
	}
	return chat.NewRendering(chat.Rendering{
		Name: c.Name, BOS: c.BOS, EndOfTurn: end, Controls: c.Controls,
		Identity: strings.Join([]string{c.Source, c.BOS, c.EOS, string(kwargs), c.Today.Format(time.DateOnly)}, "\x00"),
		Render:   func(msgs []dataset.Message, header bool) (string, error) { return c.render(t, msgs, header) },
	})
}

func (c Config) render(t *engine.Template, msgs []dataset.Message, header bool) (string, error) {
	list := make([]engine.Value, len(msgs))
	for i, m := range msgs {
		if j := strings.IndexFunc(m.Content, separator); j >= 0 {
			return "", fmt.Errorf("turn %d (%s) holds %U, which Python takes for white space and the engine does not", i,
				m.Role, m.Content[j])
		}
		list[i] = engine.NewDict()
		list[i].AsDict().Set("role", engine.NewString(m.Role))
		list[i].AsDict().Set("content", engine.NewString(m.Content))
	}
	data := map[string]engine.Value{
		"messages": engine.NewList(list), "add_generation_prompt": engine.NewBool(header),
		"tools": engine.None(), "documents": engine.None(), // as transformers passes them
	}
	if c.BOS != "" {
		data["bos_token"] = engine.NewString(c.BOS)
	}
	if c.EOS != "" {
		data["eos_token"] = engine.NewString(c.EOS)
	}
	for k, v := range c.Kwargs {
		data[k] = engine.FromGoValue(v)
	}
	for name, fn := range map[string]func([]engine.Value) (engine.Value, error){
		fnNeed: need, fnAdd: add, fnOut: write, fnIter: iter, fnStrip: strip, fnUnlike: unlikePython,
		"raise_exception": raise, "strftime_now": c.strftime,
	} {
		data[name] = engine.NewCallable(name, func(args []engine.Value, _ map[string]engine.Value) (engine.Value, error) {
			return fn(args)
		})
	}
	return t.RenderValues(data)
}

func one(args []engine.Value) engine.Value {
	if len(args) == 0 {
		return engine.Undefined()
	}
	return args[0]
}

func need(args []engine.Value) (engine.Value, error) {
	v := one(args)
	if v.IsUndefined() {
		return v, errors.New("the template uses a value that is not defined")
	}
	return v, nil
}

func add(args []engine.Value) (engine.Value, error) {
	if len(args) != 2 {
		return engine.Undefined(), errors.New("a sum of other than two values")
	}
	a, b := args[0], args[1]
	switch {
	case a.IsUndefined() || b.IsUndefined():
		return a, errors.New("the template adds a value that is not defined")
	case a.IsString() && b.IsString():
		return engine.NewString(a.AsString() + b.AsString()), nil
	case a.IsInt() && b.IsInt():
		return engine.NewInt(a.AsInt() + b.AsInt()), nil
	case a.IsList() && b.IsList():
		items := append([]engine.Value{}, a.AsList().Items...)
		return engine.NewList(append(items, b.AsList().Items...)), nil
	}
	return a, fmt.Errorf("the template adds %s and %s", a, b)
}

func write(args []engine.Value) (engine.Value, error) {
	v := one(args)
	switch {
	case v.IsUndefined():
		return v, errors.New("the template writes a value that is not defined")
	case v.IsNone():
		return engine.NewString("None"), nil
	case v.IsString(), v.IsInt(), v.IsBool():
		return v, nil
	}
	return v, fmt.Errorf("the template writes %s, which is no text", v)
}

func iter(args []engine.Value) (engine.Value, error) {
	v := one(args)
	if v.IsList() || v.IsDict() || v.IsString() || v.IsUndefined() {
		return v, nil
	}
	return v, fmt.Errorf("the template goes through %s, which has no items", v)
}

// strip is Python's, by its name, with or without the characters to be taken off.
func strip(args []engine.Value) (engine.Value, error) {
	if len(args) < 2 || !args[1].IsString() || len(args) > 2 && !args[2].IsString() {
		return engine.Undefined(), errors.New("the template strips what is no text")
	}
	cut := func(r rune) bool { return unicode.IsSpace(r) || separator(r) }
	if len(args) > 2 {
		cut = func(r rune) bool { return strings.ContainsRune(args[2].AsString(), r) }
	}
	s := args[1].AsString()
	if method := args[0].AsString(); method != "rstrip" {
		s = strings.TrimLeftFunc(s, cut)
	}
	if method := args[0].AsString(); method != "lstrip" {
		s = strings.TrimRightFunc(s, cut)
	}
	return engine.NewString(s), nil
}

func unlikePython(args []engine.Value) (engine.Value, error) {
	return engine.Undefined(), fmt.Errorf("the template uses %s, which the engine has otherwise than Python",
		one(args).AsString())
}

func raise(args []engine.Value) (engine.Value, error) {
	v := one(args)
	if !v.IsString() {
		return v, errors.New("the template refuses the conversation")
	}
	return v, fmt.Errorf("the template refuses the conversation: %s", v.AsString())
}

// strftime tells Today in Python's letters.
func (c Config) strftime(args []engine.Value) (engine.Value, error) {
	v := one(args)
	switch {
	case c.Today.IsZero():
		return v, errors.New("the template asks for the current day: state it (Config.Today), so that the policy's " +
			"context does not change overnight")
	case !v.IsString():
		return v, errors.New("strftime_now without a format")
	}
	var b strings.Builder
	format := v.AsString()
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		layout, ok := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'B': "January", 'b': "Jan", 'A': "Monday",
			'a': "Mon", 'H': "15", 'M': "04", 'S': "05", 'y': "06", '%': "%"}[format[i]]
		if !ok {
			return v, fmt.Errorf("strftime_now: the letter %%%c", format[i])
		}
		b.WriteString(c.Today.Format(layout))
	}
	return engine.NewString(b.String()), nil
}
