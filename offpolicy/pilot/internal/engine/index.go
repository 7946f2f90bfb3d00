package engine

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
	"github.com/reweigh/reweigh/internal/folder"
	"github.com/reweigh/reweigh/oracle"
)

// The index beside the journal's log is what the store held at the end of a start, so that the next
// one need not read all records again. It is of the first so many bytes of the log, by their
// checksum, and of the program that wrote it, because another may hold other things of the same
// records. If anything of that is not as it says, the log is read, and the index written anew.
const indexName = "index"

const indexForm = "reweigh index %s %08x %d %d\n" // program, checksum, bytes, records

// reread is the part of a log that is rather read again than the index written anew.
const reread = 1. / 64

// keepIndex writes the index, unless there is one of almost all records.
func (s *store) keepIndex() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, program := s.j.End(), thisProgram()
	if program == "" || float64(end.Bytes-s.indexed) <= reread*float64(end.Bytes) {
		return nil
	}
	sum, err := journal.Checksum(s.path, end)
	if err != nil {
		return err
	}
	in, err := folder.OpenIn(s.path)
	if err != nil {
		return err
	}
	defer in.Close()
	err = in.Replace(indexName, false, func(to io.Writer) error {
		h := sha256.New()
		w := &wire{to: bufio.NewWriter(io.MultiWriter(to, h))}
		_, w.err = fmt.Fprintf(w.to, indexForm, program, sum, end.Bytes, end.Records)
		s.wire(w)
		if w.err == nil {
			w.err = w.to.Flush()
		}
		if w.err == nil {
			_, w.err = to.Write(h.Sum(nil))
		}
		return w.err
	})
	if err == nil {
		s.indexed = end.Bytes
	}
	return err
}

// readIndex is the store that an index has, and the place up to which it has the records; a store
// without records if there is no index that holds.
func readIndex(dir string) (*store, journal.Place) {
	if s, end, ok := indexed(dir); ok {
		return s, end
	}
	return newStore(dir), journal.Place{}
}

func indexed(dir string) (s *store, end journal.Place, ok bool) {
	in, err := folder.OpenIn(dir)
	if err != nil {
		return nil, end, false
	}
	defer in.Close()
	f, err := in.Read(indexName)
	if err != nil {
		return nil, end, false
	}
	defer f.Close()
	var program string
	var sum uint32
	head := bufio.NewReader(f)
	if _, err := fmt.Fscanf(head, indexForm, &program, &sum, &end.Bytes, &end.Records); err != nil ||
		program != thisProgram() || end.Bytes <= 0 || end.Records < 0 {
		return nil, end, false
	}
	// Its own checksum first: nothing is made of what was not written.
	info, err := f.Stat()
	if err != nil || info.Size() < sha256.Size {
		return nil, end, false
	}
	body := io.NewSectionReader(f, 0, info.Size()-sha256.Size)
	h, want := sha256.New(), make([]byte, sha256.Size)
	if _, err := io.Copy(h, body); err != nil {
		return nil, end, false
	}
	if _, err := f.ReadAt(want, body.Size()); err != nil || !bytes.Equal(h.Sum(nil), want) {
		return nil, end, false
	}
	if is, err := journal.Checksum(dir, end); err != nil || is != sum {
		return nil, end, false
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, end, false
	}
	w := &wire{from: bufio.NewReader(body)}
	_, w.err = w.from.ReadSlice('\n')
	s = newStore(dir)
	s.wire(w)
	if w.err == nil {
		if _, w.err = w.from.ReadByte(); w.err == io.EOF {
			w.err = nil
		} else {
			w.fail(errIndex)
		}
	}
	s.indexed = end.Bytes
	return s, end, w.err == nil
}

