// Command compare renders conversations for compare.py, which holds them against
// Python's jinja2: one JSON job a line in, one result a line out.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/teacherforce/chat"
	"github.com/reweigh/reweigh/teacherforce/chat/jinja"
)

type job struct {
	Builtin  string            `json:"builtin"`
	Source   string            `json:"source"`
	BOS      string            `json:"bos"`
	EOS      string            `json:"eos"`
	Kwargs   map[string]any    `json:"kwargs"`
	Today    string            `json:"today"`
	Messages []dataset.Message `json:"messages"`
}

func main() {
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<24)
	type made struct {
		t   chat.Template
		err error
	}
	templates := map[string]made{}
	for in.Scan() {
		var j job
		if err := json.Unmarshal(in.Bytes(), &j); err != nil {
			fmt.Fprintln(os.Stderr, "compare:", err)
			os.Exit(1)
		}
		key := fmt.Sprint(j.Builtin, "\x00", j.Source, j.Kwargs)
		m, ok := templates[key]
		if !ok {
			m.t, m.err = j.template()
			templates[key] = m
		}
		text, err := "", m.err
		if err == nil {
			text, err = m.t.Render(j.Messages)
		}
		result := map[string]any{"text": text}
		if err != nil {
			result["error"] = err.Error()
		}
		if err := out.Encode(result); err != nil {
			fmt.Fprintln(os.Stderr, "compare:", err)
			os.Exit(1)
		}
	}
}

func (j job) template() (chat.Template, error) {
	if j.Builtin != "" {
		t, ok := chat.Lookup(j.Builtin)
		if !ok {
			return t, fmt.Errorf("no template %q", j.Builtin)
		}
		return t, nil
	}
	today, err := time.Parse(time.DateOnly, j.Today)
	if err != nil {
		return chat.Template{}, err
	}
	return jinja.New(jinja.Config{Name: "original", Source: j.Source, BOS: j.BOS, EOS: j.EOS, EndOfTurn: "<end of turn>",
		Kwargs: j.Kwargs, Today: today})
}
