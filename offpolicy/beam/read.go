package beam

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/parquet"
	"github.com/reweigh/reweigh/offpolicy"
)

// Files are what is read, by names that a Beam filesystem opens on every worker: a path of a
// shared folder, gs://, s3://. Those whose name ends in .parquet are Parquet, others JSON
// lines.
type Files struct {
	Logged        []string                // of dataset.Sample
	Draws, Probes []dataset.FreshDrawFile // of dataset.FreshDraw
}

// source is a file and what it holds.
type source struct{ Name, Kind, Policy string }

const (
	logged = "logged"
	drawn  = "drawn"
	probed = "probed"
)

// sources are all files, none if no file holds logged rows.
func (f Files) sources() (out []any) {
	if len(f.Logged) == 0 {
		return nil
	}
	for _, name := range f.Logged {
		out = append(out, source{Name: name, Kind: logged})
	}
	for _, d := range f.Draws {
		out = append(out, source{Name: d.Path, Kind: drawn, Policy: d.Policy})
	}
	for _, d := range f.Probes {
		out = append(out, source{Name: d.Path, Kind: probed, Policy: d.Policy})
	}
	return out
}

// tableRows is how many rows or draws a table has that is sent on before its file ends:
// some two megabytes, since engines and Beam's workers hold what is sent several times.
const tableRows = 1 << 14

// readFn reads a file into tables, and counts its logged rows.
type readFn struct {
	Plan string // in JSON: Beam has no schema for it
}

func (f *readFn) ProcessElement(ctx context.Context, s source, emit func(*offpolicy.Table), count func(int64)) error {
	return f.read(ctx, s, tableRows, emit, count)
}

// read makes tables of size rows.
func (f *readFn) read(ctx context.Context, s source, size int, emit func(*offpolicy.Table), count func(int64)) error {
	var plan offpolicy.Plan
	if err := json.Unmarshal([]byte(f.Plan), &plan); err != nil {
		return fmt.Errorf("beam: read: %w", err)
	}
	table, held, rows := offpolicy.NewTable(plan), 0, int64(0)
	added := func() {
		if held++; held == size {
			emit(table)
			table, held = offpolicy.NewTable(plan), 0
		}
	}
	var err error
	if s.Kind == logged {
		err = each(ctx, s.Name, func(x dataset.Sample) error {
			if err := table.AddSample(x); err != nil {
				return err
			}
			rows++
			added()
			return nil
		})
	} else {
		err = each(ctx, s.Name, func(d dataset.FreshDraw) error {
			if err := (dataset.FreshDrawFile{Policy: s.Policy}).Check(d); err != nil {
				return err
			}
			if s.Kind == drawn {
				table.AddFresh(s.Policy, d)
			} else {
				table.AddProbe(s.Policy, d)
			}
			added()
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("beam: read %s: %w", s.Name, err)
	}
	emit(table)
	count(rows)
	return nil
}

// each calls f with every row of a file.
func each[T any](ctx context.Context, name string, f func(T) error) error {
	fs, err := filesystem.New(ctx, name)
	if err != nil {
		return err
	}
	defer fs.Close()
	r, err := fs.OpenRead(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if path.Ext(name) == ".parquet" {
		return eachOfParquet(r, name, f)
	}
	for row, err := range dataset.ReadJSONL[T](r, name) {
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOfParquet reads from a copy on disk, since Parquet is read from its end.
func eachOfParquet[T any](r io.Reader, name string, f func(T) error) error {
	file, err := os.CreateTemp("", "reweigh-*.parquet")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	size, err := io.Copy(file, r)
	if err != nil {
		return err
	}
	rows, err := parquet.NewRowReader(file, size, name, parquet.Columns{All: true})
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		line, object, err := rows.Next()
		if err == io.EOF {
			return nil
		}
		var row T
		if err == nil {
			err = json.Unmarshal(object, &row)
		}
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return fmt.Errorf("row %d: %w", line, err)
		}
	}
}
