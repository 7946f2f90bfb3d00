package providers_test

import (
	"testing"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/providers"
)

func TestRequestID(t *testing.T) {
	base := providers.Tag{Stage: "logprobs", Key: dataset.Key{PromptID: "q1", Policy: "pi"}, Call: "joint"}
	// printf '\0\0\0\0\0\0\0\10logprobs\0\0\0\0\0\0\0\2pi\0\0\0\0\0\0\0\7q1/pi/0' | sha256sum | cut -c1-16
	if got, want := providers.RequestID(base), "logprobs-6322a336da581a2b-joint"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for reason, other := range map[string]providers.Tag{
		"another stage": {Stage: "p0", Key: base.Key, Call: base.Call},
		"another key": {Stage: base.Stage, Key: dataset.Key{PromptID: "q2", Policy: "pi"},
			Call: base.Call},
		"another policy": {Stage: base.Stage, Key: dataset.Key{PromptID: "q1", Policy: "p0"},
			Call: base.Call},
		"another draw": {Stage: base.Stage, Key: dataset.Key{PromptID: "q1", Policy: "pi", DrawIdx: 1},
			Call: base.Call},
		"another call": {Stage: base.Stage, Key: base.Key, Call: "context"},
		"the parts are length-prefixed": {Stage: base.Stage + "\x00\x00\x00\x00\x00\x00\x00\x02p",
			Key: dataset.Key{PromptID: "q1", Policy: "pi"}, Call: base.Call},
		"a call is no part of the stage": {Stage: base.Stage + "-" + base.Call, Key: base.Key},
	} {
		if providers.RequestID(other) == providers.RequestID(base) {
			t.Errorf("%s: same id", reason)
		}
	}
	if got := providers.RequestID(providers.Tag{Stage: "a b\n",
		Call: "ü"}); got != providers.RequestID(providers.Tag{Stage: "a b\n", Call: "ü"}) || !isHeaderSafe(got) {
		t.Errorf("%q cannot be a header", got)
	}
}

func isHeaderSafe(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
