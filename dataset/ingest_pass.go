package dataset

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"slices"
)

// pass is one reading of a source. What it keeps of a row is an entry of fixed
// size; duplicates are found by sorting entries, and not in maps, which would
// take several times the memory.
type pass struct {
	name                    string
	opt                     ReadOptions
	languages, conversation []string // the keep lists, in one spelling
	by                      SampleOptions
	retain                  bool                      // keep the prompts themselves
	prompts                 []Prompt                  // by row, if retained
	ids                     []string                  // by row, if retained
	shape                   *shape                    // of the first row that is of one
	idField                 string                    // of the first row that has one
	again                   func() (RowReader, error) // reads the source anew, if prompts are not retained
	entries                 entries
	strata                  []string
	stratum                 map[string]uint32
	others                  tally // the languages that were dropped
	dropped                 [len(dropReasons)]drops
	kept                    []int // rows, at the end
}

func newPass(name string, opt ReadOptions, by SampleOptions, retain bool) *pass {
	return &pass{name: name, opt: opt, by: by, retain: retain, stratum: map[string]uint32{},
		languages: canonicalLanguages(opt.Languages), conversation: canonicalLanguages(opt.ConversationLanguages)}
}

// headed is a row as a worker hands it on.
type headed struct {
	entry   entry
	row     parsedRow
	prompt  Prompt // if retained
	id      string
	shown   string // in the attrition table
	stratum string
	line    int
	raw     string // of a malformed row
	err     error
}

// batch is some rows in the order of the source, and what became of them.
type batch struct {
	text  []byte
	ends  []int
	lines []int
	fault error // of the row after them
	done  chan []headed
}

// batchBytes is about how much text a worker gets at a time.
const batchBytes = 256 << 10

// run reads all rows and settles which are kept.
func (p *pass) run(rows RowReader) (*Ingest, error) {
	if r, ok := rows.(*rowReader); ok && r.unfit != nil {
		return nil, r.unfit
	}
	in := &Ingest{Container: rows.Container()}
	workers := min(runtime.GOMAXPROCS(0), 8)
	work := make(chan *batch)
	order := make(chan *batch, 2*workers)
	quit := make(chan struct{})
	defer close(quit)
	for range workers {
		go func() {
			for b := range work {
				b.done <- p.heads(b)
			}
		}()
	}
	go func() {
		defer close(work)
		defer close(order)
		for b := range readBatches(rows) {
			select {
			case work <- b:
				order <- b // has room for all that workers hold
			case <-quit:
				return
			}
		}
	}()
	for b := range order {
		for _, h := range <-b.done {
			if err := p.take(in, h); err != nil {
				return nil, err
			}
		}
		if err := b.fault; err != nil {
			var le *LineError
			if p.opt.SetAside == nil || !errors.As(err, &le) || !le.Skip {
				return nil, err
			}
			if err := p.take(in, headed{line: le.Line, err: err}); err != nil {
				return nil, err
			}
		}
	}
	var err error
	if in.SHA256, err = rows.SHA256(); err != nil {
		return nil, err
	}
	if in.Rows == 0 {
		return nil, fmt.Errorf("dataset: %s: %w: the file has no rows (%s)", p.name, ErrNoPrompts, hintFormats)
	}
	if err := p.settle(in); err != nil {
		return nil, err
	}
	return in, nil
}

// readBatches cuts rows into batches. A fault ends its batch; one after which no
// row can be read is the last.
func readBatches(rows RowReader) func(yield func(*batch) bool) {
	return func(yield func(*batch) bool) {
		for more := true; more; {
			b := &batch{done: make(chan []headed, 1), text: make([]byte, 0, batchBytes+64<<10)}
			for len(b.text) < batchBytes {
				line, obj, err := rows.Next()
				if err != nil {
					if more = skippable(err); err != io.EOF {
						b.fault = err
					}
					break
				}
				b.text = append(b.text, obj...)
				b.ends = append(b.ends, len(b.text))
				b.lines = append(b.lines, line)
			}
			if !yield(b) {
				return
			}
		}
	}
}

