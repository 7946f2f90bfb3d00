package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Faults says how a server fails. The zero value does not fail. A rate is a
// share in [0, 1].
type Faults struct {
	// Transport: shares of calls, decided anew at every attempt. Model listings
	// are spared. The first three answer before anything is computed or billed;
	// Reset and Truncate come after the bill was written, the honest worst case.
	TooManyRequests float64 // "429": rate limited, with retry-after-ms: 20
	ServerError     float64 // "500"
	Unavailable     float64 // "503"
	Reset           float64 // "reset": the connection breaks before the answer
	Truncate        float64 // "truncate": the connection breaks inside the answer
	Slow            float64 // "slow": the answer waits for SlowFor
	SlowFor         time.Duration

	// Content: shares of records; all calls of a record share the fault. Below
	// 1 they spare records of the stage "certify".
	Zero     float64 // "zero": every echoed log-prob is 0
	Positive float64 // "positive": every echoed log-prob has the wrong sign
	Null     float64 // "null": about a third of the echoed log-probs are null
	BadJSON  float64 // "badjson": a judge's or oracle's reply does not follow the schema
	Empty    float64 // "empty": the response ends at once
	Cut      float64 // "cut": finish_reason length, a third of the text, no end-of-turn

	// The whole server.
	NoEcho        bool    // "noecho": echo is accepted, but the prompt gets no log-probs
	Drift         float64 // "drift": this share of records is answered by another model, which says so
	Expensive     float64 // "expensive": tokens are counted and billed times this factor; 0 means 1
	WrongTemplate bool    // "wrongtemplate": chat renders with ChatML
	Noise         float64 // "noise": standard deviation of an echoed log-prob from call to call, nats
	Order         bool    // "order": echoed log-probs vary by about 1e-3 with the order of requests
}

// faultForm is one name of the -faults language and how its value is read.
type faultForm struct {
	name string
	form string
	rate func(*Faults) *float64 // a share, unless one of the others is set
	flag func(*Faults) *bool
	kind faultKind
}

type faultKind int

const (
	shareFault faultKind = iota
	flagFault
	factorFault
	timedFault
)

var faultForms = []faultForm{
	{name: "429", form: "429=rate", rate: func(f *Faults) *float64 { return &f.TooManyRequests }},
	{name: "500", form: "500=rate", rate: func(f *Faults) *float64 { return &f.ServerError }},
	{name: "503", form: "503=rate", rate: func(f *Faults) *float64 { return &f.Unavailable }},
	{name: "reset", form: "reset=rate", rate: func(f *Faults) *float64 { return &f.Reset }},
	{name: "truncate", form: "truncate=rate", rate: func(f *Faults) *float64 { return &f.Truncate }},
	{name: "slow", form: "slow=rate:duration", rate: func(f *Faults) *float64 { return &f.Slow }, kind: timedFault},
	{name: "zero", form: "zero=rate", rate: func(f *Faults) *float64 { return &f.Zero }},
	{name: "positive", form: "positive=rate", rate: func(f *Faults) *float64 { return &f.Positive }},
	{name: "null", form: "null=rate", rate: func(f *Faults) *float64 { return &f.Null }},
	{name: "badjson", form: "badjson=rate", rate: func(f *Faults) *float64 { return &f.BadJSON }},
	{name: "empty", form: "empty=rate", rate: func(f *Faults) *float64 { return &f.Empty }},
	{name: "cut", form: "cut=rate", rate: func(f *Faults) *float64 { return &f.Cut }},
	{name: "noecho", form: "noecho=1", flag: func(f *Faults) *bool { return &f.NoEcho }, kind: flagFault},
	{name: "drift", form: "drift=rate", rate: func(f *Faults) *float64 { return &f.Drift }},
	{name: "expensive", form: "expensive=factor", rate: func(f *Faults) *float64 { return &f.Expensive },
		kind: factorFault},
	{name: "wrongtemplate", form: "wrongtemplate=1", flag: func(f *Faults) *bool { return &f.WrongTemplate },
		kind: flagFault},
	{name: "noise", form: "noise=rate", rate: func(f *Faults) *float64 { return &f.Noise }},
	{name: "order", form: "order=1", flag: func(f *Faults) *bool { return &f.Order }, kind: flagFault},
}

