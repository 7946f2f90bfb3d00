package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/offpolicy"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
)

// Sentences says what an evaluation found as a person would say it: what the logging
// policy scores, how far every other policy is from it, which cannot be estimated and
// what would change that, and which is best. A policy is said to be higher or lower if
// the 95% interval of the paired difference leaves out 0 and its p-value, adjusted over
// all pairs (Holm), is below 0.05; a difference that passes the first alone is hedged.
func Sentences(e *offpolicy.Document) []string {
	mustHaveEvaluation(e)
	return newFindings(e, e.PolicyNames()).sentences()
}

// findings are an evaluation's answers in the order in which a reader meets the
// policies.
type findings struct {
	doc      *offpolicy.Document
	names    []string // the logging policy first
	logging  string
	answered int
}

func newFindings(e *offpolicy.Document, order []string) *findings {
	f := &findings{doc: e, logging: e.Logging}
	for _, name := range append(slices.Clone(order), e.PolicyNames()...) {
		if e.Policies[name] != nil && !slices.Contains(f.names, name) {
			f.names = append(f.names, name)
		}
	}
	slices.SortStableFunc(f.names, func(a, b string) int { return boolRank(a != f.logging) - boolRank(b != f.logging) })
	for _, name := range f.names {
		f.answered += boolRank(f.value(name).Value.Valid())
	}
	return f
}

// value is a policy's estimate, within [0, 1], where means of labels are.
func (f *findings) value(name string) record.Quantity {
	a := f.doc.Policies[name].Answer
	return pilotInterval(a.Value, a.CI).Unit()
}

// contrast is the paired difference of two policies' values, missing if there is none.
func (f *findings) contrast(a, b string) (diff record.Quantity, holm dataset.Float, aa bool) {
	for _, c := range f.doc.Comparisons {
		switch {
		case c.A == a && c.B == b:
			return bounded(pilotInterval(c.Difference, c.CI)), c.Holm, c.AA
		case c.A == b && c.B == a:
			return bounded(negative(pilotInterval(c.Difference, c.CI))), c.Holm, c.AA
		}
	}
	return record.Quantity{}, dataset.Float{}, false
}

// certainly is the p-value below which a clone's difference is no luck.
const certainly = 0.002

// clonePValue is the p-value of a clone's difference from the logging policy.
func (f *findings) clonePValue(name string) dataset.Float {
	for _, c := range f.doc.Comparisons {
		if c.AA && (c.A == name && c.B == f.logging || c.B == name && c.A == f.logging) {
			return c.P
		}
	}
	return dataset.Float{}
}

func negative(i record.Quantity) record.Quantity {
	return record.Quantity{Value: minus(i.Value), Lo: minus(i.Hi), Hi: minus(i.Lo)}
}

func minus(x dataset.Float) dataset.Float { return dataset.Known(0 - x.OrNaN()) }

// bounded is a difference of two means of labels without what lies outside [-1, 1].
func bounded(i record.Quantity) record.Quantity {
	for _, x := range []*dataset.Float{&i.Value, &i.Lo, &i.Hi} {
		if v, ok := x.Get(); ok {
			*x = dataset.Known(min(max(v, -1), 1))
		}
	}
	return i
}

// side says on which side of 0 a difference lies: sure if it would also pass among all
// the pairs that are compared.
func side(diff record.Quantity, holm dataset.Float) (sign int, sure bool) {
	switch {
	case !diff.Lo.Valid() || !diff.Hi.Valid():
		return 0, false
	case diff.Lo.OrNaN() > 0:
		sign = 1
	case diff.Hi.OrNaN() < 0:
		sign = -1
	default:
		return 0, false
	}
	p, ok := holm.Get()
	return sign, ok && p < 0.05
}

// pairs is how many differences are looked at.
func (f *findings) pairs() int {
	n := 0
	for _, c := range f.doc.Comparisons {
		n += boolRank(c.Difference.Valid() && !c.AA)
	}
	return n
}