func (p *pass) heads(b *batch) []headed {
	out := make([]headed, len(b.ends))
	buf := make(fields, 0, 32) // of one row after the other
	from := 0
	for i, end := range b.ends {
		raw := b.text[from:end]
		from = end
		h := p.head(b.lines[i], raw, buf)
		if h.err == nil && p.retain && h.entry.reason == kept {
			var err error
			if h.prompt, err = h.row.prompt(h.id); err != nil {
				h.err = &LineError{Name: p.name, Line: h.line, Err: err, Hint: hintField, Skip: true}
			}
		}
		if p.opt.SetAside != nil && (h.err != nil || h.entry.reason == dropNotText) {
			h.raw = string(raw)
		}
		h.row.fields = nil
		out[i] = h
	}
	return out
}

// head reads of a row what decides on it. Its fields are in buf, if they fit.
func (p *pass) head(line int, raw []byte, buf fields) headed {
	h := headed{line: line}
	fail := func(err error, hint string) headed {
		h.err = &LineError{Name: p.name, Line: line, Err: err, Hint: hint, Skip: true}
		return h
	}
	fs, err := splitRow(raw, p.name, line, buf)
	if err != nil {
		h.err = err
		return h
	}
	sh, err := detect(fs)
	if err != nil {
		hint := hintFormats
		if errors.Is(err, errTwice) {
			hint = "keep one of the two"
		}
		return fail(err, hint)
	}
	h.row, err = parseRow(sh, fs, p.opt.MaxModerationScore > 0)
	if err != nil {
		if table := tableOf(fs); table != nil {
			return fail(table, hintFormats)
		}
		return fail(err, hintOf(err))
	}
	row := &h.row
	norm := row.normalized()
	h.id, h.shown = row.id, row.id
	h.entry = entry{line: uint32(min(line, math.MaxUint32)), own: row.id != "", sum: crc32.Checksum(raw, castagnoli)}
	if row.id == "" {
		h.id = fmt.Sprintf("p%x", norm[:8])
		h.shown = fmt.Sprintf("line %d", line)
	}
	id := sha256.Sum256([]byte(h.id))
	copy(h.entry.norm[:], norm[:])
	copy(h.entry.id[:], id[:])
	h.entry.rank = sampleRank(p.by.Seed, h.id)
	languages, spoken := p.languages, false
	if sh.spoken && len(p.conversation) > 0 {
		languages, spoken = p.conversation, !row.states
	}
	o := p.opt
	h.entry.reason = kept
	for reason, drop := range [...]bool{
		dropEmpty:     row.empty,
		dropNotText:   row.notText,
		dropContinued: row.continued,
		dropLanguage:  len(languages) > 0 && !spoken && !slices.Contains(languages, canonicalLanguage(row.language)),
		dropFlagged:   row.flagged && !o.KeepFlagged,
		dropScore:     o.MaxModerationScore > 0 && row.score > o.MaxModerationScore,
		dropShort:     row.bytes < o.MinBytes,
		dropLong:      o.MaxBytes > 0 && row.bytes > o.MaxBytes,
		dropTurns:     o.SingleTurn && row.userTurns > 1,
		dropSetApart:  row.setApart && !o.KeepSetApart,
	} {
		if drop {
			h.entry.reason = int8(reason)
			break
		}
	}
	if h.entry.reason == kept {
		if err := row.holdable(); err != nil {
			return fail(err, hintOf(err))
		}
	}
	if p.by.By != "" {
		if h.stratum, err = row.stratum(p.by.By); err != nil {
			return fail(err, hintField)
		}
	}
	return h
}

