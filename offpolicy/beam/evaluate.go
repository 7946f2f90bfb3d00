package beam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	sdk "github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/log"

	"github.com/reweigh/reweigh/offpolicy"
)

// The functions are called once a file or table, so that reflection costs nothing; package
// register's generics take the compiler half a minute and a gigabyte.
func init() {
	sdk.RegisterDoFn(&readFn{})
	sdk.RegisterDoFn(&evaluateFn{})
	sdk.RegisterDoFn(&writeFn{})
}

// Evaluation says what is evaluated, and how.
type Evaluation struct {
	// Plan is what all files have in common. Their log-probs are its Scored, "unstated" if
	// that is nil.
	Plan offpolicy.Plan
	// Config is that of offpolicy.Evaluate; Reward has to be nil. Clones and Segments that
	// are nil are those that the table finds: offpolicy.Table.Clones, offpolicy.Table.Segments.
	Config offpolicy.Config
	Source string // what was read, for the document
}

// Outcome is what a pipeline ends in.
type Outcome struct {
	Document string // an offpolicy.Document in JSON
	Rows     int64  // logged rows, as many as were read
	Tables   int    // tables that workers sent, and that were merged into one
}

// Evaluate adds the evaluation to a pipeline, and returns its one [Outcome]. It is an error
// if there is nothing to read, if a file is named twice, or if a Reward is set. A run of the
// pipeline fails if a file cannot be read, if rows are not what they claim, or if rows were
// lost on their way.
func Evaluate(s sdk.Scope, in Files, e Evaluation) (sdk.PCollection, error) {
	if e.Config.Reward != nil {
		return sdk.PCollection{}, errors.New("beam: evaluate: Config.Reward is a function, which does not go to workers: " +
			"leave it nil")
	}
	sources := in.sources()
	if len(sources) == 0 {
		return sdk.PCollection{}, errors.New("beam: evaluate: Files.Logged is empty: name the files of logged rows")
	}
	seen := map[source]bool{}
	for _, x := range sources {
		at := x.(source)
		if !strings.Contains(at.Name, "://") {
			if path, err := filepath.Abs(at.Name); err == nil { // ./a is a
				at.Name = path
			}
		}
		if seen[at] {
			return sdk.PCollection{}, fmt.Errorf("beam: evaluate: %s is named twice, and its rows would count twice: name it "+
				"once", x.(source).Name)
		}
		seen[at] = true
	}
	plan, err := json.Marshal(e.Plan)
	if err != nil {
		return sdk.PCollection{}, fmt.Errorf("beam: evaluate: %w", err)
	}
	evaluation, err := json.Marshal(e)
	if err != nil {
		return sdk.PCollection{}, fmt.Errorf("beam: evaluate: %w", err)
	}
	s = s.Scope("reweigh.Evaluate")
	files := sdk.Reshuffle(s, sdk.Create(s, sources...)) // so that workers share them
	tables, counts := sdk.ParDo2(s, &readFn{Plan: string(plan)}, files)
	all := sdk.GroupByKey(s, sdk.AddFixedKey(s, tables))
	return sdk.ParDo(s, &evaluateFn{Evaluation: string(evaluation)}, all, sdk.SideInput{Input: counts}), nil
}

// evaluateFn merges all tables, and evaluates the whole when the bundle ends: what was sent
// of it is held for as long as it is processed.
type evaluateFn struct {
	Evaluation string // in JSON: Beam has no schema for it

	e     Evaluation
	whole *offpolicy.Table // nil if the bundle had no tables
	out   Outcome
}

func (f *evaluateFn) StartBundle(func(*int64) bool, func(Outcome)) { f.whole, f.out = nil, Outcome{} }

func (f *evaluateFn) ProcessElement(_ int, tables func(**offpolicy.Table) bool, counts func(*int64) bool,
	_ func(Outcome)) error {
	f.e = Evaluation{}
	if err := json.Unmarshal([]byte(f.Evaluation), &f.e); err != nil {
		return fmt.Errorf("beam: evaluate: %w", err)
	}
	whole, out := offpolicy.NewTable(f.e.Plan), Outcome{}
	for t := new(offpolicy.Table); tables(&t); t = new(offpolicy.Table) {
		if err := whole.Merge(t); err != nil {
			return fmt.Errorf("beam: evaluate: %w", err)
		}
		out.Tables++
	}
	for n := int64(0); counts(&n); {
		out.Rows += n
	}
	if n := whole.Rows(); int64(n) != out.Rows || n == 0 {
		return fmt.Errorf("beam: evaluate: %d rows arrived of %d that were read, in %d tables: want all, and some", n,
			out.Rows, out.Tables)
	}
	f.whole, f.out = whole, out
	return nil
}

func (f *evaluateFn) FinishBundle(_ func(*int64) bool, emit func(Outcome)) error {
	if f.whole == nil {
		return nil
	}
	document, err := documentOf(f.whole, f.e)
	if err != nil {
		return err
	}
	f.whole, f.out.Document = nil, document
	emit(f.out)
	return nil
}

// documentOf evaluates a table.
func documentOf(whole *offpolicy.Table, e Evaluation) (string, error) {
	c := e.Config
	if c.Clones == nil {
		c.Clones = whole.Clones()
	}
	if c.Segments == nil {
		c.Segments = whole.Segments()
	}
	r, err := whole.Evaluate(c)
	if err != nil {
		return "", err
	}
	d := r.Document()
	d.Source = e.Source
	b, err := json.Marshal(d)
	return string(b), err
}

// Write writes an outcome's document, and a line break, to a file of any Beam filesystem
// that the program imports.
func Write(s sdk.Scope, outcome sdk.PCollection, name string) {
	sdk.ParDo0(s.Scope("reweigh.Write"), &writeFn{Name: name}, outcome)
}

type writeFn struct{ Name string }

func (f *writeFn) ProcessElement(ctx context.Context, o Outcome) error {
	fs, err := filesystem.New(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("beam: write: %w", err)
	}
	defer fs.Close()
	w, err := fs.OpenWrite(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("beam: write: %w", err)
	}
	_, err = io.WriteString(w, o.Document+"\n")
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("beam: write %s: %w", f.Name, err)
	}
	log.Infof(ctx, "%s: %d rows, in %d tables that were merged", f.Name, o.Rows, o.Tables)
	return nil
}