// ParseFaults reads a comma-separated list of name=value, as in
// "429=0.2,500=0.1,slow=0.1:50ms". The empty string is no faults. An unknown
// name, a name given twice or a value out of range is an error that says what
// is allowed.
func ParseFaults(spec string) (Faults, error) {
	var f Faults
	seen := make(map[string]bool)
	if strings.TrimSpace(spec) == "" {
		return f, nil
	}
	for item := range strings.SplitSeq(spec, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		form, ok := findFault(name)
		if !ok {
			return Faults{}, fmt.Errorf("sim: fault %q is unknown: want one of %s", name, faultUsage())
		}
		if seen[name] {
			return Faults{}, fmt.Errorf("sim: fault %q is given twice", name)
		}
		seen[name] = true
		if err := form.parse(&f, value); err != nil {
			return Faults{}, fmt.Errorf("sim: fault %q: %w; write %s", item, err, form.form)
		}
	}
	return f, nil
}

func findFault(name string) (faultForm, bool) {
	for _, form := range faultForms {
		if form.name == name {
			return form, true
		}
	}
	return faultForm{}, false
}

func faultUsage() string {
	forms := make([]string, len(faultForms))
	for i, form := range faultForms {
		forms[i] = form.form
	}
	return strings.Join(forms, ", ")
}

func (form faultForm) parse(f *Faults, value string) error {
	switch form.kind {
	case flagFault:
		switch value {
		case "1":
			*form.flag(f) = true
		case "0":
			*form.flag(f) = false
		default:
			return fmt.Errorf("value %q is neither 0 nor 1", value)
		}
		return nil
	case factorFault:
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v > 0) || v > 1e6 {
			return fmt.Errorf("factor %q is no number in (0, 1e6]", value)
		}
		*form.rate(f) = v
		return nil
	case timedFault:
		rate, arg, _ := strings.Cut(value, ":")
		d, err := time.ParseDuration(arg)
		if err != nil || d < 0 {
			return fmt.Errorf("duration %q is none (as 50ms or 2s)", arg)
		}
		f.SlowFor, value = d, rate
	}
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return fmt.Errorf("rate %q is no share in [0, 1]", value)
	}
	*form.rate(f) = v + 0 // -0 is 0
	return nil
}

// String is the specification that [ParseFaults] reads back to an equal value.
func (f Faults) String() string {
	var items []string
	for _, form := range faultForms {
		switch form.kind {
		case flagFault:
			if *form.flag(&f) {
				items = append(items, form.name+"=1")
			}
		case timedFault:
			if f.Slow != 0 || f.SlowFor != 0 {
				items = append(items, fmt.Sprintf("%s=%v:%v", form.name, f.Slow, f.SlowFor))
			}
		default:
			if v := *form.rate(&f); v != 0 {
				items = append(items, fmt.Sprintf("%s=%v", form.name, v))
			}
		}
	}
	return strings.Join(items, ",")
}

// validate is for faults that were put together in code.
func (f Faults) validate() error {
	for _, form := range faultForms {
		if form.rate == nil {
			continue
		}
		v := *form.rate(&f)
		if form.kind == factorFault {
			if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("fault %s: %v is no factor", form.name, v)
			}
		} else if !(v >= 0 && v <= 1) {
			return fmt.Errorf("fault %s: %v is no share in [0, 1]", form.name, v)
		}
	}
	if f.SlowFor < 0 {
		return fmt.Errorf("fault slow: %v is negative", f.SlowFor)
	}
	return nil
}

// count is what the server says n tokens are.
func (f Faults) count(n int) int {
	if f.Expensive == 0 {
		return n
	}
	return int(math.Round(float64(n) * f.Expensive))
}

// callID is an X-Request-Id taken apart.
type callID struct {
	full  string
	row   string // the record: stage and digits, without the call
	stage string
}

// parseCallID splits stage-<16 hex>[-call]. An id of any other form stands for
// a record of its own, without a stage.
func parseCallID(id string) callID {
	c := callID{full: id, row: id}
	for start := 1; start < len(id); start++ {
		if id[start-1] != '-' || start+16 > len(id) || !isHex(id[start:start+16]) {
			continue
		}
		if end := start + 16; end == len(id) || id[end] == '-' {
			c.row, c.stage = id[:end], id[:start-1]
			break
		}
	}
	return c
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// certifyStage is the stage whose records partial content faults spare: it
// asks whether the endpoint works, and a rate is about the run's own rows.
const certifyStage = "certify"

// hitsRow decides a content fault.
func (s *Server) hitsRow(name string, rate float64, id callID) bool {
	switch {
	case rate <= 0:
		return false
	case rate >= 1:
		return true
	case id.stage == certifyStage:
		return false
	}
	return unit(hash64("fault", s.seed, name, id.row)) < rate
}

// hitsCall decides a transport fault.
func (s *Server) hitsCall(name string, rate float64, id callID, attempt int) bool {
	switch {
	case rate <= 0:
		return false
	case rate >= 1:
		return true
	}
	return unit(hash64("fault", s.seed, name, id.full, strconv.Itoa(attempt))) < rate
}
