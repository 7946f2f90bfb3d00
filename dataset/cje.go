package dataset

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/internal/folder"
)

// CJE looks for a value at the top of a record, then in its metadata. Reading
// does the same, so that what its tools wrote has its ids and scores here, too.
// What a record holds beyond the fields of the Go type is kept in Extra and
// written again, so that a file that passes through loses nothing.

// UnmarshalJSON reads a sample; whatever number is absent is missing. A target
// that is absent from the map stays absent: look it up with the two-valued form.
func (s *Sample) UnmarshalJSON(b []byte) error {
	type plain Sample
	var p plain
	meta, extra, err := decodeCJE(b, &p, sampleFields)
	if err != nil {
		return err
	}
	if p.Metadata != nil {
		p.Metadata = meta
	}
	p.Extra = extra
	if err := promote(&p.PromptID, &p.JudgeScore, &p.OracleLabel, meta); err != nil {
		return err
	}
	*s = Sample(p)
	return nil
}

// MarshalJSON writes a sample, Extra last.
func (s Sample) MarshalJSON() ([]byte, error) {
	type plain Sample
	return encodeCJE(plain(s), s.Extra, sampleFields)
}

// UnmarshalJSON reads a fresh draw; an absent score or label is missing.
func (d *FreshDraw) UnmarshalJSON(b []byte) error {
	type plain FreshDraw
	var p plain
	meta, extra, err := decodeCJE(b, &p, drawFields)
	if err != nil {
		return err
	}
	p.Extra = extra
	if err := promote(&p.PromptID, &p.JudgeScore, &p.OracleLabel, meta); err != nil {
		return err
	}
	*d = FreshDraw(p)
	return nil
}

// MarshalJSON writes a fresh draw, Extra last.
func (d FreshDraw) MarshalJSON() ([]byte, error) {
	type plain FreshDraw
	return encodeCJE(plain(d), d.Extra, drawFields)
}

var sampleFields, drawFields = jsonNames(Sample{}), jsonNames(FreshDraw{})

func jsonNames(v any) map[string]bool {
	names := map[string]bool{}
	t := reflect.TypeOf(v)
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "-" {
			names[name] = true
		}
	}
	return names
}

// decodeCJE decodes b into v and returns the metadata, with every digit of its
// numbers, and the members that v has no field for.
func decodeCJE(b []byte, v any, known map[string]bool) (meta map[string]any, extra map[string]json.RawMessage,
	err error) {
	fs, err := splitObject(b, make(fields, 0, 16))
	if err != nil {
		_, say := explainSyntax(b, err)
		return nil, nil, say
	}
	// encoding/json would take Prompt_ID for prompt_id, which is another member.
	own := append(make([]byte, 0, len(b)), '{')
	for _, f := range fs {
		if f.name == "metadata" {
			if meta, err = exactObject(f.raw); err != nil {
				return nil, nil, err
			}
		}
		if !known[f.name] {
			if extra == nil {
				extra = map[string]json.RawMessage{}
			}
			extra[f.name] = json.RawMessage(bytes.Clone(f.raw))
			continue
		}
		if len(own) > 1 {
			own = append(own, ',')
		}
		raw := f.raw
		if f.name == "prompt_id" && len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
			id, err := numberID(f.name, raw)
			if err != nil {
				return nil, nil, err
			}
			raw = []byte(strconv.Quote(id))
		}
		own = append(append(append(append(own, '"'), f.name...), `":`...), raw...) // its name has no escapes
	}
	if err = json.Unmarshal(append(own, '}'), v); err != nil {
		err = blame(fs, known, v, err)
	}
	return meta, extra, err
}

// blame names the field that v could not take, where the error does not.
func blame(fs fields, known map[string]bool, v any, err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return err
	}
	for _, f := range fs {
		if !known[f.name] {
			continue
		}
		one := append(append(append([]byte(`{"`), f.name...), `":`...), f.raw...)
		if json.Unmarshal(append(one, '}'), reflect.New(reflect.TypeOf(v).Elem()).Interface()) != nil {
			return fmt.Errorf("field %q: %w", f.name, err)
		}
	}
	return err
}

// exactObject decodes an object, or null as nil. A number whose digits a float64
// would change is a json.Number.
func exactObject(raw []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, fmt.Errorf("field \"metadata\" is no object: %w", err)
	}
	for k, v := range m {
		m[k] = exactNumbers(v)
	}
	return m, nil
}

func exactNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || !strings.ContainsAny(string(v), ".eE") && strconv.FormatFloat(f, 'f', -1, 64) != string(v) {
			return v
		}
		return f
	case []any:
		for i := range v {
			v[i] = exactNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = exactNumbers(v[k])
		}
	}
	return v
}

