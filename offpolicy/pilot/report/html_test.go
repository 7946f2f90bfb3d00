package report

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// element is a start tag with its attributes.
type element struct {
	name  string
	attrs map[string]string
}

var (
	tagName  = regexp.MustCompile(`^/?[a-z][a-z0-9]*`)
	tagAttr  = regexp.MustCompile(`^\s+([a-z][a-zA-Z0-9:-]*)(?:="([^"<>]*)")?`)
	voidTags = []string{"meta", "link", "br", "img", "hr", "input", "base"}
)

// parseHTML reads a page as strictly as XML: every tag well formed, every
// attribute in double quotes, every element closed in order. It returns the
// elements and the text between them. It does not use html/template, so that
// it can find that package, or our use of it, wrong.
func parseHTML(page string) (elements []element, text string, err error) {
	rest, ok := strings.CutPrefix(page, "<!DOCTYPE html>")
	if !ok {
		return nil, "", fmt.Errorf("no doctype")
	}
	var open []string
	var b strings.Builder
	for rest != "" {
		lt := strings.IndexByte(rest, '<')
		if lt < 0 {
			b.WriteString(rest)
			break
		}
		b.WriteString(rest[:lt])
		rest = rest[lt+1:]
		where := rest[:min(len(rest), 60)]
		name := tagName.FindString(rest)
		if name == "" {
			return nil, "", fmt.Errorf("a bare < before %q", where)
		}
		rest = rest[len(name):]
		if name[0] == '/' {
			if len(open) == 0 || open[len(open)-1] != name[1:] || rest == "" || rest[0] != '>' {
				return nil, "", fmt.Errorf("<%s> closes nothing: open are %v, before %q", name, open, where)
			}
			open, rest = open[:len(open)-1], rest[1:]
			b.WriteByte('\n')
			continue
		}
		e := element{name, map[string]string{}}
		for {
			m := tagAttr.FindStringSubmatch(rest)
			if m == nil {
				break
			}
			if _, twice := e.attrs[m[1]]; twice {
				return nil, "", fmt.Errorf("attribute %s twice in %q", m[1], where)
			}
			e.attrs[m[1]] = html.UnescapeString(m[2])
			rest = rest[len(m[0]):]
		}
		elements = append(elements, e)
		switch {
		case strings.HasPrefix(rest, "/>"):
			rest = rest[2:]
		case !strings.HasPrefix(rest, ">"):
			return nil, "", fmt.Errorf("a malformed tag at %q", where)
		case slices.Contains(voidTags, name):
			rest = rest[1:]
		case name == "style":
			css, after, ok := strings.Cut(rest[1:], "</style>")
			if !ok || strings.Contains(css, "<") {
				return nil, "", fmt.Errorf("a style element that does not end, or holds a tag")
			}
			rest = after
		default:
			open, rest = append(open, name), rest[1:]
		}
	}
	if len(open) > 0 {
		return nil, "", fmt.Errorf("never closed: %v", open)
	}
	return elements, html.UnescapeString(b.String()), nil
}

// checkHTML holds what is true of every page: balanced, unable to run or fetch
// anything, with ids that are unique. It returns the text.
func checkHTML(t testing.TB, page string) string {
	t.Helper()
	elements, text, err := parseHTML(page)
	if err != nil {
		t.Fatalf("the page is not well formed: %v", err)
	}
	for _, e := range elements {
		switch e.name {
		case "script", "iframe", "object", "embed", "form", "img", "image", "base", "foreignobject", "use", "video", "audio",
			"input", "button":
			t.Errorf("the page holds <%s>", e.name)
		}
		for k, v := range e.attrs {
			if strings.HasPrefix(k, "on") || k == "style" || k == "src" || k == "srcset" || k == "action" ||
				strings.Contains(k, ":") {
				t.Errorf("<%s> has the attribute %s=%q", e.name, k, v)
			}
			if k == "href" && !strings.HasPrefix(v, "#") && v != "data:," {
				t.Errorf("<%s> refers to %q", e.name, v)
			}
		}
		if e.name == "meta" && e.attrs["http-equiv"] == "refresh" {
			t.Error("the page reloads itself, under the hands of whoever reads it")
		}
	}
	return text
}

func ids(elements []element) []string {
	var out []string
	for _, e := range elements {
		if id, ok := e.attrs["id"]; ok {
			out = append(out, id)
		}
	}
	return out
}

func TestHTMLStructure(t *testing.T) {
	page := render(t, HTML, fullVerdict())
	checkHTML(t, page)
	elements, _, _ := parseHTML(page)
	all := ids(elements)
	slices.Sort(all)
	if n := len(all); len(slices.Compact(slices.Clone(all))) != n {
		t.Errorf("ids are not unique: %v", all)
	}
	for _, e := range elements {
		if to, ok := strings.CutPrefix(e.attrs["href"], "#"); ok && !slices.Contains(all, to) {
			t.Errorf("a link to #%s, which is not there", to)
		}
		if e.name == "svg" && e.attrs["aria-hidden"] != "true" && (e.attrs["role"] != "img" || e.attrs["aria-label"] == "") {
			t.Errorf("a drawing without a name: %v", e.attrs)
		}
	}
	for _, s := range []string{"url(", "@import", "expression("} {
		if strings.Contains(pageStyle, s) {
			t.Errorf("the style sheet holds %s", s)
		}
	}
	for _, s := range []string{"ZgotmplZ", "<no value>", "%!", "NaN", "+Inf"} {
		if strings.Contains(page, s) {
			t.Errorf("the page holds %s", s)
		}
	}
}

