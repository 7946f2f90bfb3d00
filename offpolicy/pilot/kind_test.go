package pilot_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/offpolicy/pilot"
	"github.com/reweigh/reweigh/providers"
)

// anonymous says in a model listing that a gateway owns the models.
type anonymous struct{ next http.RoundTripper }

func (a anonymous) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := a.next.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/models") {
		return resp, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(bytes.NewReader(bytes.ReplaceAll(b, []byte(`"vllm"`), []byte(`"gateway"`))))
	resp.ContentLength = -1
	resp.Header.Del("Content-Length")
	return resp, err
}

// No value shows that a server of no known kind draws from something else than the model's own
// distribution, so that it may not answer as a policy unless somebody says what it is.
func TestPreflightWantsAKind(t *testing.T) {
	s := serve(t, "")
	plain := providers.Quirks{Echo: true, TokenIDs: true, TopK: true}
	stated := plain
	stated.Generate = map[string]any{"min_p": 0}
	for _, c := range []struct {
		reason          string
		quirks          providers.Quirks
		hidden, waived  bool
		refused, warned string
	}{
		{"a gateway that does not show what stands behind it", plain, true, false, "neither declared nor shown", ""},
		{"who waives the certificate goes on, and is warned", plain, true, true, "", "neither declared nor shown"},
		{"a listing that shows vLLM: its settings are sent", plain, false, false, "", "was not declared as such"},
		{"vLLM behind a gateway, declared", providers.VLLM(), true, false, "", ""},
		{"a server of one's own, whose settings are stated", stated, true, false, "", ""},
	} {
		transport := s.Client().Transport
		if c.hidden {
			transport = anonymous{transport}
		}
		p, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: providers.HTTPConfig{BaseURL: s.VLLMURL(),
			HTTP: &http.Client{Transport: transport}}, Quirks: c.quirks})
		if err != nil {
			t.Fatal(err)
		}
		cfg := config(t, s, t.TempDir(), 10)
		cfg.Policies = p
		if c.waived {
			cfg.Waived["endpoint.certified"] = "a drill"
		}
		found, err := pilot.RunPreflight(t.Context(), cfg)
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v", c.reason, err)
		}
		said := false
		for _, w := range found.Warnings {
			known := strings.Contains(w, "neither declared") || strings.Contains(w, "declared as such")
			said = said || known
			if known && (c.warned == "" || !strings.Contains(w, c.warned)) {
				t.Errorf("%s: warned of %q", c.reason, w)
			}
		}
		if said != (c.warned != "") {
			t.Errorf("%s: warned: %v, %v", c.reason, said, found.Warnings)
		}
	}
}