// wire is all that the store holds.
func (s *store) wire(w *wire) {
	s.shared.keys.wire(w)
	of := &s.shared
	var responses kinds[responseKind]
	eachRow(w, &s.responses, func(n uint32, h *response) {
		kind(w, &responses, &h.responseKind, func(k *responseKind) {
			w.texts(&k.finish, &k.model, &k.hash)
			for _, v := range []*bool{&k.text, &k.blank, &k.digest, &k.ends} {
				w.flag(v)
			}
			number(w, &k.endID)
		}, of.responses.of)
		h.wire(w, n)
	})
	var logProbs kinds[heldKind]
	eachRow(w, &s.logprobs, func(n uint32, h *logProb) {
		kind(w, &logProbs, &h.heldKind, func(k *heldKind) { k.wire(w) }, func(k heldKind) *heldKind {
			of.logProbs[k.logProbKind] = &k
			return &k
		})
		if h.wire(w, n); w.reads() && w.err == nil {
			s.count(h, 1)
		}
	})
	var scores kinds[scoreKind]
	eachRow(w, &s.scores, func(n uint32, h *score) {
		kind(w, &scores, &h.scoreKind, func(k *scoreKind) {
			w.texts(&k.judge, &k.source, &k.hash)
			w.flag(&k.repaired)
		}, of.scores.of)
		h.wire(w, n)
	})
	s.wireLabels(w)
	if s.attempts.wire(w, &s.shared.keys); w.reads() && w.err == nil {
		maps.Copy(s.held, s.attempts.unsettled())
	}
	canaries := slices.SortedFunc(maps.Values(s.canaries),
		func(a, b dataset.Canary) int { return a.Key().Compare(b.Key()) })
	w.json(&canaries)
	for _, row := range canaries {
		s.canaries[row.Key()] = row
	}
	w.json(&s.designs)
	w.json(&s.certs)
	w.json(&s.seconds)
	written := s.written
	if s.newer {
		written = nil // to whoever reads the log
	}
	if w.json(&written); w.reads() {
		s.written = written
	}
	number(w, &s.writtenAt)
	w.json(&s.echoes.filed)
}

func (r *keyring) wire(w *wire) {
	r.prompts.wire(w)
	r.policies.wire(w)
	n := uint32(len(r.places))
	number(w, &n)
	for i := uint32(0); i < n && w.err == nil; i++ {
		var p place
		if !w.reads() {
			p = r.places[i]
		}
		number(w, &p.prompt)
		number(w, &p.policy)
		number(w, &p.draw)
		if !w.reads() {
			continue
		}
		if int(p.prompt) >= len(r.prompts.list) || int(p.policy) >= len(r.policies.list) {
			w.fail(errIndex)
			return
		}
		r.add(p)
	}
}

func (n *names) wire(w *wire) {
	count := uint32(len(n.list))
	number(w, &count)
	for i := uint32(0); i < count && w.err == nil; i++ {
		var name string
		if !w.reads() {
			name = n.list[i]
		}
		if w.text(&name); w.reads() {
			n.of(name)
		}
	}
}

func (h *response) wire(w *wire, n uint32) {
	h.key = n
	number(w, &h.at)
	w.bits(&h.sum)
	w.bits(&h.context)
	w.float(&h.logProb)
	for _, v := range []*uint32{&h.bytes, &h.characters, &h.contextN} {
		number(w, v)
	}
	if rare(w, &h.rest) {
		w.json(&h.rest.context)
		w.json(&h.rest.err)
	}
}

// rare reports whether a row has what few rows have.
func rare[T any](w *wire, rest **T) bool {
	has := *rest != nil
	w.flag(&has)
	if has && w.reads() {
		*rest = new(T)
	}
	return has
}

func (h *logProb) wire(w *wire, n uint32) {
	h.key = n
	number(w, &h.at)
	w.float(&h.value)
	w.float(&h.spread)
	w.float(&h.last)
	number(w, &h.tokens)
	if rare(w, &h.rest) {
		r := h.rest
		if list(w, &r.values, w.float); r.values != nil && w.err == nil && len(r.values) != h.withValue() {
			w.fail(errIndex)
		}
		number(w, &r.tokens)
		list(w, (*[]float64)(&r.few), w.real)
		w.json(&r.interval)
		w.float(&r.excluded)
		w.json(&r.err)
	}
}

