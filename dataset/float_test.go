package dataset

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFloatJSON(t *testing.T) {
	rows := []struct {
		v      float64
		want   string
		reason string
	}{
		{0, "0", "zero is a number"},
		{math.NaN(), "null", "missing"},
		{math.Copysign(0, -1), "0", "there is one zero, so that == compares numbers"},
		{-14.726269679999916, "-14.726269679999916", "a log-prob of the shared data"},
		{1e-7, "1e-7", "small exponent without its zero"},
		{1e21, "1e+21", "large exponent"},
		{math.MaxFloat64, "1.7976931348623157e+308", "largest"},
		{math.SmallestNonzeroFloat64, "5e-324", "smallest"},
		{0.30000000000000004, "0.30000000000000004", "all 17 digits where they are needed"},
	}
	for _, row := range rows {
		got, err := json.Marshal(Known(row.v))
		if err != nil || string(got) != row.want {
			t.Errorf("%s: %s, %v; want %s", row.reason, got, err, row.want)
		}
		if !math.IsNaN(row.v) && row.v != 0 {
			if std, _ := json.Marshal(row.v); string(std) != row.want {
				t.Errorf("%s: encoding/json writes %s", row.reason, std)
			}
		}
		var back Float
		if err := json.Unmarshal(got, &back); err != nil || back != Known(row.v) {
			t.Errorf("%s: read back as %v, %v", row.reason, back.OrNaN(), err)
		}
		if back.Valid() == math.IsNaN(row.v) {
			t.Errorf("%s: Valid is %v", row.reason, back.Valid())
		}
	}
	for _, v := range []float64{math.Inf(1), math.Inf(-1)} {
		if _, err := json.Marshal(Known(v)); err == nil {
			t.Errorf("%v was written", v)
		}
		if _, err := json.Marshal(Floats{0, v}); err == nil || !strings.Contains(err.Error(), "element 1") {
			t.Errorf("in a slice: %v, want an error naming element 1", err)
		}
	}
}

// nans makes a missing value equal to another.
var nans = cmp.Comparer(func(a, b Float) bool { return a == b || !a.Valid() && !b.Valid() })

func sameFloat(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
}

func TestFloatRefuses(t *testing.T) {
	for _, in := range []string{`"1"`, `true`, `[]`, `{}`, `1e999`, `NaN`, `Inf`, `-Inf`, `0x10`, `1_0`, ``, `-`} {
		f := Known(7)
		if err := f.UnmarshalJSON([]byte(in)); err == nil || f.Valid() {
			t.Errorf("%s gives %v, %v; want an error and no number", in, f.OrNaN(), err)
		}
	}
}

func TestFloatsJSON(t *testing.T) {
	rows := []struct {
		in     string
		want   Floats
		reason string
	}{
		{"null", nil, "no list"},
		{"[]", Floats{}, "an empty list is a list"},
		{" [ null , -0.5,\n1e-7 ] ", Floats{math.NaN(), -0.5, 1e-7}, "a first token has no log-prob"},
	}
	for _, row := range rows {
		got := Floats{9, 9}
		if err := json.Unmarshal([]byte(row.in), &got); err != nil {
			t.Errorf("%s: %v", row.reason, err)
		}
		if diff := cmp.Diff(row.want, got, cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s: %s", row.reason, diff)
		}
		out, err := json.Marshal(row.want)
		if want := strings.Join(strings.Fields(row.in), ""); err != nil || string(out) != want {
			t.Errorf("%s: written as %s, %v; want %s", row.reason, out, err, want)
		}
	}
	for _, in := range []string{`[1,]`, `[,1]`, `[1 2]`, `["1"]`, `[[1]]`, `{"a":1}`, `1`, `[1e999]`, `[`, ``} {
		var fs Floats
		if err := fs.UnmarshalJSON([]byte(in)); err == nil || fs != nil {
			t.Errorf("%s gives %v, %v; want an error and nothing", in, fs, err)
		}
	}
}

// FuzzFloats: Floats reads exactly what encoding/json reads into []*float64, with
// NaN for nil.
func FuzzFloats(f *testing.F) {
	for _, s := range []string{"null", "[]", "[null,-1.5e-3]", "[1,]", "[0x1]", `["a,b"]`, "[ 1 , 2 ]", "[1e400]",
		"[01]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var want []*float64
		wantErr := json.Unmarshal(b, &want)
		var got Floats
		err := json.Unmarshal(b, &got)
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q: %v, encoding/json says %v", b, err, wantErr)
		}
		if err != nil {
			return
		}
		if len(got) != len(want) || (got == nil) != (want == nil) {
			t.Fatalf("%q: %v, want %d elements", b, got, len(want))
		}
		for i, w := range want {
			v := math.NaN()
			if w != nil {
				v = *w
			}
			if !sameFloat(got[i], v) {
				t.Fatalf("%q: element %d is %v, want %v", b, i, got[i], v)
			}
		}
	})
}

func TestFloatZeroIsMissing(t *testing.T) {
	var f Float
	if _, ok := f.Get(); ok || f.Valid() || !math.IsNaN(f.OrNaN()) || f != Known(math.NaN()) || f.String() != "missing" {
		t.Errorf("the zero Float is %v", f)
	}
	if b, err := json.Marshal(struct{ A, B Float }{B: Known(0)}); err != nil || string(b) != `{"A":null,"B":0}` {
		t.Errorf("%s, %v: a missing value is written as null", b, err)
	}
	var row struct{ A, B Float }
	if err := json.Unmarshal([]byte(`{"B":null}`), &row); err != nil || row.A.Valid() || row.B.Valid() {
		t.Errorf("absent and null read as %v and %v, %v", row.A, row.B, err)
	}
	if Known(math.Float64frombits(nanBits|2)) != (Float{}) {
		t.Error("NaN of other bits is a second missing value")
	}
	for _, x := range []float64{0, 1, -1, math.Inf(1), math.Inf(-1), 5e-324, math.MaxFloat64} {
		if got, ok := Known(x).Get(); !ok || got != x {
			t.Errorf("Known(%v).Get() = %v, %v", x, got, ok)
		}
	}
}

func ExampleKnown() {
	var label Float // not labeled
	score := Known(0.75)
	v, ok := label.Get()
	fmt.Println(v, ok)
	fmt.Println(score.OrNaN(), score == Known(0.75), label)
	// Output:
	// 0 false
	// 0.75 true missing
}
