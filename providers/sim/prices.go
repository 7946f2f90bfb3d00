package sim

import (
	"bytes"
	_ "embed"
	"encoding/json"
)

//go:embed prices.json
var pricesJSON []byte

// PricesJSON returns the server's price table: USD per million tokens as the
// real models were listed, and the bytes that one of its tokens stands for.
//
//	{"date": "YYYY-MM-DD", "models": {"<model>": {"input": 0.15, "output": 0.6,
//	 "cached_input": 0.075, "bytes_per_token": 2.43}}}
//
// bytes_per_token was measured on users' prompts (2.32 on internal/arenagen's,
// 2.25 on real ones) for the models that answer, and on a grader's instructions
// (2.43) for those that grade; responses, which repeat the model's own phrases, reach 3.4.
// The vocabulary is far smaller than a real one's, which reaches 4 or more.
// cached_input is absent where there is no cached price. The slice is the
// caller's own.
func PricesJSON() []byte { return bytes.Clone(pricesJSON) }

// price is one model's row of the table.
type price struct {
	Input         float64  `json:"input"`
	Output        float64  `json:"output"`
	CachedInput   *float64 `json:"cached_input"`
	BytesPerToken float64  `json:"bytes_per_token"`
}

func (p price) cached() float64 {
	if p.CachedInput == nil {
		return p.Input
	}
	return *p.CachedInput
}

func priceOf(model string) price {
	var table struct {
		Models map[string]price `json:"models"`
	}
	if err := json.Unmarshal(pricesJSON, &table); err != nil {
		panic("sim: prices.json: " + err.Error())
	}
	p, ok := table.Models[model]
	if !ok {
		panic("sim: prices.json has no price for " + model)
	}
	return p
}
