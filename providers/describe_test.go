package providers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
	"github.com/reweigh/reweigh/providers/sim"
)

const described = "accounts/fireworks/models/qwen3p7"

func TestDescribe(t *testing.T) {
	day := time.Date(2027, 1, 14, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		body, reason string
		want         providers.Model
		class        providers.Class
	}{
		{`{"name":"` + described + `","supportsServerless":true,"deprecationDate":null}`, "served",
			providers.Model{ID: described, Serverless: true}, ""},
		{`{"name":"` + described + `","supportsServerless":false}`, "on a deployment only", providers.Model{ID: described},
			""},
		{`{"name":"` + described + `"}`, "what is not said is no refusal", providers.Model{ID: described, Serverless: true},
			""},
		{`{"name":"` + described + `","supportsServerless":true,"deprecationDate":{"year":2027,"month":1,"day":14}}`,
			"a date in parts", providers.Model{ID: described, Serverless: true, Shutdown: day}, ""},
		{`{"name":"` + described + `","supportsServerless":true,"deprecationDate":"2027-01-14T00:00:00Z"}`, "a date as text",
			providers.Model{ID: described, Serverless: true, Shutdown: day}, ""},
		{`{"name":"` + described + `","deprecationDate":{"year":2027}}`, "half a date may be tomorrow", providers.Model{},
			providers.ClassBrokenReply},
		{`{"name":"` + described + `","deprecationDate":"soon"}`, "so may a word", providers.Model{},
			providers.ClassBrokenReply},
		{`{"name":"accounts/fireworks/models/other","supportsServerless":true}`, "another model's description",
			providers.Model{}, providers.ClassBrokenReply},
		{`{}`, "nobody's description", providers.Model{}, providers.ClassBrokenReply},
		{`[]`, "no description", providers.Model{}, providers.ClassBrokenReply},
	} {
		s := providertest.NewServer(t, providertest.Reply{Body: c.body})
		got, err := fireworks(t, s).Describe(t.Context(), described)
		if c.class != "" {
			wantError(t, err, c.class)
		} else if err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		// The resource is beside the inference API, not under it.
		if r := s.Requests()[0]; r.Method != "GET" || r.Path != "/v1/"+described || r.Raw != "" {
			t.Errorf("sent %s %s %s", r.Method, r.Path, r.Raw)
		}
	}
	s := providertest.NewServer(t, providertest.Reply{Status: 404,
		Body: `{"error":{"message":"not found","code":"NOT_FOUND"}}`})
	_, err := fireworks(t, s).Describe(t.Context(), described)
	wantError(t, err, providers.ClassModelNotFound)
}

func TestDescribeAsksOnlyWhatThereIs(t *testing.T) {
	s := providertest.NewServer(t)
	p := fireworks(t, s)
	for model, reason := range map[string]string{
		"accounts/me/deployments/d1":         "the newer name of a deployment",
		described + "#accounts/me/d1":        "the older one",
		"accounts/me/models/mine#d2/special": "a name with more slashes",
	} {
		if m, err := p.Describe(t.Context(), model); err != nil || !m.Serverless || m.ID != model {
			t.Errorf("%s: %+v, %v", reason, m, err)
		}
	}
	for _, model := range []string{"llama", "accounts/fireworks/routers/fast", "accounts/fireworks/models/a/b", ""} {
		if _, err := p.Describe(t.Context(), model); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%q: %v", model, err)
		}
	}
	elsewhere, err := providers.NewFireworks(providers.HTTPConfig{BaseURL: s.URL() + "/proxy",
		Key: providers.NewSecret(key), HTTP: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := elsewhere.Describe(t.Context(), described); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a base URL of another form has no resource beside it: %v", err)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	c := client(t, openAI(t, s), providers.ClientConfig{})
	if _, err := c.Describe(t.Context(), "gpt-4o"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("not every provider describes models: %v", err)
	}
}

func TestClientDescribeIsInTheLedger(t *testing.T) {
	s := providertest.NewServer(t, providertest.Reply{Status: 503}, providertest.Reply{Body: `{"name":"` + described +
		`"}`})
	var ledger providers.MemoryLedger
	c := client(t, fireworks(t, s), providers.ClientConfig{Ledger: &ledger,
		Retry: providers.Retry{Base: time.Microsecond}})
	if _, err := c.Describe(t.Context(), described); err != nil {
		t.Fatal(err)
	}
	e := ledger.Entries()
	if len(e) != 2 || e[0].Outcome != "overloaded" || e[1].Outcome != "ok" || e[1].Key != described || e[1].Cost != 0 ||
		!e[1].UsageKnown {
		t.Errorf("%+v", e)
	}
}

// A listing may name a model that cannot be called; the model's own resource
// knows.
func ExampleClient_Describe() {
	server := sim.New(sim.Config{Models: map[string]sim.ModelStatus{sim.MaverickModel: {OnDemand: true}}})
	defer server.Close()
	fireworks, err := providers.NewFireworks(providers.HTTPConfig{
		BaseURL: "http://fireworks.invalid/inference/v1", Key: providers.NewSecret("k"), HTTP: server.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	client, err := providers.NewClient(fireworks, providers.ClientConfig{Prices: providers.DefaultPrices()})
	if err != nil {
		log.Fatal(err)
	}
	listed, err := client.Models(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range listed {
		d, err := client.Describe(context.Background(), m.ID)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.ID, m.Serverless, d.Serverless)
	}
	// Output:
	// accounts/fireworks/models/llama4-scout-instruct-basic true true
	// accounts/fireworks/models/llama4-maverick-instruct-basic true false
}