// The parser above must itself be able to fail.
func TestParseHTMLFails(t *testing.T) {
	for _, page := range []string{"<p></p>", "<!DOCTYPE html><p>", "<!DOCTYPE html><p></b>",
		"<!DOCTYPE html><p a='x'></p>", "<!DOCTYPE html>1 < 2", "<!DOCTYPE html><p a=\"1\" a=\"2\"></p>",
		"<!DOCTYPE html><style>a</style></style>"} {
		if _, _, err := parseHTML(page); err == nil {
			t.Errorf("%q was taken for well formed", page)
		}
	}
}

func TestHTMLHostileText(t *testing.T) {
	// Every string of the verdict is hostile, keys and ids too.
	v := fullVerdict()
	for i := range v.Checks {
		v.Checks[i].ID, v.Checks[i].Summary, v.Checks[i].Remedy = hostile, hostile, hostile
		v.Checks[i].Threshold, v.Checks[i].Waived = hostile, hostile
		v.Checks[i].Evidence.Records = []string{hostile}
	}
	for i := range v.Policies {
		v.Policies[i].Name, v.Policies[i].Model, v.Policies[i].Hash, v.Policies[i].Role = hostile, hostile, hostile, hostile
		v.Policies[i].Methods[0].Method = hostile
		v.Policies[i].Methods[0].Reasons = map[string]int{hostile: 1}
		if f := v.Policies[i].Forcing; f != nil {
			f.Failures, f.Flags = map[string]int{hostile: 1}, map[string]int{hostile: 2}
		}
		if v.Policies[i].Weights != nil {
			v.Policies[i].Weights.Reasons = []string{hostile}
		}
	}
	for i := range v.Stages {
		v.Stages[i].Name, v.Cost.Stages[i].Name = hostile, hostile
	}
	v.State, v.Decision, v.Reasons = hostile, hostile, []string{hostile}
	v.Waivers, v.Run.Versions = map[string]string{hostile: hostile}, map[string]string{hostile: hostile}
	v.Run.Input, v.Run.InputSHA, v.Run.Prices, v.Run.Note = hostile, hostile, hostile, hostile
	text := checkHTML(t, render(t, HTML, v))
	if !strings.Contains(text, "<script>alert(1)</script>") {
		t.Error("the hostile text is not shown as text")
	}
	for _, r := range []rune{0x1b, 0x07, 0, 0x202e, 0x2066, 0xfeff, '\r'} {
		if strings.ContainsRune(text, r) {
			t.Errorf("the page holds the character %U", r)
		}
	}
}

func TestHTMLRunning(t *testing.T) {
	const reload = "Reload the page"
	running := render(t, HTML, runningVerdict())
	text := checkHTML(t, running)
	if !strings.Contains(running, reload) || !strings.Contains(text, "still going on") {
		t.Error("a running report does not say that it is running, and where to find more")
	}
	for state, want := range map[pilot.State]string{"done": "", "interrupted": "was interrupted",
		"dreaming": `"dreaming", which this report does not know`} {
		v := fullVerdict()
		v.State = state
		page := render(t, HTML, v)
		if text := checkHTML(t, page); strings.Contains(page, reload) || !strings.Contains(text, want) {
			t.Errorf("state %s: the page is to be reloaded, or does not say %q", state, want)
		}
	}
}

// A verdict with nothing in it, and one with the largest and smallest numbers,
// are still pages.
func TestHTMLExtremes(t *testing.T) {
	checkHTML(t, render(t, HTML, &pilot.Verdict{}))
	v := fullVerdict()
	big := dataset.Known(math.MaxFloat64)
	v.Policies[0].LogProb = record.Quantiles{Q05: dataset.Known(-big.OrNaN()), Q25: dataset.Known(-1),
		Q50: dataset.Known(0), Q75: dataset.Known(5e-324), Q95: big}
	v.Policies[0].Judge = record.Quantity{Value: big, Lo: dataset.Known(-big.OrNaN())}
	v.Policies[1].Weights.LogWeights = []float64{-math.MaxFloat64, 0, math.MaxFloat64, math.NaN(), math.Inf(1)}
	v.Calibration = append(v.Calibration, offpolicy.CalibrationPoint{Label: dataset.Known(1)},
		offpolicy.CalibrationPoint{Judge: dataset.Known(-1e300), Label: dataset.Known(1e300)})
	v.Cost.Stages[0].WorstUSD = math.Inf(1)
	v.Stages[0].Seconds, v.Stages[0].Items = 1e300, math.MinInt
	page := render(t, HTML, v)
	checkHTML(t, page)
	if i := strings.Index(page, "NaN"); i >= 0 {
		t.Errorf("NaN in the page: %s", page[max(i-80, 0):i+20])
	}
	if strings.Contains(page, "Inf%") {
		t.Error("a position is infinite")
	}
}

func TestHTMLStaysSmall(t *testing.T) {
	v := fullVerdict()
	small := len(render(t, HTML, v))
	for range 10 {
		v.Calibration = append(v.Calibration, v.Calibration...)
	}
	for len(v.Policies[3].Weights.LogWeights) < 100000 {
		v.Policies[3].Weights.LogWeights = append(v.Policies[3].Weights.LogWeights, v.Policies[3].Weights.LogWeights...)
	}
	if large := len(render(t, HTML, v)); large > 2*small {
		t.Errorf("100,000 points make a page of %d bytes, 100 points one of %d: charts must not grow with the run", large,
			small)
	}
}

// Without a truth that anybody knows there is no column for it.
func TestNoTruthNoColumn(t *testing.T) {
	for _, known := range []bool{true, false} {
		v := fullVerdict()
		if !known {
			v.Truth = nil
		}
		var b bytes.Buffer
		if err := HTML(&b, v); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(b.String(), `<span class="truth"`); got != known {
			t.Errorf("known %v: a column of truth %v", known, got)
		}
	}
}
