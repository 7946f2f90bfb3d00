package providers_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// Answers that are paid for and cannot be used are not bought seven times a row.
func TestWastedAnswers(t *testing.T) {
	endless := providertest.Reply{Body: strings.Replace(okChat, `"stop"`, "null", 1)}
	page := providertest.Reply{Body: "<html>Log in</html>"}
	half := providertest.Reply{Body: strings.Replace(okChat, `"usage"`, `"error":{"message":"lost","code":504},"usage"`, 1)}
	torn := providertest.Reply{Body: okChat, Cut: true}
	limit := providertest.Reply{Body: `{"error":{"code":429}}`}
	times := func(n int, r providertest.Reply) (list []providertest.Reply) {
		for range n {
			list = append(list, r)
		}
		return list
	}
	for _, c := range []struct {
		reason   string
		replies  []providertest.Reply
		attempts []int // of each call
		hint     string
	}{
		{"no answer says how it ended: three, three, and eight in all; then one a call", times(1, endless),
			[]int{3, 3, 2, 1, 1}, "the last 10 answers"},
		{"an answer that can be used begins the count anew", append(times(10, endless), ok()),
			[]int{3, 3, 2, 1, 1, 1}, ""},
		{"one of two can be used", []providertest.Reply{endless, ok(), endless, ok(), endless, ok()}, []int{2, 2, 2}, ""},
		{"a page may have cost as much", times(1, page), []int{3, 3, 2, 1}, "the last 9 answers"},
		{"half an answer and an error", times(1, half), []int{3}, "not bought again"},
		{"what broke off on its way is another matter", times(1, torn), []int{7, 7}, ""},
		{"so is what says that nothing was done", times(1, limit), []int{7, 7}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := providertest.NewPipeServer(t, c.replies...)
			cl := client(t, openAI(t, s), providers.ClientConfig{})
			var got []int
			var last error
			for range c.attempts {
				before := len(s.Requests())
				_, last = cl.Generate(t.Context(), chatRequest())
				got = append(got, len(s.Requests())-before)
			}
			if d := cmp.Diff(c.attempts, got); d != "" {
				t.Errorf("%s: attempts of each call (-want +got):\n%s", c.reason, d)
			}
			if c.hint != "" && (last == nil || !strings.Contains(last.Error(), c.hint)) {
				t.Errorf("%s: %v, want %q", c.reason, last, c.hint)
			}
		})
	}
}

// A call that costs nothing is tried as often as any, and nobody says that it was paid for.
func TestNothingIsWastedOnAFreeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := providertest.NewPipeServer(t, providertest.Reply{Body: "<html>Back in a minute</html>"})
		_, err := client(t, openAI(t, s), providers.ClientConfig{}).Models(t.Context())
		if n := len(s.Requests()); n != 7 || err == nil || strings.Contains(err.Error(), "paid") {
			t.Errorf("%d attempts at a listing, %v; want 7 and no word of money", n, err)
		}
	})
}
