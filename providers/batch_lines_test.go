package providers_test

import (
	"strings"
	"testing"

	"github.com/reweigh/reweigh/providers"
	"github.com/reweigh/reweigh/providers/providertest"
)

// Lines of batches' files in the forms in which services write them.
func TestLinesOfBatches(t *testing.T) {
	answer := chatWith(seaText, some)
	for _, c := range []struct {
		name, line string // id "a"
		want       reading
	}{
		{"an answer", `{"id":"x","custom_id":"a","response":{"status_code":200,"request_id":"r","body":` + answer + `},"error":null}`,
			read(sea, seen)},
		{"no error, in other ways", `{"custom_id":"a","response":{"status_code":200,"body":` + answer + `},"error":{"code":null,"message":""}}`,
			read(sea, seen)},
		{"Zhipu's order", `{"response":{"status_code":200,"body":` + answer + `},"custom_id":"a","id":"x"}`, read(sea, seen)},
		{"a status that is a text", `{"custom_id":"a","response":{"status_code":"200","body":` + answer + `}}`, read(sea, seen)},
		{"no status", `{"custom_id":"a","response":{"body":` + answer + `}}`, read(sea, seen)},
		{"an answer without a body around it", `{"custom_id":"a","response":` + answer + `}`, read(sea, seen)},
		{"an empty body", `{"custom_id":"a","response":{"status_code":200,"body":{}},"error":null}`, class(providers.ClassBrokenReply)},
		{"no body", `{"custom_id":"a","response":{"status_code":200,"body":null},"error":null}`, class(providers.ClassBrokenReply)},
		{"an error beside an answer", `{"custom_id":"a","response":{"status_code":200,"body":` + answer + `},"error":{"code":"server_error","message":"lost"}}`,
			reading{class: providers.ClassOverloaded, usage: seen}},
		{"an error beside a body that is empty", `{"custom_id":"a","response":{"status_code":200,"body":{}},"error":{"code":"server_error","message":"lost"}}`,
			class(providers.ClassOverloaded)},
		{"an error beside no body", `{"custom_id":"a","response":{"status_code":200,"body":null},"error":{"code":"server_error","message":"lost"}}`,
			class(providers.ClassOverloaded)},
		{"a status that is null", `{"custom_id":"a","response":{"status_code":null,"body":` + answer + `},"error":null}`, read(sea, seen)},
		{"a status of 0", `{"custom_id":"a","response":{"status_code":0,"body":` + answer + `},"error":0}`, read(sea, seen)},
		{"OpenAI's refusal", `{"custom_id":"a","response":{"status_code":400,"request_id":"r","body":{"error":{"message":"max_tokens is too large: 1000000. This model supports at most 16384 completion tokens","type":"invalid_request_error","param":"max_tokens","code":"invalid_value"}}},"error":null}`,
			class(providers.ClassBadRequest)},
		{"vLLM's refusal, beside an empty body", `{"id":"vllm-x","custom_id":"a","response":{"status_code":400,"request_id":"r","body":null},"error":{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.","type":"BadRequestError","param":null,"code":400}}`,
			class(providers.ClassTooLong)},
		{"vLLM's newer refusal", `{"custom_id":"a","response":{"status_code":404,"request_id":"r"},"error":{"error":{"message":"The model 'm' does not exist.","type":"NotFoundError","param":null,"code":404}}}`,
			class(providers.ClassModelNotFound)},
		{"a limit", `{"custom_id":"a","response":{"status_code":429,"body":{"error":{"message":"slow down","type":"tokens","code":"rate_limit_exceeded"}}},"error":null}`,
			class(providers.ClassRateLimited)},
		{"Azure's filter", `{"custom_id":"a","response":null,"error":{"code":"content_filter","message":"filtered","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			class(providers.ClassFiltered)},
		{"Alibaba's inspection", `{"id":"","custom_id":"a","response":null,"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}}`,
			class(providers.ClassFiltered)},
		{"the window's end", `{"custom_id":"a","response":null,"error":{"code":"batch_expired","message":"This request could not be executed before the completion window expired."}}`,
			class(providers.ClassTimeout)},
		{"a batch that was cancelled", `{"custom_id":"a","response":null,"error":{"code":"batch_cancelled","message":"This request was cancelled."}}`,
			class(providers.ClassTimeout)},
		{"an error in words", `{"custom_id":"a","response":null,"error":"worker lost"}`, class(providers.ClassOverloaded)},
		{"an error of the service's own", `{"custom_id":"a","error":{"code":"InternalError","message":"unknown"}}`, class(providers.ClassOverloaded)},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			p := openAI(t, providertest.NewPipeServer(t, providertest.Reply{Body: c.line + "\n"}))
			answers, malformed, err := p.BatchFile(t.Context(), providers.Tag{}, "f")
			if err != nil || malformed != 0 || len(answers) != 1 || answers[0].ID != "a" {
				t.Fatalf("%+v, %d malformed, %v", answers, malformed, err)
			}
			checkReading(t, c.want, func() (reading, error) { return readGeneration(p.BatchReply(chatRequest(), answers[0])) })
		})
	}
}