func (k *heldKind) wire(w *wire) {
	w.texts(&k.method, &k.of, &k.state, &k.hash, &k.logProbKind.flags, &k.logProbKind.methods)
	number(w, &k.vocabulary)
	w.flag(&k.outside)
	w.flag(&k.last)
	w.json(&k.flags)
	list(w, &k.methods, func(m *methodKind) {
		w.texts(&m.name, &m.status, &m.reason)
		w.flag(&m.valid)
	})
}

// list is a list, nil if there is nothing in it.
func list[T any](w *wire, vs *[]T, each func(*T)) {
	n := uint32(len(*vs))
	number(w, &n)
	for i := uint32(0); i < n && w.err == nil; i++ {
		if w.reads() {
			*vs = append(*vs, *new(T))
		}
		each(&(*vs)[i])
	}
}

func (h *score) wire(w *wire, n uint32) {
	h.key = n
	w.float(&h.mean)
	w.float(&h.variance)
	rest := (*plainScore)(h.rest)
	if rare(w, &rest) {
		w.json(rest)
	}
	h.rest = (*dataset.JudgeScore)(rest)
}

func (s *store) wireLabels(w *wire) {
	n := uint32(len(s.labels))
	number(w, &n)
	var labels kinds[labelKind]
	one := func(key uint32, h *label) {
		number(w, &key)
		kind(w, &labels, &h.labelKind, func(k *labelKind) { w.texts(&k.role, &k.stratum, &k.oracle, &k.hash) },
			s.shared.labels.of)
		w.float(&h.value)
		w.float(&h.inclusion)
		if w.json(&h.err); w.reads() && w.err == nil {
			s.labels[labelKey{key, h.role == oracle.RoleDuplicate, h.oracle}] = h
		}
	}
	if !w.reads() {
		for _, key := range slices.SortedFunc(maps.Keys(s.labels), labelKey.compare) {
			one(key.key, s.labels[key])
		}
		return
	}
	for i := uint32(0); i < n && w.err == nil; i++ {
		one(0, &label{})
	}
}

func (a *attempts) wire(w *wire, keys *keyring) {
	a.others.wire(w)
	n := a.n
	number(w, &n)
	var common kinds[attemptKind]
	for i := 0; i < n && w.err == nil; i++ {
		var k *attemptKind
		if w.reads() {
			a.grow()
		} else {
			k = a.kind(a.at(uint32(i)))
		}
		h := a.at(uint32(i))
		kind(w, &common, &k, func(k *attemptKind) {
			w.texts(&k.stage, &k.policy, &k.call, &k.provider, &k.model, &k.served, &k.endpoint, &k.outcome, &k.doubt)
			number(w, &k.nth)
			w.flag(&k.known)
			w.flag(&k.other)
			for _, v := range []*int64{&k.prompt, &k.completion, &k.latency} {
				number(w, v)
			}
		}, func(k attemptKind) *attemptKind { return a.kinds.list[a.kinds.of(k)] })
		if w.reads() && w.err == nil {
			h.kind = a.kinds.of(*k)
		}
		w.real((*float64)(&h.cost))
		number(w, &h.at)
		number(w, &h.key)
		for _, v := range []*uint16{&h.prompt, &h.completion, &h.latency} {
			number(w, v)
		}
	}
	if !w.reads() {
		a.sorted(keys)
	}
	list(w, &a.order, func(i *uint32) {
		if number(w, i); int(*i) >= a.n {
			w.fail(errIndex)
		}
	})
	w.json(&a.again)
	for _, i := range a.again {
		if i < 0 || i >= a.n {
			w.fail(errIndex)
			clear(a.again)
		}
	}
	w.real((*float64)(&a.cost))
}
