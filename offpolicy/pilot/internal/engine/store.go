package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/oracle"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/teacherforce"
)

// The kinds of journal records.
const (
	kindResponse    = "response"
	kindLogProb     = "logprob"
	kindDesign      = "design"
	kindLabel       = "label"
	kindBatch       = "batch" // batch.JournalStore's own
	kindScore       = "score"
	kindCanary      = "canary"
	kindCertificate = "certificate"
	kindLedger      = "ledger"
	kindStage       = "stage"
)

// store is the run's memory: every record, in the journal first and in maps
// for reading. The latest record of a key counts. What grows with tokens stays in
// the journal alone; see held.go.
type store struct {
	j      *journal.Journal
	path   string // of its folder
	echoes echoes
	shared shared

	mu        sync.Mutex
	responses map[dataset.Key]*response
	logprobs  map[dataset.Key]*logProb
	designs   map[string][]oracle.Assignment // that follow from scores, as drawn
	labels    map[labelKey]dataset.OracleLabel
	scores    map[dataset.Key]*dataset.JudgeScore // replaced, never changed
	canaries  map[dataset.Key]dataset.Canary
	certs     map[string]teacherforce.Certificate
	seconds   map[string]float64 // wall time by stage, over all starts
	attempts  attempts
	held      map[string]providers.USD // of attempts in flight
	written   *writtenOutputs          // the outputs, if they are of the records as they are
	newer     bool                     // there are records after it
	counts    record.ForcingCounts     // of logprobs; its map is replaced, never changed
}

// openStore opens the folder's journal and loads what it holds.
func openStore(dir string, identity []byte) (*store, error) {
	s := &store{
		shared:    newShared(),
		path:      dir,
		responses: map[dataset.Key]*response{},
		logprobs:  map[dataset.Key]*logProb{},
		designs:   map[string][]oracle.Assignment{},
		labels:    map[labelKey]dataset.OracleLabel{},
		scores:    map[dataset.Key]*dataset.JudgeScore{},
		canaries:  map[dataset.Key]dataset.Canary{},
		certs:     map[string]teacherforce.Certificate{},
		seconds:   map[string]float64{},
		attempts:  newAttempts(),
		held:      map[string]providers.USD{},
	}
	j, err := journal.Open(dir, journal.Options{Config: identity, Each: s.load})
	if err != nil {
		return nil, err
	}
	s.j, s.echoes.j = j, j
	return s, nil
}

func (s *store) load(r journal.Record) error {
	var err error
	switch r.Kind {
	case kindResponse, kindLogProb, kindScore, kindLedger: // their decoder sees to it
	default:
		if err = unambiguous(jsontext.Value(r.Payload)); err != nil {
			return &foreignRecord{path: s.path, at: r, err: err}
		}
	}
	if changes(r.Kind) {
		s.written = nil
	}
	switch r.Kind {
	case kindResponse:
		var row dataset.Response
		if row, err = readResponse(r); err == nil {
			s.setResponse(row, r.At)
		}
	case kindLogProb:
		var row dataset.LogProb
		if row, err = readLogProb(r); err == nil {
			s.setLogProb(row, r.At)
		}
		s.echoes.forget(r.Key)
	case kindEcho:
		err = s.echoes.load(r)
	case kindDesign:
		var drawn []oracle.Assignment
		if err = json.Unmarshal(r.Payload, &drawn); err == nil {
			s.designs[r.Key] = drawn
		}
	case kindLabel:
		var row dataset.OracleLabel
		if row, err = rowOf[dataset.OracleLabel](r); err == nil {
			row = s.shared.label(row)
			s.labels[keyOf(row)] = row
		}
	case kindBatch:
	case kindOutputs:
		var w writtenOutputs
		if err = json.Unmarshal(r.Payload, &w); err == nil {
			s.written, s.newer = &w, false
		}
	case kindScore:
		var row dataset.JudgeScore
		if row, err = readScore(r); err == nil {
			row = s.shared.score(row)
			s.scores[row.Key()] = &row
		}
	case kindCanary:
		var row dataset.Canary
		if row, err = rowOf[dataset.Canary](r); err == nil {
			s.canaries[row.Key()] = row
		}
	case kindCertificate:
		var c teacherforce.Certificate
		if err = json.Unmarshal(r.Payload, &c); err == nil {
			s.certs[r.Key] = c
			s.echoes.forgetProbes(c)
		}
	case kindStage:
		var sec float64
		if err = json.Unmarshal(r.Payload, &sec); err == nil && !(sec >= 0) {
			err = fmt.Errorf("a stage took %v s: want 0 or more", sec)
		}
		if err == nil {
			s.seconds[r.Key] = sec
		}
	case kindLedger:
		var e providers.Entry
		if err = jsonv2.Unmarshal(r.Payload, &e); err == nil {
			err = e.Validate()
		}
		if err == nil && e.ID != r.Key {
			err = fmt.Errorf("it is of attempt %q", e.ID)
		}
		if err == nil {
			s.attempts.note(e, r.At)
			if e.Endpoint == batchEndpoint {
				s.hold(e)
			}
		}
	default:
		err = fmt.Errorf("unknown kind %q: written by a newer version?", r.Kind)
	}
	if err != nil {
		return &foreignRecord{path: s.path, at: r, err: err}
	}
	return nil
}

// labelKey names one label: a response has one of each oracle, or two.
type labelKey struct {
	dataset.Key
	second bool
	oracle string
}

func keyOf(l dataset.OracleLabel) labelKey {
	return labelKey{l.Key(), l.Role == oracle.RoleDuplicate, l.Oracle}
}

type keyed interface{ Key() dataset.Key }

