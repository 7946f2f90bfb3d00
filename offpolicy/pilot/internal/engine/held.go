package engine

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// What the store holds of a record has no text and no list of tokens, and shares what records
// have in common. The rest is read from the journal, from where the record stands. Of what few
// records have there is a pointer to rest.

// shared has once what many records have in common.
type shared struct {
	keys      keyring
	responses pool[responseKind]
	logProbs  map[logProbKind]*heldKind
	scores    pool[scoreKind]
	labels    pool[labelKind]
}

func newShared() shared {
	return shared{newKeyring(), pool[responseKind]{}, map[logProbKind]*heldKind{}, pool[scoreKind]{}, pool[labelKind]{}}
}

// response is a response as the store holds it.
type response struct {
	*responseKind
	rest                   *responseRest
	at                     int64
	sum, context           uint64
	logProb                dataset.Float
	key, bytes, characters uint32
	contextN               uint32
}

type responseKind struct {
	finish, model, hash string
	text, blank, digest bool // there is one
	endID               int
	ends                bool
}

type responseRest struct {
	context *dataset.TokenDigest
	err     *dataset.RecordError
}

// response makes of a response what is held of it.
func (s *shared) response(row dataset.Response, at int64) *response {
	short := record.ResponseOf(row)
	k := responseKind{finish: row.FinishReason, model: row.Model, hash: row.PolicyHash}
	out := &response{key: s.keys.of(row.Key()), at: at, logProb: row.LogProb}
	if row.EndID != nil {
		k.endID, k.ends = *row.EndID, true
	}
	if t := short.Text; t != nil { // the journal bounds its length
		k.text, k.blank = true, t.Blank
		out.bytes, out.characters, out.sum = uint32(t.Bytes), uint32(t.Characters), t.Sum
	}
	rest := responseRest{err: row.Error}
	if d := row.ContextIDs; d != nil {
		var ok bool
		if out.contextN, out.context, ok = packDigest(*d); ok {
			k.digest = true
		} else {
			rest.context = d
		}
	}
	if rest != (responseRest{}) {
		out.rest = &rest
	}
	out.responseKind = s.responses.of(k)
	return out
}

func (h *response) number() uint32 { return h.key }

// packDigest is a digest in numbers, if it has the form that digests have.
func packDigest(d dataset.TokenDigest) (n uint32, sum uint64, ok bool) {
	var b [8]byte
	if len(d.SHA256) != hex.EncodedLen(len(b)) || d.N < 0 || d.N > math.MaxUint32 {
		return 0, 0, false
	}
	_, err := hex.Decode(b[:], []byte(d.SHA256))
	sum = binary.BigEndian.Uint64(b[:])
	return uint32(d.N), sum, err == nil && unpackDigest(uint32(d.N), sum) == d
}

func unpackDigest(n uint32, sum uint64) dataset.TokenDigest {
	return dataset.TokenDigest{N: int(n), SHA256: hex.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))}
}

// failed is why there is no value, nil if there is one.
func (h *response) failed() *dataset.RecordError {
	if h.rest == nil {
		return nil
	}
	return h.rest.err
}

// row is the response as checks read it.
func (h *response) row(keys *keyring) record.Response {
	out := h.brief(keys)
	if h.digest {
		d := unpackDigest(h.contextN, h.context)
		out.ContextIDs = &d
	} else if h.rest != nil {
		out.ContextIDs = h.rest.context
	}
	return out
}

// brief is the response without the digest of its context.
func (h *response) brief(keys *keyring) record.Response {
	k := keys.key(h.key)
	out := record.Response{Response: dataset.Response{PromptID: k.PromptID, Policy: k.Policy, DrawIdx: k.DrawIdx,
		FinishReason: h.finish, Model: h.model, PolicyHash: h.hash, LogProb: h.logProb}}
	if h.ends {
		out.EndID = &h.endID
	}
	if h.text {
		out.Text = &record.Text{Bytes: int(h.bytes), Characters: int(h.characters), Blank: h.blank, Sum: h.sum}
	}
	if r := h.rest; r != nil {
		out.Error = r.err
	}
	return out
}

