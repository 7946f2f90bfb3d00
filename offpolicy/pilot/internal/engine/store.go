package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

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
// the journal alone, and places say where; see tokens.go.
type store struct {
	j      *journal.Journal
	path   string // of its folder
	echoes echoes
	places places

	mu        sync.Mutex
	responses map[dataset.Key]dataset.Response
	logprobs  map[dataset.Key]dataset.LogProb
	designs   map[string][]oracle.Assignment // that follow from scores, as drawn
	labels    map[labelKey]dataset.OracleLabel
	scores    map[dataset.Key]dataset.JudgeScore
	canaries  map[dataset.Key]dataset.Canary
	certs     map[string]teacherforce.Certificate
	seconds   map[string]float64 // wall time by stage, over all starts
	entries   map[string]providers.Entry
	held      map[string]providers.USD // of attempts in flight
	order     []string                 // ids of entries as they began
	cost      providers.USD            // of all entries
	written   *writtenOutputs          // the outputs, if no record is newer
	counts    record.ForcingCounts     // of logprobs; its map is replaced, never changed
}

// openStore opens the folder's journal and loads what it holds.
func openStore(dir string, identity []byte) (*store, error) {
	s := &store{
		places:    places{responses: map[dataset.Key]int64{}, logprobs: map[dataset.Key]int64{}},
		path:      dir,
		responses: map[dataset.Key]dataset.Response{},
		logprobs:  map[dataset.Key]dataset.LogProb{},
		designs:   map[string][]oracle.Assignment{},
		labels:    map[labelKey]dataset.OracleLabel{},
		scores:    map[dataset.Key]dataset.JudgeScore{},
		canaries:  map[dataset.Key]dataset.Canary{},
		certs:     map[string]teacherforce.Certificate{},
		seconds:   map[string]float64{},
		entries:   map[string]providers.Entry{},
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
	err := unambiguous(jsontext.Value(r.Payload))
	if err != nil {
		return &foreignRecord{path: s.path, at: r, err: err}
	}
	if changes(r.Kind) {
		s.written = nil
	}
	switch r.Kind {
	case kindResponse:
		var row dataset.Response
		if row, err = rowOf[dataset.Response](r); err == nil {
			s.responses[row.Key()], s.places.responses[row.Key()] = withoutIDs(row), r.At
		}
	case kindLogProb:
		var row dataset.LogProb
		if row, err = rowOf[dataset.LogProb](r); err == nil {
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
			s.labels[keyOf(row)] = row
		}
	case kindBatch:
	case kindOutputs:
		var w writtenOutputs
		if err = json.Unmarshal(r.Payload, &w); err == nil {
			s.written = &w
		}
	case kindScore:
		err = loadRow(r, s.scores)
	case kindCanary:
		err = loadRow(r, s.canaries)
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
		if err = json.Unmarshal(r.Payload, &e); err == nil {
			err = e.Validate()
		}
		if err == nil && e.ID != r.Key {
			err = fmt.Errorf("it is of attempt %q", e.ID)
		}
		if err == nil {
			s.note(e)
			if e.Endpoint == "batch" {
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

func loadRow[T keyed](r journal.Record, rows map[dataset.Key]T) error {
	row, err := rowOf[T](r)
	if err == nil {
		rows[row.Key()] = row
	}
	return err
}

// put acknowledges a record: it is durable when put returns.
func put[T keyed](s *store, kind string, rows map[dataset.Key]T, row T) error {
	return putAs(s, kind, rows, row.Key(), row)
}

// putAs is put for rows that go by more than the response's key.
func putAs[K comparable, T keyed](s *store, kind string, rows map[K]T, k K, row T) error {
	if err := s.j.Append(kind, row.Key().String(), row); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows[k], s.written = row, nil
	return nil
}

// putResponse is put for responses.
func (s *store) putResponse(row dataset.Response) error {
	at, err := s.j.AppendAt(kindResponse, row.Key().String(), row)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responses[row.Key()], s.places.responses[row.Key()], s.written = withoutIDs(row), at, nil
	return nil
}

// putLogProb is put for log-probs, which are counted as they come.
func (s *store) putLogProb(row dataset.LogProb) error {
	at, err := s.j.AppendAt(kindLogProb, row.Key().String(), row)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setLogProb(row, at)
	s.written = nil
	return nil
}

// setLogProb replaces a log-prob. s.mu is held, or nobody else has s yet.
func (s *store) setLogProb(row dataset.LogProb, at int64) {
	c := record.ForcingCounts{Scored: s.counts.Scored, Zeros: s.counts.Zeros, Methods: maps.Clone(s.counts.Methods)}
	if c.Methods == nil {
		c.Methods = map[string]int{}
	}
	count := func(row dataset.LogProb, by int) {
		if !row.LogProb.Valid() {
			return
		}
		c.Scored += by
		if row.LogProb.OrNaN() == 0 {
			c.Zeros += by
		}
		for name, m := range row.Methods {
			if m.LogProb.Valid() {
				c.Methods[name] += by
			}
		}
	}
	if old, ok := s.logprobs[row.Key()]; ok {
		count(old, -1)
	}
	count(row, 1)
	s.logprobs[row.Key()], s.places.logprobs[row.Key()], s.counts = withoutTokens(row), at, c
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
func sorted[T keyed](s *store, rows map[dataset.Key]T, keep func(dataset.Key) bool) []T {
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
	if err := s.j.AppendNoSync(kindLedger, e.ID, e); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(e)
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

func (s *store) note(e providers.Entry) {
	before, ok := s.entries[e.ID]
	if !ok {
		s.order = append(s.order, e.ID)
	}
	s.entries[e.ID] = e
	s.cost += e.Cost - before.Cost
}

// spent is what all attempts cost, those in flight at their reservation.
func (s *store) spent() providers.USD {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cost
}

// money is spent, apart from what attempts in flight have reserved. What an earlier start,
// killed, left in flight is spent: nobody will see what it cost.
func (s *store) money() (spent, reserved providers.USD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, usd := range s.held {
		reserved += usd
	}
	return max(s.cost-reserved, 0), reserved
}

// owed is the part of spent that an unfinished batch will reserve again.
func (s *store) owed() (sum providers.USD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.Endpoint == "batch" && e.Outcome == providers.OutcomeInFlight {
			sum += e.Cost
		}
	}
	return sum
}

// ledger returns one entry an attempt, in the order they began. Attempts that
// an earlier start, killed, left in flight stay as they were: unknown, at
// their reservation.
func (s *store) ledger() []providers.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]providers.Entry, len(s.order))
	for i, id := range s.order {
		out[i] = s.entries[id]
	}
	return out
}
