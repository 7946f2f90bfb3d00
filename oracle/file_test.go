package oracle

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/judge"
	"github.com/reweigh/reweigh/providers"
)

func TestReadLabels(t *testing.T) {
	two := map[dataset.Key]float64{{PromptID: "p1", Policy: "p0"}: .8, {PromptID: "p2", Policy: "pi", DrawIdx: 3}: 0}
	const header = "prompt_id,policy,draw_idx,label\n"
	tests := []struct {
		name string
		in   string
		want map[dataset.Key]float64
		line int // of the LabelError; -1 for one of the whole file
		says string
	}{
		{"jsonl", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":0.8}` + "\n" +
			`{"prompt_id":"p2","policy":"pi","draw_idx":3,"label":0}` + "\n", two, 0, ""},
		{"jsonl, no last line break, blank lines, CRLF, more keys",
			"\r\n" + `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":0.8,"who":"me"}` + "\r\n\r\n" +
				`{"prompt_id":"p2","policy":"pi","draw_idx":3,"label":0}`, two, 0, ""},
		{"csv", header + "p1,p0,0,0.8\np2,pi,3,0\n", two, 0, ""},
		{"csv, mark, CRLF, other order, more columns",
			"\xef\xbb\xbflabel,who,prompt_id,policy,draw_idx\r\n0.8,me,p1,p0,0\r\n0, ,p2,pi, 3\r\n", two, 0, ""},
		{"csv, quoted", "prompt_id,policy,draw_idx,label\n\"a,b\",p0,0,1\n",
			map[dataset.Key]float64{{PromptID: "a,b", Policy: "p0"}: 1}, 0, ""},

		{"empty", "", nil, -1, "no labels"},
		{"blank", "\n \n", nil, -1, "no labels"},
		{"header only", header, nil, -1, "no labels"},
		{"no header", "p1,p0,0,0.8\n", nil, 1, "prompt_id"},
		{"a column twice", "prompt_id,policy,draw_idx,label,label\np1,p0,0,1,0\n", nil, 1, `two columns "label"`},
		{"a key twice", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":0.9,"label":0.1}`, nil, 1,
			`"label" appears twice`},
		{"a key twice in other letters", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"Label":0.9,"label":0.1}`, nil, 1,
			`"label" appears twice`},
		{"no draw is draw 0", "id,policy,label\np1,p0,0.8\n",
			map[dataset.Key]float64{{PromptID: "p1", Policy: "p0"}: .8}, 0, ""},
		{"no policy, and any could be meant", "id,label\np1,1\n", nil, 1, `no column "policy", and any could be meant`},
		{"no label", "id,policy\np1,p0\n", nil, 1, `no column "label"`},
		{"not json", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":0.8}` + "\n{oops\n", nil, 2,
			"the line is not one JSON object"},
		{"percent", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":85}`, nil, 1, "not guessed"},
		{"negative", header + "p1,p0,0,0.5\np2,p0,0,-0.1\n", nil, 3, "not in [0, 1]"},
		{"NaN", header + "p1,p0,0,NaN\n", nil, 2, "not in [0, 1]"},
		{"empty label", header + "p1,p0,0,\n", nil, 2, "leave a response without a label out"},
		{"null label", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":null}`, nil, 1,
			"leave a response without a label out"},
		{"label as text", `{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":"0.5"}`, nil, 1, `field "label" is text`},
		{"label as a truth value", `{"prompt_id":"p1","policy":"p0","label":true}`, nil, 1, `"label" is true or false`},
		{"label as an object", `{"prompt_id":"p1","policy":"p0","label":{"v":1}}`, nil, 1, `"label" is an object`},
		{"draw as text", `{"prompt_id":"p1","policy":"p0","draw_idx":"0","label":1}`, nil, 1, `"draw_idx" is text`},
		{"draw as half", `{"prompt_id":"p1","policy":"p0","draw_idx":0.5,"label":1}`, nil, 1, "is the number 0.5"},
		{"policy as a number", `{"prompt_id":"p1","policy":7,"label":1}`, nil, 1, `"policy" is a number`},
		{"id as a list", `{"id":[1],"policy":"p0","label":1}`, nil, 1, `"id" is a list`},
		{"an array", `[{"id":"p1","label":1}]`, nil, 1, "the file is a JSON array"},
		{"zeros", "\x00\x00", nil, 1, "NUL byte"},
		{"no draw, an id that is a number", `{"id":17,"policy":"p0","label":0.5}`,
			map[dataset.Key]float64{{PromptID: "17", Policy: "p0"}: .5}, 0, ""},
		{"null policy", `{"prompt_id":"p1","policy":null,"label":1}`, nil, 1, "any could be meant"},
		{"half a draw", header + "p1,p0,0.5,1\n", nil, 2, "draw_idx"},
		{"negative draw", header + "p1,p0,-1,1\n", nil, 2, "from 0"},
		{"no prompt", header + ",p0,0,1\n", nil, 2, "empty"},
		{"no policy", `{"prompt_id":"p1","policy":"","draw_idx":0,"label":1}`, nil, 1, "empty"},
		{"twice", header + "p1,p0,0,1\n\np1,p0,0,1\n", nil, 4, "line 2"},
		{"twice, blank lines first", "\n\n" + header + "p1,p0,0,1\np1,p0,0,0\n", nil, 5, "line 4"},
		{"too many fields", header + "p1,p0,0,1,9\n", nil, 2, "not CSV"},
		{"torn quote", header + "p1,p0,0,1\n\"p2,p0,0,1\n", nil, 0, "not CSV"},
	}
	for _, tt := range tests {
		got, err := ReadLabels(strings.NewReader(tt.in), "labels.txt", nil)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: (-want +got):\n%s%v", tt.name, diff, err)
		}
		var bad *LabelError
		if errors.As(err, &bad) != (tt.says != "") {
			t.Errorf("%s: error %v", tt.name, err)
			continue
		}
		if bad == nil {
			continue
		}
		if tt.line > 0 && (bad.Line != tt.line || !strings.Contains(err.Error(), fmt.Sprintf("labels.txt:%d: ", tt.line))) ||
			tt.line < 0 && bad.Line != 0 {
			t.Errorf("%s: error %v, want line %d", tt.name, err, tt.line)
		}
		if !strings.Contains(err.Error(), tt.says) || bad.Remedy == "" {
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.says)
		}
	}
	torn := errors.New("disk")
	for _, in := range []string{"", "{", "prompt_id,policy,draw_idx,label\n"} {
		if _, err := ReadLabels(io.MultiReader(strings.NewReader(in), iotest.ErrReader(torn)), "f",
			nil); !errors.Is(err, torn) {
			t.Errorf("after %q: error %v, want the reader's own", in, err)
		}
	}
}