// promote fills in from the metadata what the top of a record lacks. A grade there is a number
// or null, as at the top.
func promote(id *string, score, label *Float, meta map[string]any) error {
	if *id == "" {
		switch v := meta["prompt_id"].(type) {
		case string:
			*id = v
		case float64, json.Number:
			raw, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if *id, err = numberID("prompt_id", raw); err != nil {
				return err
			}
		}
	}
	for name, to := range map[string]*Float{"judge_score": score, "oracle_label": label} {
		if to.Valid() || meta[name] == nil {
			continue
		}
		v, ok := meta[name].(float64)
		if !ok {
			return fmt.Errorf("metadata field %q holds %q, where a number or null should be", name,
				shorten(fmt.Sprint(meta[name]), 40))
		}
		*to = Known(v)
	}
	return nil
}

// encodeCJE writes v with extra's members behind its own.
func encodeCJE(v any, extra map[string]json.RawMessage, known map[string]bool) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	b.Truncate(b.Len() - len("}\n"))
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		if known[name] {
			continue // the field has the say
		}
		var member bytes.Buffer
		enc := json.NewEncoder(&member)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]json.RawMessage{name: extra[name]}); err != nil {
			return nil, err
		}
		b.WriteByte(',')
		b.Write(member.Bytes()[1 : member.Len()-len("}\n")])
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// unscoredDir is where a folder of fresh draws keeps those without a score. CJE
// takes every *.jsonl of the folder itself for a policy, and refuses a whole file
// for one null judge_score.
const unscoredDir = "unscored"

// WriteFreshDraws puts a policy's draws into dir as CJE reads them: those with a
// judge score in <policy>_responses.jsonl, and those without, which CJE refuses,
// in unscored/<policy>_responses.jsonl in the same layout. [ReadFreshDraws] reads
// both. An unscored file of an earlier export is removed if all have a score
// now.
func WriteFreshDraws(dir, policy string, draws []FreshDraw) error {
	return WriteUnreadDraws(dir, policy, draws, nil)
}

// WriteUnreadDraws is [WriteFreshDraws] of draws whose responses are elsewhere: read returns
// that of each as it is written.
func WriteUnreadDraws(dir, policy string, draws []FreshDraw, read func(FreshDraw) (string, error)) error {
	name := policy + "_responses.jsonl"
	if err := folder.CheckName(policy); err != nil {
		return fmt.Errorf("dataset: write fresh draws: policy %q does not make a file name (give it another): %w", policy,
			err)
	}
	if !slices.IsSortedFunc(draws, compareDraws) {
		draws = slices.Clone(draws)
		slices.SortStableFunc(draws, compareDraws)
	}
	unscored := slices.ContainsFunc(draws, func(d FreshDraw) bool { return !d.JudgeScore.Valid() })
	in, err := folder.MakeIn(dir)
	if err != nil {
		return fmt.Errorf("dataset: write fresh draws: %w", err)
	}
	defer in.Close()
	// First, so that whenever a reader comes no draw is in neither file.
	if unscored {
		aside, err := in.MakeSub(unscoredDir)
		if err != nil {
			return fmt.Errorf("dataset: write fresh draws: %w", err)
		}
		defer aside.Close()
		if err := writeDraws(aside, name, draws, false, read); err != nil {
			return err
		}
	}
	if err := writeDraws(in, name, draws, true, read); err != nil {
		return err
	}
	if unscored {
		return nil
	}
	aside, err := in.Sub(unscoredDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		defer aside.Close()
		err = aside.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dataset: write fresh draws: %w", err)
	}
	in.Remove(unscoredDir) // if it is empty now
	return nil
}

// writeDraws writes the draws that have a score, or those that have none.
func writeDraws(in *folder.Folder, name string, draws []FreshDraw, scored bool,
	read func(FreshDraw) (string, error)) error {
	err := in.Replace(name, true, func(w io.Writer) error {
		var broken error
		err := WriteJSONL(w, func(yield func(FreshDraw) bool) {
			for _, d := range draws {
				if d.JudgeScore.Valid() != scored {
					continue
				}
				if read != nil {
					d.Response, broken = read(d)
				}
				if broken != nil || !yield(d) {
					return
				}
			}
		})
		return errors.Join(broken, err)
	})
	if err != nil {
		return fmt.Errorf("dataset: write %s: %w", filepath.Join(in.Path(), name), err)
	}
	return nil
}

func compareDraws(a, b FreshDraw) int {
	return cmp.Or(cmp.Compare(a.PromptID, b.PromptID), cmp.Compare(a.DrawIdx, b.DrawIdx))
}