// take adds a row, in the order of the source.
func (p *pass) take(in *Ingest, h headed) error {
	in.Rows++
	if h.err == nil {
		switch {
		case p.shape == nil:
			p.shape, in.Format = h.row.shape, h.row.shape.format
		case p.shape != h.row.shape:
			h.err = &LineError{Name: p.name, Line: h.line,
				Err:  fmt.Errorf("the row is of format %s, those before it are of format %s", h.row.shape.format, in.Format),
				Hint: "keep one format a file", Skip: true}
		}
	}
	if p.idField == "" && h.err == nil {
		p.idField = h.row.idField
	}
	if h.err != nil {
		if p.opt.SetAside == nil || !skippable(h.err) {
			return h.err
		}
		h.entry = entry{reason: dropMalformed, line: uint32(h.line)}
		var u *unheld
		if errors.As(h.err, &u) {
			h.entry.reason = u.reason
		}
		h.shown = fmt.Sprintf("line %d", h.line)
		if err := setAside(p.opt.SetAside, h.line, h.raw, h.err); err != nil {
			return err
		}
	}
	if h.entry.reason == dropLanguage {
		p.others.add(h.row.language)
	}
	if h.entry.reason == dropNotText && p.opt.SetAside != nil {
		err := errors.New("the prompt is not only text: it has an image or the like")
		if err := setAside(p.opt.SetAside, h.line, h.raw, err); err != nil {
			return err
		}
	}
	if p.by.By != "" && h.entry.reason == kept {
		s, ok := p.stratum[h.stratum]
		if !ok {
			s = uint32(len(p.strata))
			p.stratum[h.stratum] = s
			p.strata = append(p.strata, h.stratum)
		}
		h.entry.stratum = s
	}
	if h.entry.reason != kept {
		p.dropped[h.entry.reason].add(h.shown)
	}
	p.entries.add(h.entry)
	if p.retain {
		p.prompts = append(p.prompts, h.prompt)
		p.ids = append(p.ids, h.id)
	}
	return nil
}

// settle finds the rows that share an id or a text, and makes the account.
func (p *pass) settle(in *Ingest) error {
	es := &p.entries
	index := make([]uint32, es.n)
	for i := range index {
		index[i] = uint32(i)
	}
	byIDHash := func(a, b uint32) int {
		x, y := es.at(int(a)), es.at(int(b))
		return cmp.Or(bytes.Compare(x.id[:], y.id[:]), cmp.Compare(x.sum, y.sum), cmp.Compare(a, b))
	}
	slices.SortFunc(index, byIDHash)
	if err := p.sharedIDs(index); err != nil {
		return err
	}
	slices.SortFunc(index, func(a, b uint32) int {
		x, y := es.at(int(a)), es.at(int(b))
		return cmp.Or(bytes.Compare(x.norm[:], y.norm[:]), byIDHash(a, b))
	})
	var last *entry
	for _, i := range index {
		e := es.at(int(i))
		if e.reason != kept {
			continue
		}
		if last != nil && last.norm == e.norm {
			e.reason = dropDuplicate
			if p.retain {
				p.dropped[dropDuplicate].add(p.ids[i])
			} else {
				p.dropped[dropDuplicate].add(fmt.Sprintf("line %d", e.line))
			}
			continue
		}
		last = e
		p.kept = append(p.kept, int(i))
	}
	slices.Sort(p.kept)
	if len(p.kept) > 0 {
		if err := p.distinctIDs(); err != nil {
			return err
		}
	}
	in.Eligible = len(p.kept)
	left := in.Rows
	for reason, d := range p.dropped {
		left -= d.n
		in.Attrition = append(in.Attrition, AttritionRow{Reason: dropReasons[reason], Dropped: d.n, Left: left,
			Examples: append([]string{}, d.examples...)})
	}
	if in.Eligible == 0 {
		return fmt.Errorf("dataset: %s: %w left of %d rows: %s%s (look at the filters, and at what the rows hold)", p.name,
			ErrNoPrompts, in.Rows, in.Attrition.summary(), p.others)
	}
	return nil
}