// Labels of responses that nobody asked for are refused with file and line, in
// either form of file.
func TestReadLabelsExpected(t *testing.T) {
	expected := append(keys(3, "p0"), dataset.Key{PromptID: "p001", Policy: "pi"})
	tests := []struct {
		id, policy string
		draw       int
		says       string
		reason     string
	}{
		{"p002", "p0", 0, "", "wanted"},
		{"p001", "pi", 0, "", "a probe"},
		{"p009", "p0", 0, `prompt_id "p009" is unknown`, "an unknown id"},
		{"p002", "pi_cot", 0, `policy "pi_cot"`, "another policy's response"},
		{"p002", "pi", 0, "not among the responses", "a response of the target that is no probe"},
		{"p002", "p0", 1, "not among the responses", "another draw"},
	}
	for _, tt := range tests {
		for form, in := range map[string]string{
			"csv": fmt.Sprintf("prompt_id,policy,draw_idx,label\np000,p0,0,1\n%s,%s,%d,0.5\n", tt.id, tt.policy, tt.draw),
			"jsonl": `{"prompt_id":"p000","policy":"p0","draw_idx":0,"label":1}` + "\n\n" +
				fmt.Sprintf(`{"prompt_id":%q,"policy":%q,"draw_idx":%d,"label":0.5}`, tt.id, tt.policy, tt.draw),
		} {
			got, err := ReadLabels(strings.NewReader(in), "people."+form, expected)
			var bad *LabelError
			switch {
			case tt.says == "":
				if err != nil || len(got) != 2 {
					t.Errorf("%s, %s: %v, %v", tt.reason, form, got, err)
				}
			case !errors.As(err, &bad) || bad.Line != 3 || got != nil ||
				!strings.Contains(err.Error(), "people."+form+":3: ") || !strings.Contains(err.Error(), tt.says):
				t.Errorf("%s, %s: error %v, want line 3 and %q", tt.reason, form, err, tt.says)
			}
		}
	}
}

