package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy/pilot"
)

func TestJSONRoundTrip(t *testing.T) {
	for name, v := range map[string]*pilot.Verdict{"full": fullVerdict(), "running": runningVerdict()} {
		first := render(t, JSON, v)
		back, err := Read(strings.NewReader(first), name)
		if err != nil {
			t.Fatal(err)
		}
		// Lists that were nil come back empty, text as valid UTF-8 and times
		// without their monotonic part: nothing else may differ.
		valid := cmp.Transformer("valid", func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") })
		same := cmp.Comparer(func(a, b dataset.Float) bool { return a == b || !a.Valid() && !b.Valid() })
		if diff := cmp.Diff(v, back, cmpopts.EquateEmpty(), valid, same); diff != "" {
			t.Errorf("%s changed on the way through JSON, -before +after:\n%s", name, diff)
		}
		if second := render(t, JSON, back); second != first {
			t.Errorf("%s: written, read and written again, the bytes differ:\n%s", name, cmp.Diff(first, second))
		}
	}
}

func TestJSONForOtherTools(t *testing.T) {
	v := runningVerdict()
	v.Checks[1].Evidence.Records = nil
	before := render(t, JSON, v)
	if v.Checks[1].Evidence.Records != nil || v.Policies != nil {
		t.Error("JSON changed its argument")
	}
	for _, want := range []string{`"records": []`, `"policies": []`, `"waivers": {}`, `"actual_usd": null`} {
		if !strings.Contains(before, want) {
			t.Errorf("no %s in:\n%s", want, before)
		}
	}
	if full := render(t, JSON, fullVerdict()); !strings.Contains(full, "<script>") || strings.Contains(full, `\u003c`) {
		t.Error("< was escaped as if for HTML")
	}
	if !json.Valid([]byte(before)) {
		t.Error("invalid JSON")
	}
}

func TestJSONRefusesWhatItCannotHold(t *testing.T) {
	for _, row := range []struct {
		name   string
		set    func(*pilot.Verdict)
		path   string
		reason string
	}{
		{"inf float", func(v *pilot.Verdict) { v.Policies[2].Judge.Hi = dataset.Known(math.Inf(1)) },
			"policies[2].judge.hi is +Inf", "an infinity is no missing value"},
		{"NaN in plain", func(v *pilot.Verdict) { v.Stages[1].CostUSD = math.NaN() }, "stages[1].cost_usd is NaN",
			"a plain float64 has no null"},
		{"inf in a list", func(v *pilot.Verdict) { v.Policies[1].Weights.LogWeights[3] = math.Inf(-1) },
			"policies[1].weights.log_weights[3] is -Inf", "behind a pointer and in a list"},
	} {
		v := fullVerdict()
		row.set(v)
		var b bytes.Buffer
		err := JSON(&b, v)
		if err == nil || !strings.Contains(err.Error(), row.path) {
			t.Errorf("%s (%s): error %v, want one that says %q", row.name, row.reason, err, row.path)
		}
		if b.Len() > 0 {
			t.Errorf("%s: %d bytes were written all the same", row.name, b.Len())
		}
	}
}

func TestRead(t *testing.T) {
	good := render(t, JSON, fullVerdict())
	edit := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q to edit", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, row := range []struct {
		in, want string // want is part of the error; empty for none
		reason   string
	}{
		{good, "", "what JSON wrote"},
		{edit(`"state":`, `"later": {"x": [1]}, "state":`), "", "keys of a later version are skipped"},
		{edit(`      "items": 100,`+"\n", ""), "stages[0].items is absent or null", "an absent count is not 0"},
		{edit(`"cost_usd": 0.000034`, `"cost_usd": null`), "stages[1].cost_usd is absent or null",
			"encoding/json would leave 0"},
		{edit(`"log_weights": [`, `"log_weights": [null,`), "log_weights[0] is absent or null", "a missing weight is not 1"},
		{edit(`"seam": 10`, `"seam": null`), "reasons.seam is absent or null", "counts in maps, too"},
		{edit(`"decision": "NO-GO"`, `"decision": "MAYBE"`), `decision is "MAYBE"`, "a decision that nobody knows"},
		{edit(`"status": "hold"`, `"status": "held"`), `checks[2] (models.served): status is "held"`,
			"a status that nobody knows"},
		{edit(`"schema_version": 2`, `"schema_version": 9`), "schema_version is 9", "a later layout"},
		{`{}`, "schema_version is absent", "some other JSON"},
		{edit(`"schema_version": 2`, `"schema_version": 1`), "of an earlier build", "figures stood in other places then"},
		{`[1]`, "one JSON object", "a list"},
		{`null`, "one JSON object", "null decodes into anything"},
		{" \n", "is empty", "a file cut at its first byte"},
		{good[:len(good)/2], "unexpected end", "a file cut in the middle"},
		{good + "{}", "after top-level value", "two reports in one file"},
		{"{\n\"state\":\n3}", "line 3", "the place of a wrong type"},
		{"{\n\"a\":,}", "line 2", "the place of a slip"},
	} {
		v, err := Read(strings.NewReader(row.in), "dir/report.json")
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.reason, err)
		case row.want != "" && (err == nil || v != nil):
			t.Errorf("%s: verdict %v, error %v; want no verdict and %q", row.reason, v != nil, err, row.want)
		case row.want != "" && (!strings.Contains(err.Error(), row.want) ||
			!strings.Contains(err.Error(), "dir/report.json")):
			t.Errorf("%s: error %q; want the file's name and %q", row.reason, err, row.want)
		}
	}
	broken := errors.New("disk on fire")
	if _, err := Read(iotest.ErrReader(broken), "x"); !errors.Is(err, broken) {
		t.Errorf("error %v; want it to wrap the reader's", err)
	}
}

