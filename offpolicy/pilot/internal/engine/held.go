package engine

import (
	"maps"
	"math"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// What the store holds of a record has no text and no list of tokens, and shares what records
// have in common. The rest is read from the journal, from where the record stands.

// response is a response as the store holds it.
type response struct {
	record.Response
	at int64
}

// logProb is a log-prob as the store holds it.
type logProb struct {
	row     dataset.LogProb // without Methods
	methods []methodValue   // by name
	at      int64
}

// methodValue is what one method said.
type methodValue struct {
	value dataset.Float
	*methodKind
}

// methodKind is what many values have in common.
type methodKind struct {
	name, status, reason string
}

// shared has once what many records have in common.
type shared struct {
	names   names
	methods map[methodKind]*methodKind
}

func newShared() shared { return shared{names{}, map[methodKind]*methodKind{}} }

// name makes a string one with all that are equal to it.
func (s shared) name(fields ...*string) {
	for _, f := range fields {
		*f = s.names.of(*f)
	}
}

// response makes of a response what is held of it.
func (s shared) response(row dataset.Response, at int64) *response {
	s.name(&row.PromptID, &row.Policy, &row.FinishReason, &row.Model, &row.PolicyHash)
	return &response{record.ResponseOf(row), at}
}

// logProb makes of a log-prob what is held of it: of its tokens the last, which a server may
// leave out of its own sum, and those that no log-prob can have.
func (s shared) logProb(row dataset.LogProb, at int64) *logProb {
	s.name(&row.PromptID, &row.Policy, &row.Method, (*string)(&row.Distribution), &row.State, &row.PolicyHash)
	var few dataset.Floats
	for i, v := range row.TokenLogProbs {
		if v > 0 || math.IsInf(v, 0) || i == len(row.TokenLogProbs)-1 {
			few = append(few, v)
		}
	}
	row.TokenLogProbs = few
	for i := range row.Flags {
		s.name(&row.Flags[i])
	}
	methods := make([]methodValue, 0, len(row.Methods))
	for _, name := range slices.Sorted(maps.Keys(row.Methods)) {
		m := row.Methods[name]
		k := methodKind{name, m.Status, m.Reason}
		kind, ok := s.methods[k]
		if !ok {
			kind = &k
			s.methods[k] = kind
		}
		methods = append(methods, methodValue{m.LogProb, kind})
	}
	row.Methods = nil
	return &logProb{row, methods, at}
}

// record is the log-prob as checks read it.
func (l *logProb) record() dataset.LogProb {
	row := l.row
	row.Methods = make(map[string]dataset.MethodResult, len(l.methods))
	for _, m := range l.methods {
		row.Methods[m.name] = dataset.MethodResult{LogProb: m.value, Status: m.status, Reason: m.reason}
	}
	return row
}

func (s shared) score(row dataset.JudgeScore) dataset.JudgeScore {
	s.name(&row.PromptID, &row.Policy, &row.Judge, &row.Source, &row.PolicyHash)
	return row
}

func (s shared) label(row dataset.OracleLabel) dataset.OracleLabel {
	s.name(&row.PromptID, &row.Policy, &row.Role, &row.Stratum, &row.Oracle, &row.PolicyHash)
	return row
}
