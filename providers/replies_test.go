package providers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/internal/shareddata"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// A reply is read for all that it says: each row's reading follows from its body
// and nothing else. The bodies of rows without one are the shared cases.
func TestRepliesThatServicesSend(t *testing.T) {
	for _, row := range slices.Concat(sentAnswers, sentRefusals, neighbours, reported, furtherReports) {
		t.Run(strings.ReplaceAll(row.name, " ", "_"), func(t *testing.T) {
			row.body = bodyOf(t, row)
			checkReading(t, row.want, func() (reading, error) { return readReply(t, row) })
		})
	}
}

// bodyOf is a row's reply, from the shared cases if the row has none.
func bodyOf(t *testing.T, row sent) string {
	t.Helper()
	if row.body != "" {
		return row.body
	}
	b, err := os.ReadFile(shareddata.File(t, "cases/replies/"+row.name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func checkReading(t *testing.T, want reading, f func() (reading, error)) {
	t.Helper()
	got, err := f()
	if want.class != "" {
		e := wantError(t, err, want.class)
		if e.RetryAfter != want.wait {
			t.Errorf("it is to be tried again after %v, want %v", e.RetryAfter, want.wait)
		}
		if diff := cmp.Diff(want.usage, e.Usage); diff != "" {
			t.Errorf("usage (-want +got):\n%s", diff)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if (got.hidden == "") != (want.hidden == "") || !strings.Contains(got.hidden, want.hidden) {
		t.Errorf("hidden is %q, want %q", got.hidden, want.hidden)
	}
	if (got.doubt == "") != (want.doubt == "") || !strings.Contains(got.doubt, want.doubt) {
		t.Errorf("the doubt is %q, want %q", got.doubt, want.doubt)
	}
	got.hidden, got.doubt = want.hidden, want.doubt
	if want.ids == nil {
		got.ids = nil
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(reading{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// readReply makes the row's call against a server that sends its reply.
func readReply(t *testing.T, row sent) (reading, error) {
	t.Helper()
	s := providertest.NewPipeServer(t, providertest.Reply{Status: row.status, Body: row.body})
	p := vllm(t, s)
	switch row.call {
	case "models":
		_, err := p.Models(t.Context())
		return reading{}, err
	case "score":
		req := scoreRequest()
		req.Prompt = "Hi there"
		if strings.Contains(row.body, "Rivers") {
			req.Prompt = "Rivers run"
		}
		got, err := p.ScorePrompt(t.Context(), req)
		r := reading{text: got.Text, usage: got.Usage, doubt: got.Meta.UsageDoubt}
		for _, tok := range got.Tokens {
			r.values, r.ids = append(r.values, tok.LogProb), append(r.ids, tok.ID)
		}
		return r, err
	}
	req := chatRequest()
	if row.call == "completion" {
		req = promptRequest()
	}
	return readGeneration(p.Generate(t.Context(), req))
}

func readGeneration(g providers.Generation, err error) (reading, error) {
	return reading{text: g.Text, finish: g.FinishReason, hidden: g.Hidden, usage: g.Usage, doubt: g.Meta.UsageDoubt,
		refusal: g.Refusal}, err
}

// A line of a batch is read as the same reply to a call of its own: all rows are
// lines of one file, those of the shared cases of another.
func TestRepliesInBatches(t *testing.T) {
	for name, least := range map[string]int{"own": 90, "shared": 8} {
		t.Run(name, func(t *testing.T) {
			var file bytes.Buffer
			rows := map[string]sent{}
			for i, row := range slices.Concat(sentAnswers, sentRefusals, neighbours, reported, furtherReports) {
				if row.call != "chat" || (row.body == "") != (name == "shared") {
					continue
				}
				status := max(row.status, http.StatusOK)
				line := bytes.NewBufferString(fmt.Sprintf(`{"custom_id":"%d","response":{"status_code":%d,"body":`, i, status))
				if json.Compact(line, []byte(bodyOf(t, row))) != nil {
					continue // it cannot stand in a line
				}
				file.WriteString(line.String() + "}}\n")
				rows[strconv.Itoa(i)] = row
			}
			p := openAI(t, providertest.NewPipeServer(t, providertest.Reply{Body: file.String()}))
			answers, malformed, err := p.BatchFile(t.Context(), providers.Tag{}, "f")
			if err != nil || malformed != 0 || len(answers) != len(rows) || len(rows) < least {
				t.Fatalf("%d answers, %d malformed, %v, of %d rows", len(answers), malformed, err, len(rows))
			}
			for _, a := range answers {
				t.Run(strings.ReplaceAll(rows[a.ID].name, " ", "_"), func(t *testing.T) {
					checkReading(t, rows[a.ID].want, func() (reading, error) {
						return readGeneration(p.BatchReply(chatRequest(), a))
					})
				})
			}
		})
	}
}

// Every string that a server chooses is cut before anybody keeps it.
func TestNamesAreCut(t *testing.T) {
	long := strings.Repeat("m", 1_000_000)
	body := strings.Replace(chatWith(`"message":{"content":"x"},"finish_reason":"`+long+`"`,
		some+`,"service_tier":"`+long+`"`), `"model":"m"`, `"model":"`+long+`"`, 1)
	s := providertest.NewPipeServer(t,
		providertest.Reply{Body: body, Header: map[string]string{"X-Request-Id": long[:4000],
			"X-Ratelimit-Limit-Requests": long[:4000]}},
		providertest.Reply{Status: 400, Body: `{"error":{"message":"` + long + `","code":"` + long[:9000] + `","param":"` +
			long[:9000] + `"}}`},
		providertest.Reply{Body: `{"data":[{"id":"` + long + `"},{"id":"m"}]}`},
	)
	p := openAI(t, s)
	var ledger providers.MemoryLedger
	c, err := providers.NewClient(p, providers.ClientConfig{Prices: prices, Ledger: &ledger,
		Retry: providers.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.Generate(t.Context(), chatRequest())
	if err != nil {
		t.Fatal(err)
	}
	e := ledger.Entries()[0]
	for name, kept := range map[string]string{
		"model": g.Meta.Model, "tier": g.Meta.Tier, "finish reason": g.FinishReason, "hidden": g.Hidden,
		"request id": g.Meta.RequestID,
		"header":     g.Meta.Header.Get("X-Ratelimit-Limit-Requests"), "served": e.Served, "doubt": e.UsageDoubt,
		"server's id": e.ServerRequestID, "entry's tier": e.Tier,
	} {
		if len(kept) > 1<<10 {
			t.Errorf("%s: %d bytes are kept", name, len(kept))
		}
	}
	_, err = c.Generate(t.Context(), chatRequest())
	if x := wantError(t, err, providers.ClassBadRequest); len(x.Error()) > 4<<10 || len(x.Code) > 1<<10 ||
		len(x.Param) > 1<<10 {
		t.Errorf("an error of %d bytes, a code of %d, a parameter of %d", len(x.Error()), len(x.Code), len(x.Param))
	}
	models, err := c.Models(t.Context())
	if err != nil || len(models) != 1 || models[0].ID != "m" {
		t.Errorf("a listing of %d models, %v: want the one whose name can be kept", len(models), err)
	}
}

// A process without file descriptors says so, and makes room by itself.
func TestFewFileDescriptors(t *testing.T) {
	calls := 0
	var c *providers.Client
	full := tripper(func(r *http.Request) (*http.Response, error) {
		if calls++; calls < 40 {
			return nil, errors.New("dial tcp 127.0.0.1:1: socket: too many open files")
		}
		return nil, context.Canceled
	})
	p, err := providers.NewOpenAI(providers.HTTPConfig{BaseURL: "http://h.invalid/v1", Key: providers.NewSecret(key),
		HTTP: &http.Client{Transport: full}})
	if err != nil {
		t.Fatal(err)
	}
	c, err = providers.NewClient(p, providers.ClientConfig{Prices: prices, Concurrency: 32,
		Retry: providers.Retry{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond}})
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		_, err = c.Generate(t.Context(), chatRequest())
		if e := wantError(t, err, providers.ClassNetwork); !strings.Contains(e.Hint, "open files") {
			t.Errorf("hint %q", e.Hint)
		}
	}
	if got := c.LimitStatus("m").Concurrency; got >= 16 {
		t.Errorf("%d attempts may still be in flight", got)
	}
}