// logProb is a log-prob as the store holds it: of its tokens the last, which a server may
// leave out of its own sum, and those that no log-prob can have.
type logProb struct {
	*heldKind
	rest                *logProbRest
	at                  int64
	value, spread, last dataset.Float
	key                 uint32
	tokens              uint32
}

// logProbKind is what many log-probs have in common.
type logProbKind struct {
	method, of, state, hash string
	flags, methods          string // in one
	vocabulary              int
	outside, last           bool
}

// heldKind is a kind with its lists.
type heldKind struct {
	logProbKind
	flags   []string
	methods []methodKind // by name
}

// methodKind is what a method said, but for its value.
type methodKind struct {
	name, status, reason string
	valid                bool
}

type logProbRest struct {
	values   []dataset.Float // of the methods that have one; nil if each is the value
	tokens   int
	few      dataset.Floats // if they are not the last one alone
	interval *[2]dataset.Float
	excluded dataset.Float
	err      *dataset.RecordError
}

// logProb makes of a log-prob what is held of it.
func (s *shared) logProb(row dataset.LogProb, at int64) *logProb {
	out := &logProb{key: s.keys.of(row.Key()), at: at, value: row.LogProb, spread: row.Spread}
	rest := logProbRest{interval: row.Interval, excluded: row.Excluded, err: row.Error}
	if row.Tokens <= math.MaxUint32 {
		out.tokens = uint32(row.Tokens)
	} else {
		rest.tokens = row.Tokens
	}
	few := fewTokens(row.TokenLogProbs)
	k := logProbKind{method: row.Method, of: string(row.Distribution), state: row.State, hash: row.PolicyHash,
		flags: strings.Join(row.Flags, "\x00"), vocabulary: row.Vocabulary, outside: row.OutsideSupport}
	if k.last = len(few) == 1; k.last {
		out.last = dataset.Known(few[0])
	} else {
		rest.few = few
	}
	var text []byte
	same := true
	for _, name := range slices.Sorted(maps.Keys(row.Methods)) {
		m := row.Methods[name]
		for _, part := range []string{name, m.Status, m.Reason} {
			text = append(append(text, part...), 0)
		}
		if v := m.LogProb; v.Valid() {
			text = append(text, 1)
			rest.values = append(rest.values, v)
			same = same && v == row.LogProb
		}
	}
	if same {
		rest.values = nil
	}
	k.methods = string(text)
	kind, ok := s.logProbs[k]
	if !ok {
		kind = &heldKind{logProbKind: k, flags: slices.Clone(row.Flags)}
		for _, name := range slices.Sorted(maps.Keys(row.Methods)) {
			m := row.Methods[name]
			kind.methods = append(kind.methods, methodKind{name, m.Status, m.Reason, m.LogProb.Valid()})
		}
		s.logProbs[k] = kind
	}
	out.heldKind = kind
	if rest.values != nil || rest.tokens != 0 || rest.few != nil || rest.interval != nil || rest.excluded.Valid() ||
		rest.err != nil {
		out.rest = &rest
	}
	return out
}

func (h *logProb) number() uint32 { return h.key }

// fewTokens are the last of a list, and those that no log-prob can have.
func fewTokens(tokens dataset.Floats) (few dataset.Floats) {
	for i, v := range tokens {
		if v > 0 || math.IsInf(v, 0) || i == len(tokens)-1 {
			few = append(few, v)
		}
	}
	return few
}

// failed is why there is no value, nil if there is one.
func (h *logProb) failed() *dataset.RecordError {
	if h.rest == nil {
		return nil
	}
	return h.rest.err
}

// withValue counts the methods that have a value.
func (k *heldKind) withValue() (n int) {
	for _, m := range k.methods {
		if m.valid {
			n++
		}
	}
	return n
}

// results yields the methods with their values.
func (h *logProb) results(yield func(*methodKind, dataset.Float) bool) {
	var values []dataset.Float
	if h.rest != nil {
		values = h.rest.values
	}
	for i := range h.methods {
		m, v := &h.methods[i], dataset.Float{}
		switch {
		case !m.valid:
		case values != nil:
			v, values = values[0], values[1:]
		default:
			v = h.value
		}
		if !yield(m, v) {
			return
		}
	}
}

