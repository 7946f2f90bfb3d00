package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
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

// store is the run's memory: every record, in the journal first and in numbers
// for reading. The latest record of a key counts. What grows with tokens stays in
// the journal alone; see held.go.
type store struct {
	j      *journal.Journal
	path   string // of its folder
	echoes echoes
	shared shared

	mu        sync.Mutex // of all from here on, and of shared
	responses rows[response]
	logprobs  rows[logProb]
	designs   map[string][]oracle.Assignment // that follow from scores, as drawn
	labels    map[labelKey]*label
	scores    rows[score]
	canaries  map[dataset.Key]dataset.Canary
	certs     map[string]teacherforce.Certificate
	seconds   map[string]float64 // wall time by stage, over all starts
	attempts  attempts
	held      map[string]providers.USD // of attempts in flight
	written   *writtenOutputs          // the outputs, if they are of the records as they are
	writtenAt int64                    // where that is noted in the journal
	newer     bool                     // there are records after it
	indexed   int64                    // bytes of the log that the index on the disk is of
	counts    record.ForcingCounts     // of logprobs
	order     []uint32                 // all keys, sorted, as long as there are no more
}

// newStore is a store without records, of a journal in dir.
func newStore(dir string) *store {
	return &store{
		shared:   newShared(),
		path:     dir,
		designs:  map[string][]oracle.Assignment{},
		labels:   map[labelKey]*label{},
		canaries: map[dataset.Key]dataset.Canary{},
		certs:    map[string]teacherforce.Certificate{},
		seconds:  map[string]float64{},
		attempts: newAttempts(),
		held:     map[string]providers.USD{},
	}
}

// Found is what the journal of a folder holds, read before the run takes the folder.
type Found struct {
	store *store
	end   journal.Place // of what the store has
}

// look reads the journal in dir, and changes nothing.
func look(dir string, identity []byte) (*Found, error) {
	s, end := readIndex(dir)
	end, err := journal.Check(dir, journal.Options{Config: identity, Each: s.load, After: end})
	return &Found{s, end}, err
}

// take opens the journal for what follows, and loads what was appended since it was read.
func (f *Found) take(identity []byte) (*store, error) {
	s := f.store
	j, err := journal.Open(s.path, journal.Options{Config: identity, Each: s.load, After: f.end})
	if err != nil {
		return nil, err
	}
	s.j, s.echoes.j = j, j
	return s, nil
}

// openStore opens the folder's journal and loads what it holds.
func openStore(dir string, identity []byte) (*store, error) {
	found, err := look(dir, identity)
	if err != nil {
		return nil, err
	}
	return found.take(identity)
}

// expect makes room for the keys of a job and the places of its records, which grow into it without waste.
func (s *store) expect(j *Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shared.keys.expect(j.Prompts, len(j.Arms))
	n := len(j.Prompts) * len(j.Arms)
	s.responses.expect(n)
	s.logprobs.expect(n)
	s.scores.expect(n)
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
			s.setLabel(row)
		}
	case kindBatch:
	case kindOutputs:
		var w writtenOutputs
		if err = json.Unmarshal(r.Payload, &w); err == nil {
			s.written, s.writtenAt, s.newer = &w, r.At, false
		}
	case kindScore:
		var row dataset.JudgeScore
		if row, err = readScore(r); err == nil {
			s.setScore(row)
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
			s.attempts.note(&s.shared.keys, e, r.At)
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
	was := s.heldResponse(row.Key())
	same := was != nil && row.Error != nil && s.stands(was.at, row)
	return put(s, kindResponse, row, same, func(at int64) { s.setResponse(row, at) })
}

func (s *store) putLogProb(row dataset.LogProb) error {
	was := s.heldLogProb(row.Key())
	same := was != nil && row.Error != nil && s.stands(was.at, row)
	return put(s, kindLogProb, row, same, func(at int64) {
		s.setLogProb(row, at)
		s.echoes.forget(row.Key().String())
	})
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
	return put(s, kindLabel, row, false, func(int64) { s.setLabel(row) })
}

func (s *store) putScore(row dataset.JudgeScore) error {
	return put(s, kindScore, row, false, func(int64) { s.setScore(row) })
}

