package grading

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/reweigh/reweigh/providers"
)

// The reasons of a [Failure].
const (
	Unparsable    = "unparsable"     // not the object asked for, or a value beyond the scale
	Refused       = "refused"        // the model declined
	Filtered      = "filtered"       // the service's content filter intervened
	Truncated     = "truncated"      // the reply was cut at MaxTokens
	EmptyResponse = "empty_response" // the model replied with nothing
)

// Failure is a reply that holds no grade.
type Failure struct {
	Reason string // one of the constants above
	Reply  string // the beginning of the reply
	Err    error  // what is wrong with it; nil where Reason says it all
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Reason
	}
	return f.Reason + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Grades reads the outcome of a call made with [Task.Request]: one value for
// each of t.Fields, mapped from the scale to [0, 1]. The error is a [*Failure]
// where the model or its service gave no grade, and err itself where the call
// failed otherwise.
func (t Task) Grades(gen providers.Generation, err error) ([]float64, error) {
	var pe *providers.Error
	switch {
	case errors.As(err, &pe) && pe.Class == providers.ClassFiltered:
		return nil, &Failure{Reason: Filtered, Err: err}
	case err != nil:
		return nil, err
	case gen.Refusal != "":
		return nil, &Failure{Reason: Refused, Reply: excerpt(gen.Refusal)}
	case gen.FinishReason == "content_filter":
		return nil, &Failure{Reason: Filtered, Reply: excerpt(gen.Text)}
	case gen.FinishReason == "length":
		return nil, &Failure{Reason: Truncated, Reply: excerpt(gen.Text)}
	case strings.TrimSpace(gen.Text) == "":
		return nil, &Failure{Reason: EmptyResponse}
	}
	raw, err := t.Parse(gen.Text)
	if err != nil {
		return nil, &Failure{Reason: Unparsable, Reply: excerpt(gen.Text), Err: err}
	}
	out := make([]float64, len(raw))
	for i, v := range raw {
		out[i] = float64(v-t.Min) / float64(t.Max-t.Min)
	}
	return out, nil
}

// Parse reads a reply: exactly one JSON object with "reason", a string, and
// each of t.Fields, a whole number within the scale; no other key, none twice,
// and nothing but white space around it. It returns the numbers in the order of
// t.Fields.
func (t Task) Parse(reply string) ([]int, error) {
	if !json.Valid([]byte(reply)) { // the decoder alone stops at the end of the object
		return nil, errors.New("not one JSON value")
	}
	dec := json.NewDecoder(strings.NewReader(reply))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	} else if tok != json.Delim('{') {
		return nil, fmt.Errorf("want a JSON object, got %v", tok)
	}
	out := make([]int, len(t.Fields))
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("reading the object: %w", err)
		}
		key := tok.(string) // the decoder admits no other key
		if seen[key] {
			return nil, fmt.Errorf("key %q stands twice", key)
		}
		seen[key] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("reading %s: %w", key, err)
		}
		if key == "reason" {
			if !bytes.HasPrefix(raw, []byte{'"'}) {
				return nil, fmt.Errorf("reason: want a string, got %s", excerpt(string(raw)))
			}
			continue
		}
		at := slices.Index(t.Fields, key)
		if at < 0 {
			return nil, fmt.Errorf("unknown key %q", key)
		}
		if out[at], err = t.grade(string(raw)); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, name := range append([]string{"reason"}, t.Fields...) {
		if !seen[name] {
			return nil, fmt.Errorf("key %q is missing", name)
		}
	}
	return out, nil
}

// grade reads a JSON value as a whole number on the scale. The scale is the
// declared one and never guessed from the value: 1 on a scale to 100 is 1.
func (t Task) grade(raw string) (int, error) {
	if raw == "" || !strings.ContainsRune("-0123456789", rune(raw[0])) {
		return 0, fmt.Errorf("want a number, got %s", excerpt(raw))
	}
	v, err := strconv.ParseFloat(raw, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("number out of range: %s", excerpt(raw))
	case v != math.Trunc(v):
		return 0, fmt.Errorf("want a whole number, got %s", excerpt(raw))
	case v < float64(t.Min) || v > float64(t.Max):
		return 0, fmt.Errorf("%s is not on the scale from %d to %d", excerpt(raw), t.Min, t.Max)
	}
	return int(v), nil
}

// maxExcerpt is how much of a reply an error repeats, in bytes.
const maxExcerpt = 200

// excerpt returns the beginning of s, cut between characters.
func excerpt(s string) string {
	if len(s) <= maxExcerpt {
		return s
	}
	cut := maxExcerpt
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
