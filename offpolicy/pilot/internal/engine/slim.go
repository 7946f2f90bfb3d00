package engine

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/reweigh/reweigh/dataset"
	"github.com/reweigh/reweigh/dataset/journal"
)

// On resume every record of the journal is read. Most of their bytes are lists of tokens, of which the
// store holds nothing, or the few that checks ask for: those alone are decoded. The decoder also
// refuses what readers would read in different ways; see unambiguous.

// Rows without their methods, which would decode them more slowly.
type (
	plainResponse dataset.Response
	plainLogProb  dataset.LogProb
	plainScore    dataset.JudgeScore
	plainMethod   dataset.MethodResult
)

// slimResponse is a response whose token ids are not decoded.
type slimResponse struct {
	plainResponse
	TokenIDs jsontext.Value `json:"token_ids"`
	Sampling jsontext.Value `json:"sampling_logprobs"`
}

// slimLogProb is a log-prob whose tokens are not decoded yet.
type slimLogProb struct {
	plainLogProb
	TokenLogProbs jsontext.Value         `json:"token_logprobs"`
	Methods       map[string]plainMethod `json:"methods"`
}

func readResponse(r journal.Record) (row dataset.Response, err error) {
	var slim slimResponse
	if err := json.Unmarshal(r.Payload, &slim); err != nil {
		return row, err
	}
	return checked(r, dataset.Response(slim.plainResponse))
}

func readLogProb(r journal.Record) (row dataset.LogProb, err error) {
	var slim slimLogProb
	if err := json.Unmarshal(r.Payload, &slim); err != nil {
		return row, err
	}
	row = dataset.LogProb(slim.plainLogProb)
	if row.TokenLogProbs, err = fewOf(slim.TokenLogProbs); err != nil {
		return row, err
	}
	if slim.Methods != nil {
		row.Methods = make(map[string]dataset.MethodResult, len(slim.Methods))
		for name, m := range slim.Methods {
			row.Methods[name] = dataset.MethodResult(m)
		}
	}
	return checked(r, row)
}

func readScore(r journal.Record) (row dataset.JudgeScore, err error) {
	var plain plainScore
	if err := json.Unmarshal(r.Payload, &plain); err != nil {
		return row, err
	}
	return checked(r, dataset.JudgeScore(plain))
}

// fewOf are those of a list of log-probs that the store holds, without decoding the others: the last,
// and every one that is not written as below 0.
func fewOf(list jsontext.Value) (few dataset.Floats, err error) {
	rest, ok := bytes.CutPrefix(list, []byte{'['})
	switch {
	case len(list) == 0: // there is none
		return nil, nil
	case !ok:
		return nil, few.UnmarshalJSON(list) // null, or no list
	}
	for more := true; more; {
		var elem []byte
		elem, rest, more = bytes.Cut(rest, []byte{','})
		elem = bytes.TrimSuffix(bytes.TrimSpace(elem), []byte{']'})
		if elem = bytes.TrimSpace(elem); more && bytes.HasPrefix(elem, []byte{'-'}) || len(elem) == 0 {
			continue
		}
		var v dataset.Float
		if err := v.UnmarshalJSON(elem); err != nil {
			return nil, fmt.Errorf("token_logprobs: %w", err)
		}
		few = append(few, v.OrNaN())
	}
	return few, nil
}