func (s *store) putCanary(row dataset.Canary) error {
	return put(s, kindCanary, row, false, func(int64) { s.canaries[row.Key()] = row })
}

// setResponse replaces a response. s.mu is held, or nobody else has s yet; as below.
func (s *store) setResponse(row dataset.Response, at int64) {
	held := s.shared.response(row, at)
	s.responses.set(held.key, held)
}

func (s *store) setLogProb(row dataset.LogProb, at int64) {
	held := s.shared.logProb(row, at)
	if old := s.logprobs.at(held.key); old != nil {
		s.count(old, -1)
	}
	s.count(held, 1)
	s.logprobs.set(held.key, held)
}

// count adds a log-prob to the counts, or takes it off.
func (s *store) count(h *logProb, by int) {
	if !h.value.Valid() {
		return
	}
	s.counts.Scored += by
	if h.value.OrNaN() == 0 {
		s.counts.Zeros += by
	}
	if s.counts.Methods == nil {
		s.counts.Methods = map[string]int{}
	}
	for m, v := range h.results {
		if v.Valid() {
			s.counts.Methods[m.name] += by
		}
	}
}

func (s *store) setScore(row dataset.JudgeScore) {
	held := s.shared.score(row)
	s.scores.set(held.key, held)
}

func (s *store) setLabel(row dataset.OracleLabel) {
	s.labels[s.labelKey(row)] = s.shared.label(row)
}

func (s *store) labelKey(l dataset.OracleLabel) labelKey {
	return labelKey{s.shared.keys.of(l.Key()), l.Role == oracle.RoleDuplicate, l.Oracle}
}

func (s *store) forcing() record.ForcingCounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Methods = maps.Clone(c.Methods)
	return c
}

// held is what the store holds under a key, nil for nothing.
func held[T any](s *store, of *rows[T], k dataset.Key) *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.shared.keys.find(k); ok {
		return of.at(n)
	}
	return nil
}

func (s *store) heldResponse(k dataset.Key) *response { return held(s, &s.responses, k) }
func (s *store) heldLogProb(k dataset.Key) *logProb   { return held(s, &s.logprobs, k) }
func (s *store) heldScore(k dataset.Key) *score       { return held(s, &s.scores, k) }

// heldLabel is what an oracle said of a response, nil if it was not asked.
func (s *store) heldLabel(k dataset.Key, second bool, oracle string) *label {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.shared.keys.find(k); ok {
		return s.labels[labelKey{n, second, oracle}]
	}
	return nil
}

func get[K comparable, T any](s *store, rows map[K]T, k K) (T, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, ok := rows[k]
	return row, ok
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
	s.echoes.forgetProbes(c)
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
	s.attempts.note(&s.shared.keys, e, at)
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
func (s *store) ledger() iter.Seq2[attempt, *attemptKind] {
	s.mu.Lock()
	defer s.mu.Unlock()
	order := s.attempts.sorted(&s.shared.keys)
	return func(yield func(attempt, *attemptKind) bool) {
		var some [64]attempt
		var kinds [len(some)]*attemptKind
		for places := range slices.Chunk(order, len(some)) {
			s.mu.Lock()
			for i, at := range places {
				some[i] = *s.attempts.at(at)
				kinds[i] = s.attempts.kind(&some[i])
			}
			s.mu.Unlock()
			for i := range places {
				if !yield(some[i], kinds[i]) {
					return
				}
			}
		}
	}
}

// entries are the ledger as checks and forecasts read it.
func (s *store) entries() record.Attempts {
	ledger := s.ledger()
	s.mu.Lock()
	texts := s.attempts.texts(&s.shared.keys)
	s.mu.Unlock()
	entries := func(key func(attempt, *attemptKind) string) iter.Seq[providers.Entry] {
		return func(yield func(providers.Entry) bool) {
			for a, k := range ledger {
				if !yield(k.entry(&a, key(a, k))) {
					return
				}
			}
		}
	}
	return record.NewAttempts(entries(func(a attempt, k *attemptKind) string { return texts.of(&a, k) })).
		InBrief(entries(func(attempt, *attemptKind) string { return "" }))
}
