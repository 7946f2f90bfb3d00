package jinja

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxConfig is how much of a tokenizer_config.json is read: those with a thousand
// added tokens have some hundred kilobytes.
const maxConfig = 32 << 20

// ReadTokenizer reads what a tokenizer_config.json says of its model's template:
// source, tokens and, as controls, every added token. If there are several
// templates it takes the one named "default". Newer models keep the source in a
// chat_template.jinja beside it: then Source is empty, and the caller sets it.
// Name, Kwargs and Today are the caller's too.
func ReadTokenizer(r io.Reader) (Config, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err == nil && len(raw) > maxConfig {
		err = errors.New("it is larger than 32 MiB")
	}
	var file struct {
		Template json.RawMessage    `json:"chat_template"`
		BOS      spelled            `json:"bos_token"`
		EOS      spelled            `json:"eos_token"`
		Added    map[string]spelled `json:"added_tokens_decoder"`
		More     []spelled          `json:"additional_special_tokens"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &file)
	}
	if err != nil {
		return Config{}, fmt.Errorf("jinja: read tokenizer configuration: %w", err)
	}
	c := Config{BOS: string(file.BOS), EOS: string(file.EOS)}
	var several []struct{ Name, Template string }
	switch {
	case len(file.Template) == 0 || string(file.Template) == "null":
	case json.Unmarshal(file.Template, &c.Source) == nil:
	case json.Unmarshal(file.Template, &several) == nil:
		for _, t := range several {
			if t.Name == "default" {
				c.Source = t.Template
			}
		}
		if c.Source == "" {
			return Config{}, errors.New("jinja: read tokenizer configuration: chat_template holds several templates and " +
				"none is named default")
		}
	default:
		return Config{}, errors.New("jinja: read tokenizer configuration: chat_template is neither a text nor a list")
	}
	for _, t := range file.Added {
		c.Controls = append(c.Controls, string(t))
	}
	for _, t := range file.More {
		c.Controls = append(c.Controls, string(t))
	}
	c.Controls = slices.DeleteFunc(c.Controls, func(s string) bool { return blank(s) })
	slices.Sort(c.Controls)
	c.Controls = slices.Compact(c.Controls)
	return c, nil
}

// blank reports whether an added token is white space, which some vocabularies
// add: such a token is no control, and text is full of it.
func blank(s string) bool {
	for _, r := range s {
		if r != ' ' && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}

// spelled is a token's text, which is written by itself or in an object.
type spelled string

func (s *spelled) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err == nil {
		if text != nil {
			*s = spelled(*text)
		}
		return nil
	}
	var object struct{ Content string }
	if err := json.Unmarshal(b, &object); err != nil {
		return fmt.Errorf("a token is neither a text nor an object: %w", err)
	}
	*s = spelled(object.Content)
	return nil
}
