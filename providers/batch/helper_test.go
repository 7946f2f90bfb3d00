package batch_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/sim"
)

const key = "fw_test_key_1234567890"

func simPrices(t testing.TB) providers.Prices {
	t.Helper()
	p, err := providers.ReadPrices(bytes.NewReader(sim.PricesJSON()), "sim")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tripper is a function as a transport.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// wantError demands an *Error of a class, without the key in its text.
func wantError(t testing.TB, err error, class providers.Class) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("error is %v: want a *providers.Error", err)
	}
	if e.Class != class {
		t.Errorf("class %q, want %q: %v", e.Class, class, e)
	}
	if strings.Contains(e.Error(), key) {
		t.Errorf("the error shows the key: %v", e)
	}
	return e
}