func (f *findings) sentences() []string {
	var out, unknown []string
	for _, name := range f.names {
		switch v := f.value(name); {
		case !v.Value.Valid():
			unknown = append(unknown, name)
		case name == f.logging:
			out = append(out, fmt.Sprintf("%s scores %s.", clean(name), withInterval(v)))
		default:
			out = append(out, f.against(name))
		}
	}
	out = append(out, f.missing(unknown)...)
	if s := f.best(unknown); s != "" {
		out = append(out, s)
	}
	return out
}

// against compares a policy that has a value with the logging policy.
func (f *findings) against(name string) string {
	diff, holm, aa := f.contrast(name, f.logging)
	who := clean(name)
	if !diff.Value.Valid() {
		s := fmt.Sprintf("%s scores %s", who, withInterval(f.value(name)))
		if f.value(f.logging).Value.Valid() {
			s += fmt.Sprintf("; how far that is from %s cannot be estimated", clean(f.logging))
		}
		return s + "."
	}
	sign, sure := side(diff, holm)
	p0 := clean(f.logging)
	if sign == 0 { // with its sign, as in the plot: an interval of both signs is of no direction
		around := fmt.Sprintf("difference %s, %s", rounds(diff.Value.OrNaN(), digits(diff)), within95(diff))
		if aa {
			return fmt.Sprintf("%s is %s again, as a control, and scores the same, as it should (%s).", who, p0, around)
		}
		return fmt.Sprintf("%s and %s cannot be told apart yet (%s).", who, p0, around)
	}
	by, word := distance(diff), "higher"
	if diff.Value.OrNaN() < 0 {
		word, diff = "lower", negative(diff)
	}
	around := within95(diff)
	switch {
	case aa:
		advice := "one control in 20 does so by luck, and more prompts would show it"
		if p, ok := f.clonePValue(name).Get(); ok && p < certainly {
			advice = "find out why before you trust the rest"
		}
		return fmt.Sprintf("%s is %s again, as a control, but scores %s %s (%s): %s.", who, p0, by, word, around, advice)
	case !sure:
		return fmt.Sprintf("%s seems to score %s %s than %s (%s), but that may be luck: %s compared.", who, by, word,
			p0, around, plural(f.pairs(), "pair is", "pairs are"))
	}
	return fmt.Sprintf("%s scores %s %s than %s (%s).", who, by, word, p0, around)
}

// missing says of policies without a value what would give it. Those that lack the same
// share a sentence.
func (f *findings) missing(names []string) []string {
	type group struct {
		what  string
		names []string
	}
	var groups []group
	for _, name := range names {
		what := lack(f.doc.Policies[name].Answer.Labels, false)
		i := slices.IndexFunc(groups, func(g group) bool { return g.what == what })
		if i < 0 {
			i, groups = len(groups), append(groups, group{what: what})
		}
		groups[i].names = append(groups[i].names, name)
	}
	var out []string
	for _, g := range groups {
		s := record.And(cleanAll(g.names)) + " cannot be estimated"
		switch {
		case g.what == "":
			s += " from these data"
		case len(g.names) > 1:
			s += " yet: " + lack(f.doc.Policies[g.names[0]].Answer.Labels, true)
		default:
			s += " yet: " + g.what
		}
		out = append(out, s+".")
	}
	return out
}

// lack says which labels a policy needs: "label 25 of its responses ($0.07) for about
// ±0.05"; of several that need the same, each: "label 25 of the responses of each ($0.07
// each) for about ±0.05".
func lack(a *offpolicy.LabelAdvice, each bool) string {
	if a == nil {
		return ""
	}
	who, whose, apiece := "it", "its responses", ""
	if each {
		who, whose, apiece = "each", "the responses of each", " each"
	}
	s := fmt.Sprintf("label %s of %s", count(a.Labels), whose)
	if a.Unanswered {
		s = fmt.Sprintf("let %s answer the prompts, and %s", who, s)
	}
	if cost, ok := a.USD.Get(); ok && cost > 0 {
		s += fmt.Sprintf(" (%s%s)", price(cost), apiece)
	}
	if w, ok := a.HalfWidth.Get(); ok {
		s += fmt.Sprintf(" for about ±%s", rounds(w, widthDigits(w)))
	}
	return s
}