// FuzzReadLabels: any bytes at all give either an error and no labels, or
// labels all of which are in [0, 1] under complete keys.
func FuzzReadLabels(f *testing.F) {
	f.Add([]byte(`{"prompt_id":"p1","policy":"p0","draw_idx":0,"label":0.8}` + "\n"))
	f.Add([]byte("\xef\xbb\xbfprompt_id,policy,draw_idx,label\np1,p0,0,0.8\n\"p2\",p0,1,1e-3\n"))
	f.Add([]byte("prompt_id,policy,draw_idx,label\np1,p0,0,nan\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		labels, err := ReadLabels(strings.NewReader(string(data)), "f", nil)
		if err != nil {
			if labels != nil {
				t.Error("labels came with an error")
			}
			return
		}
		if len(labels) == 0 {
			t.Error("no labels and no error")
		}
		for k, v := range labels {
			if !(v >= 0 && v <= 1) || k.PromptID == "" || k.Policy == "" || k.DrawIdx < 0 {
				t.Errorf("%v: %v", k, v)
			}
		}
	})
}

func TestFile(t *testing.T) {
	labels := map[dataset.Key]float64{key: .8, {PromptID: "p2", Policy: "p0"}: 0}
	f, err := NewFile("people", labels)
	if err != nil {
		t.Fatal(err)
	}
	labels[key] = .1 // the file keeps its own copy
	if got, err := f.Label(t.Context(), providers.Tag{Key: key}, prompt, "4"); err != nil || got != .8 {
		t.Errorf("label %v, %v", got, err)
	}
	_, err = f.Label(t.Context(), providers.Tag{Key: dataset.Key{PromptID: "p9", Policy: "p0"}}, prompt, "4")
	var unscored *judge.UnscoredError
	if !errors.As(err, &unscored) || unscored.Reason != judge.ReasonMissing || !strings.Contains(err.Error(), "p9/p0/0") {
		t.Errorf("a response that the file lacks: error %v", err)
	}
	other, err := NewFile("people", labels)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(f.Identity(), "people@") || f.Identity() == other.Identity() {
		t.Errorf("identities %q and %q: other labels are another oracle", f.Identity(), other.Identity())
	}
	for reason, make := range map[string]func() (*File, error){
		"no name":   func() (*File, error) { return NewFile("", labels) },
		"no labels": func() (*File, error) { return NewFile("x", nil) },
		"off scale": func() (*File, error) { return NewFile("x", map[dataset.Key]float64{key: 85}) },
	} {
		if _, err := make(); err == nil {
			t.Errorf("%s: no error", reason)
		}
	}
}

// People label a spreadsheet of ids: if one policy's responses are wanted, it need not
// be named; if several are, it must be.
func TestLabelsOfOnePolicyNeedNotNameIt(t *testing.T) {
	one := []dataset.Key{{PromptID: "1", Policy: "p0"}, {PromptID: "2", Policy: "p0"}}
	want := map[dataset.Key]float64{one[0]: 1, one[1]: .25}
	for _, in := range []string{
		"id,label\n1,1\n2,0.25\n", "ID, Label \n1,1\n2,0.25\n", "label,prompt_id\n1,1\n0.25,2\n",
		`{"id":1,"label":1}` + "\n" + `{"prompt_id":"2","label":0.25}`,
	} {
		got, err := ReadLabels(strings.NewReader(in), "labels", one)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%q: %v\n%s", in, err, diff)
		}
		several := append(one[:2:2], dataset.Key{PromptID: "1", Policy: "pi_bad"})
		if got, err := ReadLabels(strings.NewReader(in), "labels", several); got != nil || err == nil ||
			!strings.Contains(err.Error(), "responses of p0, pi_bad") {
			t.Errorf("%q, of two policies: %v, %v", in, got, err)
		}
	}
}
