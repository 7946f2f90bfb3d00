// Package jinja runs the template that a model publishes, so that a policy can
// name a model whose family [github.com/reweigh/reweigh/teacherforce/chat] does
// not have:
//
//	config, err := jinja.ReadTokenizer(file) // the model's tokenizer_config.json
//	config.Name = "my-model"
//	config.Kwargs = map[string]any{"enable_thinking": false}
//	template, err := jinja.New(config)
//
// The template goes into teacherforce's Config.Templates, and policies name it.
//
// It renders what Python's jinja2 renders, set up as transformers does, for
// conversations without tools; the variables are messages, add_generation_prompt,
// bos_token, eos_token, tools and documents (both none), the kwargs,
// raise_exception and strftime_now. What it cannot render so it refuses, with the
// construct: when the template is made, if that already shows, else when a
// conversation reaches it. That includes a value that is not defined, if the
// template writes it, adds it or reads from it; U+001C to U+001F in the source or
// in a turn; strftime_now without a day; and a few of Python's string methods.
//
// testdata/compare.py holds this against jinja2 for published originals. It is a
// module of its own, because it brings an engine; the source is rewritten first
// into a form in which white space and string literals do not depend on it.
package jinja
