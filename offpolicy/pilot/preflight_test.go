package pilot_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/offpolicy/pilot/record"
	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

// TestPreflightAsksAfterTheModels makes a server withdraw its models in every
// way that services have.
func TestPreflightAsksAfterTheModels(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name    string
		model   string
		status  sim.ModelStatus
		refused []string // words of the refusal; nil where the run may start
		warned  string   // words of a warning
		reason  string
	}{
		{"gone", sim.MaverickModel, sim.ModelStatus{Gone: true},
			[]string{"does not serve", sim.MaverickModel, "set another model", sim.ScoutModel}, "",
			"name what there is instead"},
		{"listed, but on demand", sim.MaverickModel, sim.ModelStatus{OnDemand: true},
			[]string{"deployment of one's own", sim.MaverickModel, "set another model"}, "",
			"the listing alone would let it pass, and the first call would fail"},
		{"shut down last week", sim.ScoutModel, sim.ModelStatus{Shutdown: now.AddDate(0, 0, -7)},
			[]string{"shuts " + sim.ScoutModel, now.AddDate(0, 0, -7).UTC().Format(time.DateOnly)}, "",
			"a date that has passed ends the model, whatever the listing says"},
		{"shut down tonight", sim.ScoutModel, sim.ModelStatus{Shutdown: now.Add(20 * time.Hour)},
			[]string{"shuts " + sim.ScoutModel, "set another model"}, "", "it may end while the pilot runs"},
		{"shut down next week", sim.ScoutModel, sim.ModelStatus{Shutdown: now.AddDate(0, 0, 7)}, nil, "will shut " +
			sim.ScoutModel + " down", "the full run may come too late"},
		{"a grader shut down next week", sim.JudgeModel, sim.ModelStatus{Shutdown: now.AddDate(0, 0, 7)}, nil, "will shut " +
			sim.JudgeModel + " down", "OpenAI says so in its listing"},
		{"a grader is gone", sim.OracleModel, sim.ModelStatus{Gone: true},
			[]string{"openai does not serve gpt-4o", "gpt-4o-mini", "Oracle.Model"}, "", "graders are models too"},
		{"shut down next year", sim.ScoutModel, sim.ModelStatus{Shutdown: now.AddDate(1, 0, 0)}, nil, "",
			"too far ahead to matter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sim.New(sim.Config{Models: map[string]sim.ModelStatus{c.model: c.status}})
			defer s.Close()
			pf, err := pilot.RunPreflight(t.Context(), plan(t, s, t.TempDir(), 10))
			var refused *pilot.PreflightError
			if errors.As(err, &refused) != (c.refused != nil) {
				t.Fatalf("%s: %v", c.reason, err)
			}
			for _, want := range c.refused {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v\ndoes not say %q", c.reason, err, want)
				}
			}
			warnings := strings.Join(pf.Warnings, "\n")
			if c.warned == "" && strings.Contains(warnings, "shut") || !strings.Contains(warnings, c.warned) {
				t.Errorf("%s: warned of %q, want %q", c.reason, warnings, c.warned)
			}
			if s.Bill().Total.Calls != 0 {
				t.Error("the preflight spent something")
			}
		})
	}
}

// Every check of the report can be waived by its id, a target's own too.
func TestPreflightKnowsEveryCheck(t *testing.T) {
	cfg := config(t, serve(t, ""), t.TempDir(), 10)
	cfg.Waived["transport.pi_bad"] = "known"
	if _, err := pilot.RunPreflight(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	cfg.Waived["transport.nobody"] = "known"
	if _, err := pilot.RunPreflight(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "transport.pi_bad") {
		t.Errorf("%v: want a refusal that lists the ids", err)
	}
}

// A deployment of one's own is in no listing, and is not refused for that.
func TestPreflightLetsDeploymentsPass(t *testing.T) {
	s := serve(t, "")
	cfg := config(t, s, t.TempDir(), 10)
	cfg.Arms = append([]record.Arm(nil), cfg.Arms...)
	const own = "accounts/me/deployments/d1"
	for i := range cfg.Arms {
		if cfg.Arms[i].Policy.Name == "pi_bigger_model" {
			cfg.Arms[i].Policy.Model = own
		}
	}
	cfg.Prices = cfg.Prices.Merge(providers.Prices{Date: cfg.Prices.Date,
		Models: map[string]providers.Price{own: {Input: 1, Output: 1}}})
	if _, err := pilot.RunPreflight(t.Context(), cfg); err != nil {
		t.Error(err)
	}
}

// refusing refuses the resources of single models with a status: 403 as it would happen to
// a key that may use the models and see nothing of the account, 404 for models that are not
// served.
type refusing struct {
	http.RoundTripper
	status int
}

func (f refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/v1/accounts/") {
		return &http.Response{StatusCode: f.status, Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(`{"error":{"message":"no"}}`)), Request: r}, nil
	}
	return f.RoundTripper.RoundTrip(r)
}

// refusingModels runs the preflight against a service that lists its models and answers
// with a status when it is asked after one of them.
func refusingModels(t *testing.T, status int) (pilot.Preflight, error) {
	t.Helper()
	s := serve(t, "")
	cfg := config(t, s, t.TempDir(), 10)
	var err error
	cfg.Policies, err = providers.NewFireworks(providers.HTTPConfig{
		BaseURL: "http://sim.test/inference/v1", Key: providers.NewSecret("k"),
		HTTP: &http.Client{Transport: refusing{s.Client().Transport, status}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return pilot.RunPreflight(t.Context(), cfg)
}

// A model that is listed and not served is not served by another name either.
func TestPreflightOfAModelListedAndNotServed(t *testing.T) {
	_, err := refusingModels(t, http.StatusNotFound)
	if err == nil || !strings.Contains(err.Error(), "does not serve "+sim.ScoutModel+"\n    set another model") {
		t.Errorf("%v: want another model to be set", err)
	}
}

func TestPreflightGoesOnWhereAModelCannotBeAskedAfter(t *testing.T) {
	pf, err := refusingModels(t, http.StatusForbidden)
	if err != nil || !strings.Contains(strings.Join(pf.Warnings, "\n"), "lists "+sim.ScoutModel+", but does not say") {
		t.Errorf("%v, warnings %q", err, pf.Warnings)
	}
}

// The refusal of a run of too few labels names the fewest prompts that give enough: the
// share of them that is labeled is rounded.
func TestPreflightNamesTheFewestPrompts(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		enough   int
	}{{1, 25}, {0.3, 82}, {0.25, 98}, {0.7, 35}} {
		preflight := func(n int) error {
			cfg := config(t, serve(t, ""), t.TempDir(), n)
			cfg.Labels.Fraction, cfg.Waived = c.fraction, nil
			cfg.Command = func(bool, ...record.Change) string { return "again" }
			_, err := pilot.RunPreflight(t.Context(), cfg)
			return err
		}
		want := fmt.Sprintf("take %d prompts or more", c.enough)
		if err := preflight(c.enough - 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a share of %v: %v, want %q", c.fraction, err, want)
		}
		if err := preflight(c.enough); err != nil {
			t.Errorf("a share of %v, and %d prompts: %v", c.fraction, c.enough, err)
		}
	}
}