// ReadFreshDraws reads a folder of fresh draws, scored and unscored, by policy:
// the files that CJE takes for a policy's, and those of [WriteFreshDraws] beside
// them. Draws are sorted by prompt and number; two of one prompt and number are
// an error that wraps [ErrDuplicateID].
func ReadFreshDraws(dir string) (map[string][]FreshDraw, error) {
	files, err := FreshDrawFiles(dir)
	if err != nil {
		return nil, err
	}
	out := map[string][]FreshDraw{}
	for _, f := range files {
		for d, err := range f.Draws() {
			if err != nil {
				return nil, err
			}
			out[f.Policy] = append(out[f.Policy], d)
		}
	}
	for policy, draws := range out {
		slices.SortStableFunc(draws, compareDraws)
		for i, d := range draws[min(1, len(draws)):] {
			if compareDraws(d, draws[i]) == 0 {
				return nil, fmt.Errorf("dataset: read fresh draws: %w: policy %q has draw %d of %q twice (keep one)",
					ErrDuplicateID, policy, d.DrawIdx, d.PromptID)
			}
		}
	}
	return out, nil
}

// FreshDrawFile is a file of one policy's fresh draws, as JSON lines of [FreshDraw].
type FreshDrawFile struct{ Policy, Path string }

// Draws reads the file line by line, up to the first error, which names file and line. A
// line that names another policy than the file is one.
func (f FreshDrawFile) Draws() iter.Seq2[FreshDraw, error] {
	return func(yield func(FreshDraw, error) bool) {
		in, err := os.Open(f.Path)
		if err != nil {
			yield(FreshDraw{}, err)
			return
		}
		defer in.Close()
		readJSONL(in, f.Path, maxLine, f.Check)(yield)
	}
}

// Check returns an error if d names another policy than the file.
func (f FreshDrawFile) Check(d FreshDraw) error {
	var policy string
	if raw, ok := d.Extra["policy"]; !ok || json.Unmarshal(raw, &policy) != nil || policy == "" || policy == f.Policy {
		return nil
	}
	return fmt.Errorf("field \"policy\" is %q in a file of %q: keep the draws of each policy in a file of its name",
		policy, f.Policy)
}

// FreshDrawFiles returns the files that [ReadFreshDraws] reads, for who reads them line by
// line. A policy may have two, of scored and of unscored draws.
func FreshDrawFiles(dir string) (out []FreshDrawFile, err error) {
	files := map[string]string{} // policy -> the file that CJE would take
	for _, pattern := range []string{"*_responses.jsonl", "*.jsonl", "responses/*.jsonl", "fresh_draws/*.jsonl",
		unscoredDir + "/*_responses.jsonl"} {
		paths, err := filepath.Glob(filepath.Join(globEscape(dir), filepath.FromSlash(pattern)))
		if err != nil {
			return nil, fmt.Errorf("dataset: read fresh draws: %w", err)
		}
		for _, path := range paths {
			policy := strings.TrimSuffix(filepath.Base(path), ".jsonl")
			if strings.HasSuffix(pattern, "_responses.jsonl") || pattern == "*.jsonl" {
				policy = strings.TrimSuffix(policy, "_responses")
			}
			if !strings.HasPrefix(pattern, unscoredDir) {
				if other, ok := files[policy]; ok {
					if other != path {
						return nil, fmt.Errorf("dataset: read fresh draws: both %s and %s are policy %q's (keep one)", other, path,
							policy)
					}
					continue
				}
				files[policy] = path
			}
			out = append(out, FreshDrawFile{policy, path})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("dataset: %s holds no fresh draws (want files called <policy>_responses.jsonl): %w", dir,
			fs.ErrNotExist)
	}
	return out, nil
}

// ProbeFiles returns the files of labeled fresh draws in a folder: <policy>_probe.jsonl or
// <policy>_probes.jsonl, else as [FreshDrawFiles] finds them. Two that are one policy's are an
// error.
func ProbeFiles(dir string) ([]FreshDrawFile, error) {
	files, err := FreshDrawFiles(dir)
	seen := map[string]string{} // by policy: its file in the folder's own list
	for i, f := range files {
		policy := strings.TrimSuffix(strings.TrimSuffix(f.Policy, "_probes"), "_probe")
		if other, ok := seen[policy]; ok && other != f.Policy {
			return nil, fmt.Errorf("dataset: %s: two files of %s's probes: keep one", dir, policy)
		}
		seen[policy] = f.Policy
		files[i].Policy = policy
	}
	return files, err
}

// globEscape makes a pattern that matches exactly path.
func globEscape(path string) string {
	if os.PathSeparator == '\\' {
		return path // Windows knows no escapes, and its paths rarely have brackets
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