// put acknowledges a record: it is durable when put returns. hold takes it into memory.
// If the row that it replaces is the same, the outputs are still those of the records.
func put[T keyed](s *store, kind string, row T, same bool, hold func(at int64)) error {
	at, err := s.j.AppendAt(kind, row.Key().String(), row)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	hold(at)
	if !same {
		s.written = nil
	}
	s.newer = true
	return nil
}

func (s *store) putResponse(row dataset.Response) error {
	was, ok := get(s, s.responses, row.Key())
	same := ok && row.Error != nil && s.stands(was.at, row)
	return put(s, kindResponse, row, same, func(at int64) { s.setResponse(row, at) })
}

func (s *store) putLogProb(row dataset.LogProb) error {
	was, ok := get(s, s.logprobs, row.Key())
	same := ok && row.Error != nil && s.stands(was.at, row)
	return put(s, kindLogProb, row, same, func(at int64) { s.setLogProb(row, at) })
}

// stands reports whether row stands in the journal at a place already, as what fails as it did
// before.
func (s *store) stands(at int64, row any) bool {
	was, err := s.j.Read(at)
	var is bytes.Buffer
	enc := json.NewEncoder(&is)
	enc.SetEscapeHTML(false) // as the journal's
	return err == nil && enc.Encode(row) == nil && bytes.Equal(was.Payload, bytes.TrimSpace(is.Bytes()))
}

func (s *store) putLabel(row dataset.OracleLabel) error {
	return put(s, kindLabel, row, false, func(int64) {
		row = s.shared.label(row)
		s.labels[keyOf(row)] = row
	})
}

func (s *store) putScore(row dataset.JudgeScore) error {
	return put(s, kindScore, row, false, func(int64) {
		row = s.shared.score(row)
		s.scores[row.Key()] = &row
	})
}

func (s *store) putCanary(row dataset.Canary) error {
	return put(s, kindCanary, row, false, func(int64) { s.canaries[row.Key()] = row })
}

// setResponse replaces a response. s.mu is held, or nobody else has s yet.
func (s *store) setResponse(row dataset.Response, at int64) {
	held := s.shared.response(row, at)
	s.responses[held.Key()] = held
}

// setLogProb replaces a log-prob. s.mu is held, or nobody else has s yet.
func (s *store) setLogProb(row dataset.LogProb, at int64) {
	c := record.ForcingCounts{Scored: s.counts.Scored, Zeros: s.counts.Zeros, Methods: maps.Clone(s.counts.Methods)}
	if c.Methods == nil {
		c.Methods = map[string]int{}
	}
	count := func(l *logProb, by int) {
		if !l.row.LogProb.Valid() {
			return
		}
		c.Scored += by
		if l.row.LogProb.OrNaN() == 0 {
			c.Zeros += by
		}
		for _, m := range l.methods {
			if m.value.Valid() {
				c.Methods[m.name] += by
			}
		}
	}
	held := s.shared.logProb(row, at)
	if old, ok := s.logprobs[row.Key()]; ok {
		count(old, -1)
	}
	count(held, 1)
	s.logprobs[held.row.Key()], s.counts = held, c
}

func (s *store) forcing() record.ForcingCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

func get[K comparable, T any](s *store, rows map[K]T, k K) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := rows[k]
	return row, ok
}

// sorted returns the rows of the named prompts in the order of their keys.
func sorted[T any](s *store, rows map[dataset.Key]T, keep func(dataset.Key) bool) []T {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]T, 0, len(rows))
	for _, k := range slices.SortedFunc(maps.Keys(rows), dataset.Key.Compare) {
		if keep(k) {
			out = append(out, rows[k])
		}
	}
	return out
}

// putDesign acknowledges a draw, and returns it.
func (s *store) putDesign(key string, drawn []oracle.Assignment) ([]oracle.Assignment, error) {
	if err := s.j.Append(kindDesign, key, drawn); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.designs[key], s.written = drawn, nil
	return drawn, nil
}

func (s *store) putCertificate(key string, c teacherforce.Certificate) error {
	if err := s.j.Append(kindCertificate, key, c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certs[key] = c
	return nil
}

func (s *store) addSeconds(stage string, sec float64) error {
	s.mu.Lock()
	s.seconds[stage] += sec
	total := s.seconds[stage]
	s.mu.Unlock()
	return s.j.Append(kindStage, stage, total)
}

// Begin implements [providers.Ledger]: the attempt is on file, at its
// reservation, before it is sent. It need not be on the disk: a killed process
// loses nothing that the system has taken.
func (s *store) Begin(e providers.Entry) error { return s.entry(e) }

// End implements [providers.Ledger].
func (s *store) End(e providers.Entry) error { return s.entry(e) }

func (s *store) entry(e providers.Entry) error {
	at, err := s.j.AppendAtNoSync(kindLedger, e.ID, e)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempts.note(e, at)
	s.hold(e)
	return nil
}

// hold notes what an attempt in flight has reserved.
func (s *store) hold(e providers.Entry) {
	delete(s.held, e.ID)
	if e.Outcome == providers.OutcomeInFlight {
		s.held[e.ID] = e.Cost
	}
}

// spent is what all attempts cost, those in flight at their reservation.
func (s *store) spent() providers.USD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts.cost
}

// money is spent, apart from what attempts in flight have reserved. What an earlier start,
// killed, left in flight is spent: nobody will see what it cost.
func (s *store) money() (spent, reserved providers.USD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, usd := range s.held {
		reserved += usd
	}
	return max(s.attempts.cost-reserved, 0), reserved
}

// owed is the part of spent that an unfinished batch will reserve again.
func (s *store) owed() (sum providers.USD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts.owed()
}

// ledger returns the attempts in the order of the ledger. Those that an earlier start, killed,
// left in flight stay as they were: unknown, at their reservation.
func (s *store) ledger() []attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts.sorted()
}
