package shownkey

import (
	"fmt"
	"html"
	"slices"
	"testing"
)

// TestSearchFindsPlantedKeys: the search finds a key in every encoding, alone, within a text, in a page and in JSON.
func TestSearchFindsPlantedKeys(t *testing.T) {
	for name, form := range encodings(Key) {
		for _, text := range []string{form, "a " + form + " b", html.EscapeString(form), fmt.Sprintf("%q", form)} {
			if found := In(text); !slices.Contains(found, name) {
				t.Errorf("the search does not find the key, planted %s as %q", name, text)
			}
		}
	}
	if found := In("no key here, but sk-live and 27182"); len(found) > 0 {
		t.Errorf("the search finds the key %q where there is none", found)
	}
}
