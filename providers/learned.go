package providers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// learned is what a service has said about the parameters that each of its
// models takes. Nothing is assumed from a model's name: lists of prefixes have
// been wrong in both directions, and a model's rules change with its other
// settings. Its methods are safe for concurrent use, and for a nil receiver,
// which learns nothing.
//
// A provider makes single attempts, so it does not send a corrected request by
// itself: the refused attempt is an error of [ClassAdapted], which [Client]
// tries again, so that both stand in the ledger, the refused one at no cost.
type learned struct {
	mu     sync.Mutex
	models map[string]*modelRules
}

type modelRules struct {
	limit   string             // name of the field that limits a chat response; "" is the dialect's own
	refused map[string]bool    // names of that field that were refused
	fixed   map[string]float64 // parameters left out because the model has only this value
	untaken map[string]bool    // parameters of sampling that the model refused whatever they are
}

func newLearned() *learned { return &learned{models: map[string]*modelRules{}} }

// rules is called with the lock held.
func (l *learned) rules(model string) *modelRules {
	r := l.models[model]
	if r == nil {
		r = &modelRules{refused: map[string]bool{}, fixed: map[string]float64{}, untaken: map[string]bool{}}
		l.models[model] = r
	}
	return r
}

// limitName is the name of the field that limits a chat response of model.
func (l *learned) limitName(model, usual string) string {
	if l == nil {
		return usual
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return first(l.rules(model).limit, usual)
}

// omit takes out of body the parameters that the model does not take and whose
// only value is the one that body holds. Another value is left in, for the
// service to refuse: without it, another policy would answer. Where no policy is
// asked (any), it is taken out as well, which omit reports.
func (l *learned) omit(model string, body map[string]any, any bool) (defaulted bool) {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for param, value := range l.rules(model).fixed {
		if body[param] == value {
			delete(body, param)
		}
	}
	for param := range l.rules(model).untaken {
		if _, ok := body[param]; any && ok {
			delete(body, param)
			defaulted = true
		}
	}
	return defaulted
}

// from learns from a refusal, and makes it one that is worth another attempt
// where the next request will differ. In any other case it says in the hint what
// the refusal means for a policy.
func (l *learned) from(a attempt, extra map[string]any, e *Error) {
	param := objection(e)
	if l == nil || param == "" {
		return
	}
	if _, ok := extra[param]; ok {
		e.Hint = fmt.Sprintf("%s comes from the request's Extra: leave it out there", param)
		return
	}
	sent, ok := a.body[param]
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	rules := l.rules(a.model)
	switch param {
	case "max_tokens", "max_completion_tokens":
		other := "max_tokens"
		if param == other {
			other = "max_completion_tokens"
		}
		_, taken := extra[other]
		if a.path != pathChat || taken || rules.refused[other] || !mentions(e.Message, other) {
			return
		}
		rules.limit, rules.refused[param] = other, true
		e.Class = ClassAdapted
		e.Hint = fmt.Sprintf("from now on requests to this model say %s in place of %s: send it again", other, param)
	case "temperature", "top_p":
		if only, ok := onlyValue(e.Message); ok && sent == only {
			rules.fixed[param] = only
			e.Class = ClassAdapted
			e.Hint = fmt.Sprintf("the only %s of this model is %v, which was asked for; from now on requests leave it out: "+
				"send it again", param, only)
			return
		}
		if a.anySampling {
			rules.untaken[param] = true
			e.Class = ClassAdapted
			e.Hint = fmt.Sprintf("this model does not accept %s %v; the request needs no certain one, so from now on such "+
				"requests leave it out: send it again", param, sent)
			return
		}
		e.Hint = fmt.Sprintf("this model does not accept %s %v: as declared, the policy cannot be sampled from it; "+
			"declare what it accepts, or take another model", param, sent)
	case "logprobs", "top_logprobs":
		e.Hint = "this model, as it is set, gives no log-probs of what it generates: ask for none, or take another model"
	}
}

// objection is the parameter that a refusal is about, empty where it is about
// something else.
func objection(e *Error) string {
	if e.Class != ClassBadRequest || e.Status != 400 && e.Status != 422 {
		return ""
	}
	code, text := strings.ToLower(e.Code), strings.ToLower(e.Message)
	if code != "unsupported_parameter" && code != "unsupported_value" &&
		!strings.HasPrefix(text, "unsupported parameter") && !strings.HasPrefix(text, "unsupported value") {
		return ""
	}
	if e.Param != "" {
		return e.Param
	}
	if m := quotedName.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var (
	quotedName = regexp.MustCompile(`['"` + "`" + `]([a-z_]+)['"` + "`" + `]`)
	// "Unsupported value: 'temperature' does not support 0.2 with this model.
	// Only the default (1) value is supported."
	defaultOnly = regexp.MustCompile(`(?i)only the default \((-?[0-9]+(?:\.[0-9]+)?)\)`)
)

// mentions reports whether message names the field, as a word of its own.
func mentions(message, field string) bool {
	for _, word := range strings.FieldsFunc(message, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		if word == field {
			return true
		}
	}
	return false
}

func onlyValue(message string) (float64, bool) {
	m := defaultOnly.FindStringSubmatch(message)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	return v, err == nil
}