// best says which policy scores highest, or why nobody knows. A clone is its original.
func (f *findings) best(unknown []string) string {
	var names []string
	for _, name := range f.names {
		if _, _, aa := f.contrast(name, f.logging); f.value(name).Value.Valid() && !aa {
			names = append(names, name)
		}
	}
	open := ""
	if len(unknown) > 0 {
		cleaned := cleanAll(unknown)
		if open = record.And(cleaned) + " is not known yet"; len(cleaned) > 1 {
			open = record.And(cleaned) + " are not known yet"
		}
	}
	if len(names) < 2 {
		if open == "" {
			return ""
		}
		return "Which policy is best is not known yet."
	}
	top := slices.MaxFunc(names, func(a, b string) int {
		return cmp.Compare(f.value(a).Value.OrNaN(), f.value(b).Value.OrNaN())
	})
	near := []string{clean(top)}
	for _, name := range names {
		diff, holm, _ := f.contrast(top, name)
		if sign, sure := side(diff, holm); name != top && (sign <= 0 || !sure) {
			near = append(near, clean(name))
		}
	}
	switch {
	case len(near) > 1:
		s := fmt.Sprintf("Which policy is best is not known yet: %s are too close to tell apart", record.And(near))
		if open != "" {
			s += ", and " + open
		}
		return s + "."
	case open != "":
		return fmt.Sprintf("Best of those estimated: %s; %s.", clean(top), open)
	}
	return fmt.Sprintf("Best: %s.", clean(top))
}

// withInterval is a value with its interval in words: "0.58 (95% interval 0.55 to 0.61)".
func withInterval(i record.Quantity) string {
	if !i.Lo.Valid() || !i.Hi.Valid() {
		return rounds(i.Value.OrNaN(), 2) + " (no interval)"
	}
	return fmt.Sprintf("%s (%s)", rounds(i.Value.OrNaN(), digits(i)), within95(i))
}

// brief is withInterval for a cell: "0.58 (0.55 to 0.61)".
func brief(i record.Quantity) string {
	if !i.Lo.Valid() || !i.Hi.Valid() {
		return rounds(i.Value.OrNaN(), 2)
	}
	return fmt.Sprintf("%s (%s)", rounds(i.Value.OrNaN(), digits(i)), fromTo(i))
}

func fromTo(i record.Quantity) string {
	d := digits(i)
	return rounds(i.Lo.OrNaN(), d) + " to " + rounds(i.Hi.OrNaN(), d)
}

// within95 names an interval, as "95% interval 0.02 to 0.08".
func within95(i record.Quantity) string {
	if !i.Lo.Valid() || !i.Hi.Valid() {
		return "no interval"
	}
	return "95% interval " + fromTo(i)
}

// distance is a difference without its sign.
func distance(i record.Quantity) string { return rounds(math.Abs(i.Value.OrNaN()), digits(i)) }

// digits are the decimals that an interval's width lets a reader use: two as a rule.
func digits(i record.Quantity) int { return widthDigits((i.Hi.OrNaN() - i.Lo.OrNaN()) / 2) }

func widthDigits(half float64) int {
	switch {
	case !(half < 0.0095): // or there is no width
		return 2
	case half >= 0.00095:
		return 3
	}
	return 4
}

// rounds writes v with so many decimals, a dash if it is missing; -0 is 0.
func rounds(v float64, decimals int) string {
	if !finite(v) {
		return absent
	}
	s := fmt.Sprintf("%.*f", decimals, v)
	if strings.Trim(s, "-0.") == "" {
		return strings.TrimPrefix(s, "-")
	}
	return s
}

// price is an amount for a sentence, in cents; less than one has what it takes.
func price(v float64) string {
	if math.Abs(v) < 0.005 {
		return usd(v)
	}
	return signed(v, "$"+grouped(fmt.Sprintf("%.2f", math.Abs(v))))
}

func mustHaveEvaluation(e *offpolicy.Document) {
	if e == nil {
		panic("report: nil evaluation")
	}
}
