package sim

import (
	"bytes"
	_ "embed"
	"encoding/json"
)

//go:embed prices.json
var pricesJSON []byte

// PricesJSON returns the server's price table: USD per million tokens as the
// real models charged when they were offered, and, measured on English prose,
// the bytes that one of its tokens stands for (the real tokenizers have larger
// vocabularies and reach more).
//
//	{"date": "YYYY-MM-DD", "models": {"<model>": {"input": 0.15, "output": 0.6,
//	 "cached_input": 0.075, "bytes_per_token": 3.4}}}
//
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
