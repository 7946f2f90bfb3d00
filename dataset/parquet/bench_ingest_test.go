package parquet

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/internal/arenagen"
)

type benchTurn struct {
	Role    string `parquet:"role" json:"role"`
	Content string `parquet:"content" json:"content"`
}

type benchRow struct {
	ID     string      `parquet:"question_id" json:"question_id"`
	ModelA string      `parquet:"model_a" json:"model_a"`
	ModelB string      `parquet:"model_b" json:"model_b"`
	Winner string      `parquet:"winner" json:"winner"`
	A      []benchTurn `parquet:"conversation_a,list" json:"conversation_a"`
	B      []benchTurn `parquet:"conversation_b,list" json:"conversation_b"`
	Turn   int64       `parquet:"turn" json:"turn"`
	Lang   string      `parquet:"language" json:"language"`
	Mod    struct {
		Flagged bool `parquet:"flagged" json:"flagged"`
	} `parquet:"openai_moderation" json:"openai_moderation"`
}

// BenchmarkIngest reads Arena-shaped rows: those columns that prompts are made of, all of
// them, and the same rows as JSON lines. The ratios within one run are the point.
func BenchmarkIngest(b *testing.B) {
	const n = 1e4
	var text, file bytes.Buffer
	if err := arenagen.WriteJSONL(&text, n, 1); err != nil {
		b.Fatal(err)
	}
	var rows []benchRow
	for line := range bytes.Lines(text.Bytes()) {
		var r benchRow
		if err := json.Unmarshal(line, &r); err != nil {
			b.Fatal(err)
		}
		rows = append(rows, r)
	}
	if err := parquet.Write(&file, rows, parquet.Compression(&parquet.Zstd)); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "rows.parquet")
	if err := dataset.WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(file.Bytes())
		return err
	}); err != nil {
		b.Fatal(err)
	}
	for _, s := range []struct {
		name string
		src  dataset.Source
	}{
		{"read", File(path, Columns{})},
		{"all", File(path, Columns{All: true})},
		{"lines", dataset.Source{Name: "rows", Open: func() (dataset.RowReader, error) {
			return dataset.NewRowReader(bytes.NewReader(text.Bytes()), "rows")
		}}},
	} {
		b.Run(s.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.src.Sample(dataset.ReadOptions{}, dataset.SampleOptions{N: n / 100, Seed: 1}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