// brief is the log-prob without the results of its methods.
func (h *logProb) brief(keys *keyring) dataset.LogProb {
	k := keys.key(h.key)
	out := dataset.LogProb{PromptID: k.PromptID, Policy: k.Policy, LogProb: h.value, Tokens: int(h.tokens),
		Method: h.method, Spread: h.spread, Flags: h.heldKind.flags, OutsideSupport: h.outside, Vocabulary: h.vocabulary,
		Distribution: dataset.Distribution(h.of), State: h.state, PolicyHash: h.hash}
	if h.logProbKind.last {
		out.TokenLogProbs = dataset.Floats{h.last.OrNaN()}
	}
	if r := h.rest; r != nil {
		out.Interval, out.Excluded, out.Error = r.interval, r.excluded, r.err
		if r.few != nil {
			out.TokenLogProbs = r.few
		}
		if r.tokens != 0 {
			out.Tokens = r.tokens
		}
	}
	return out
}

// row is the log-prob as checks read it.
func (h *logProb) row(keys *keyring) dataset.LogProb {
	out := h.brief(keys)
	out.Methods = make(map[string]dataset.MethodResult, len(h.methods))
	for m, v := range h.results {
		out.Methods[m.name] = dataset.MethodResult{LogProb: v, Status: m.status, Reason: m.reason}
	}
	return out
}

// score is a judge score as the store holds it.
type score struct {
	*scoreKind
	rest           *dataset.JudgeScore // all of it
	mean, variance dataset.Float
	key            uint32
}

type scoreKind struct {
	judge, source, hash string
	repaired            bool
}

func (s *shared) score(row dataset.JudgeScore) *score {
	out := &score{key: s.keys.of(row.Key()), mean: row.Mean, variance: row.Variance,
		scoreKind: s.scores.of(scoreKind{row.Judge, row.Source, row.PolicyHash, row.Repaired})}
	if row.Error != nil || row.Readings != nil || row.Calibrated.Valid() || row.CalibratedVariance.Valid() ||
		row.VarianceParts != nil {
		row.PromptID, row.Policy = "", "" // the key says them
		out.rest = &row
	}
	return out
}

func (h *score) failed() *dataset.RecordError {
	if h.rest == nil {
		return nil
	}
	return h.rest.Error
}

// row is the score as checks read it.
func (h *score) row(keys *keyring) dataset.JudgeScore {
	k := keys.key(h.key)
	if h.rest != nil {
		out := *h.rest
		out.PromptID, out.Policy, out.Variance = k.PromptID, k.Policy, h.variance
		return out
	}
	return dataset.JudgeScore{PromptID: k.PromptID, Policy: k.Policy, DrawIdx: k.DrawIdx, Judge: h.judge, Mean: h.mean,
		Variance: h.variance, Source: h.source, Repaired: h.repaired, PolicyHash: h.hash}
}

// label is an oracle label as the store holds it.
type label struct {
	*labelKind
	err              *dataset.RecordError
	value, inclusion dataset.Float
}

type labelKind struct{ role, stratum, oracle, hash string }

// labelKey names one label: a response has one of each oracle, or two.
type labelKey struct {
	key    uint32
	second bool
	oracle string
}

func (k labelKey) compare(o labelKey) int {
	second := func(k labelKey) int {
		if k.second {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(k.key, o.key), cmp.Compare(second(k), second(o)), cmp.Compare(k.oracle, o.oracle))
}

func (s *shared) label(row dataset.OracleLabel) *label {
	return &label{s.labels.of(labelKind{row.Role, row.Stratum, row.Oracle, row.PolicyHash}), row.Error, row.Label,
		row.InclusionProb}
}

func (h *label) row(k dataset.Key) dataset.OracleLabel {
	return dataset.OracleLabel{PromptID: k.PromptID, Policy: k.Policy, DrawIdx: k.DrawIdx, Label: h.value,
		InclusionProb: h.inclusion, Role: h.role, Stratum: h.stratum, Oracle: h.oracle, PolicyHash: h.hash, Error: h.err}
}
