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

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

// The reasons of a [Failure].
const (
	Unparsable    = "unparsable"     // not one grade that can be read, or one outside the scale
	Refused       = "refused"        // the model declined
	Filtered      = "filtered"       // the service's content filter intervened
	Truncated     = "truncated"      // the reply was cut at MaxTokens
	EmptyResponse = "empty_response" // the reply is empty
	TooLong       = "too_long"       // conversation and response exceed MaxMaterial; nothing was sent
)

// Failure is a reply that holds no grade.
type Failure struct {
	Reason string // one of the constants above
	Reply  string // the beginning of the reply
	Err    error  // what is wrong with it; nil if Reason says it all
}

func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Reason
	}
	return f.Reason + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Read reads the outcome of a call made with [Task.Request] about a response to
// a prompt. The error is a [*Failure] if the model or its service gave no grade,
// and err itself if the call failed otherwise.
func (t Task) Read(prompt dataset.Prompt, response string, gen providers.Generation, err error) (Answer, error) {
	var pe *providers.Error
	fail := func(reason, reply string, err error) (Answer, error) {
		return Answer{}, &Failure{Reason: reason, Reply: excerpt(reply), Err: err}
	}
	finish, _ := providers.FinishOf(gen.FinishReason)
	switch {
	case errors.As(err, &pe) && pe.Class == providers.ClassFiltered:
		return fail(Filtered, "", err)
	case err != nil:
		return Answer{}, err
	case gen.Refusal != "":
		return fail(Refused, gen.Refusal, nil)
	case finish == providers.FinishFiltered:
		return fail(Filtered, gen.Text, nil)
	case finish == providers.FinishLength:
		return fail(Truncated, gen.Text, spent(gen.Usage))
	case finish != providers.FinishStop && gen.FinishReason != "":
		return fail(Unparsable, gen.Text, fmt.Errorf("it ended by %q, and not by itself", gen.FinishReason))
	case strings.TrimSpace(gen.Text) == "":
		return fail(EmptyResponse, "", nil)
	}
	v, err := t.readAgain(gen.Text)
	switch {
	case err != nil:
	case v.repaired && v.quotes(conversation(prompt), response):
		err = errors.New("what it ends with stands in the text that it grades: it may be a quotation")
	case gen.FinishReason == "" && !strings.HasSuffix(v.text, "}"):
		err = errors.New("the server does not say how the reply ended, and a line may have been cut")
	}
	if err != nil {
		return fail(Unparsable, gen.Text, err)
	}
	a := Answer{Repaired: v.repaired, Reply: gen, Grades: make([]float64, len(v.values)), at: v.at}
	for i, value := range v.values {
		a.Grades[i] = t.unit(value)
	}
	return a, nil
}

// shortReply is how many bytes a reply may have to be remembered.
const shortReply = 1 << 10

// reading is what a reply was found to say.
type reading struct {
	verdict
	err error
}

// readAgain is read of replies of which many are alike, as those of a dry run are, and of which the
// verdict is not changed.
func (t Task) readAgain(reply string) (verdict, error) {
	if t.common == nil || len(reply) > shortReply {
		return t.read(reply)
	}
	r := t.common.readings.Get(reply, func() (r reading) {
		r.verdict, r.err = t.read(reply)
		return r
	})
	return r.verdict, r.err
}

// spent says what a reply that was cut spent its tokens on, if not on itself.
func spent(u *providers.Usage) error {
	if u == nil || u.HiddenTokens == 0 {
		return nil
	}
	return fmt.Errorf("%d of its %d tokens went into reasoning", u.HiddenTokens, u.CompletionTokens)
}

// unit maps a value of the scale to [0, 1].
func (t Task) unit(v int) float64 { return float64(v-t.Min) / float64(t.Max-t.Min) }

// object reads text that is exactly one JSON object with "reason", a string,
// and each of t.Fields, a whole number on the scale; no other key, no key twice,
// and nothing but white space around it. It returns the numbers in the
// order of t.Fields, and where in the text each stands.
func (t Task) object(text string, needReason bool) (values []int, at []span, err error) {
	if !json.Valid([]byte(text)) { // the decoder alone stops at the end of the object
		return nil, nil, errors.New("not one JSON value")
	}
	dec := json.NewDecoder(strings.NewReader(text))
	if tok, err := dec.Token(); err != nil {
		return nil, nil, fmt.Errorf("reading the object: %w", err)
	} else if tok != json.Delim('{') {
		return nil, nil, fmt.Errorf("want a JSON object, got %v", tok)
	}
	values, at = make([]int, len(t.Fields)), make([]span, len(t.Fields))
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("reading the object: %w", err)
		}
		key := tok.(string) // the decoder admits no other key
		if seen[key] {
			return nil, nil, fmt.Errorf("key %q appears twice", key)
		}
		seen[key] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, nil, fmt.Errorf("reading %s: %w", key, err)
		}
		if key == "reason" {
			if !bytes.HasPrefix(raw, []byte{'"'}) {
				return nil, nil, fmt.Errorf("reason: want a string, got %s", excerpt(string(raw)))
			}
			continue
		}
		i := slices.Index(t.Fields, key)
		if i < 0 {
			return nil, nil, fmt.Errorf("unknown key %q", key)
		}
		if values[i], err = t.grade(string(raw)); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", key, err)
		}
		end := int(dec.InputOffset())
		at[i] = span{end - len(raw), end}
	}
	for _, name := range t.Fields {
		if !seen[name] {
			return nil, nil, fmt.Errorf("key %q is missing", name)
		}
	}
	if needReason && !seen["reason"] {
		return nil, nil, errors.New(`key "reason" is missing`)
	}
	return values, at, nil
}

// span is a part of a text: bytes from to to.
type span struct{ from, to int }

// grade reads a JSON value as a whole number on the scale. The scale is the
// declared one and never guessed from the value: 1 on a scale to 100 is 1.
func (t Task) grade(raw string) (int, error) {
	if raw == "" || !strings.ContainsRune("-0123456789", rune(raw[0])) {
		return 0, fmt.Errorf("want a number, got %s", excerpt(raw))
	}
	v, err := strconv.ParseFloat(raw, 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("not one number that a float64 can hold: %s", excerpt(raw))
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
