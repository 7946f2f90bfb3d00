package providers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
)

func TestSecretCannotBePrinted(t *testing.T) {
	s := providers.NewSecret(key)
	holder := struct {
		Exported   providers.Secret
		unexported providers.Secret // fmt calls no methods on this one
	}{s, s}
	config := providers.HTTPConfig{Key: s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T"} {
		for _, v := range []any{s, &s, holder, &holder, config, []providers.Secret{s}, map[string]providers.Secret{"k": s}} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	for _, v := range []any{s, holder, config.Key, map[string]providers.Secret{"k": s}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(b))
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("x", "key", s, "config", holder, "any", []any{s})
	}
	shown = append(shown, log.String())
	p, err := providers.NewFireworks(providers.HTTPConfig{Key: s})
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, fmt.Sprintf("%+v %#v", p, *p))

	hexed := fmt.Sprintf("%x", key)
	for _, out := range shown {
		if strings.Contains(out, key) || strings.Contains(strings.ToLower(out), hexed) {
			t.Errorf("shows the key: %s", out)
		}
	}
	if got := fmt.Sprint(s); got != "[redacted]" {
		t.Errorf("Sprint is %q", got)
	}
	if s.Reveal() != key {
		t.Error("Reveal does not give the key back")
	}
	if zero := (providers.Secret{}); zero.Reveal() != "" || zero.String() != "" ||
		providers.NewSecret("").Reveal() != "" {
		t.Error("the zero Secret is not empty")
	}
}

func TestConstructorsRefuse(t *testing.T) {
	k := providers.NewSecret(key)
	for reason, c := range map[string]providers.HTTPConfig{
		"no key":                           {},
		"a key with a line break":          {Key: providers.NewSecret(key + "\n")},
		"credentials in the address":       {Key: k, BaseURL: "https://user:" + key + "@host/v1"},
		"an address without a scheme":      {Key: k, BaseURL: "host/v1"},
		"another scheme":                   {Key: k, BaseURL: "ftp://host/v1"},
		"an address that does not parse":   {Key: k, BaseURL: "https://" + key + ":x y@/v1"},
		"a query would swallow the path":   {Key: k, BaseURL: "https://host/v1?x=1"},
		"a negative number of connections": {Key: k, Concurrency: -1},
	} {
		for _, make := range []func(providers.HTTPConfig) error{
			func(c providers.HTTPConfig) error { _, err := providers.NewFireworks(c); return err },
			func(c providers.HTTPConfig) error { _, err := providers.NewOpenAI(c); return err },
		} {
			err := make(c)
			if err == nil {
				t.Errorf("%s: accepted", reason)
			} else if strings.Contains(err.Error(), key) {
				t.Errorf("%s: the error shows the key: %v", reason, err)
			}
		}
	}
	if _, err := providers.NewCompatible(providers.CompatibleConfig{}); err == nil {
		t.Error("a compatible server without an address was accepted")
	}
	keyless := providers.HTTPConfig{BaseURL: "http://127.0.0.1:1/v1"}
	if _, err := providers.NewCompatible(providers.CompatibleConfig{HTTPConfig: keyless}); err != nil {
		t.Errorf("a compatible server needs no key: %v", err)
	}
}