func TestReadMakesAbsentFloatsMissing(t *testing.T) {
	in := strings.Replace(render(t, JSON, fullVerdict()), `    "p0_half_width": 0.0121,`+"\n", "", 1)
	v, err := Read(strings.NewReader(in), "report.json")
	if err != nil {
		t.Fatal(err)
	}
	if v.Projection.HalfWidth.Valid() {
		t.Errorf("an absent half-width reads as %v; want it missing", v.Projection.HalfWidth.OrNaN())
	}
}

// FuzzRead checks that Read never panics, and that whatever it accepts survives
// being written and read again byte for byte and can be rendered in every way,
// as HTML whose elements are balanced and among which there is no script.
func FuzzRead(f *testing.F) {
	small := fullVerdict() // small inputs fuzz faster
	small.Calibration, small.Specimens, small.Stages = small.Calibration[:3], small.Specimens[:1], small.Stages[:2]
	small.Checks, small.Policies, small.Cost.Stages = small.Checks[3:5], small.Policies[1:3],
		small.Cost.Stages[:2]
	for i := range small.Policies {
		small.Policies[i].Weights.LogWeights = small.Policies[i].Weights.LogWeights[:3]
		small.Policies[i].Methods = small.Policies[i].Methods[:1]
	}
	f.Add([]byte(render(f, JSON, small)))
	f.Add([]byte(render(f, JSON, runningVerdict())))
	f.Add([]byte(`{"schema_version":2,"decision":""}`))
	f.Add([]byte(`{"schema_version":2,"stages":[{"items":1}],"STAGES":[{},{}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := Read(bytes.NewReader(in), "fuzz")
		if err != nil {
			if v != nil {
				t.Fatal("both a verdict and an error")
			}
			return
		}
		first := render(t, JSON, v)
		again, err := Read(strings.NewReader(first), "again")
		if err != nil {
			t.Fatalf("written from an accepted file, then refused: %v", err)
		}
		if second := render(t, JSON, again); first != second {
			t.Fatalf("not stable:\n%s", cmp.Diff(first, second))
		}
		for _, show := range []func(io.Writer, *pilot.Verdict) error{Markdown, textOf(60)} {
			render(t, show, v)
		}
		checkHTML(t, render(t, HTML, v))
	})
}
