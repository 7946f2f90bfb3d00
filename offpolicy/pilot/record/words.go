package record

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/reweigh/reweigh/dataset"
)

// Some names the first few of a list in a sentence.
func Some(items []string) string {
	const most = 3
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:most], ", "), len(items)-most)
}

// And lists items in a sentence: "a", "a and b", "a, b and c".
func And(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

// Count is a whole number with commas between the thousands.
func Count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is a count with its noun: "1 prompt", "10,000 prompts".
func Plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return Count(n) + " " + many
}

// Counts writes a map of counts as "a 3, b 1", the largest first.
func Counts(m map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(m),
		func(a, b string) int { return cmp.Or(cmp.Compare(m[b], m[a]), cmp.Compare(a, b)) })
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%s %d", k, m[k])
	}
	return strings.Join(parts, ", ")
}

// MeanSD returns the mean and the sample standard deviation, NaN below two
// values.
func MeanSD(xs []float64) (mean, sd float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	for _, x := range xs {
		sd += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(sd / float64(len(xs)-1))
}

// Dollars is an amount in a sentence: "about $1.25", or that it is not known.
func Dollars(usd dataset.Float) string {
	if !usd.Valid() {
		return "at an unknown price"
	}
	if usd.OrNaN() == 0 {
		return "$0"
	}
	return fmt.Sprintf("about $%.2f", usd.OrNaN())
}

// HalfWidth is a half-width in two digits.
func HalfWidth(x float64) string { return strconv.FormatFloat(x, 'g', 2, 64) }
