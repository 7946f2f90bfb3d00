package providers

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/reweigh/reweigh/internal/jsonline"
)

// USD is an amount of money in United States dollars.
type USD float64

// String formats the amount with a resolution that suits single calls.
func (u USD) String() string {
	if math.Abs(float64(u)) >= 1 || u == 0 {
		return fmt.Sprintf("$%.2f", float64(u))
	}
	return fmt.Sprintf("$%.6f", float64(u))
}

// PerMTok is a price in USD per million tokens, the only unit of price here.
type PerMTok float64

// Cost is the price of a number of tokens: p · tokens / 10⁶.
func (p PerMTok) cost(tokens int) USD { return USD(float64(p) * float64(tokens) / 1e6) }

// DefaultBytesPerToken is the average that cost estimates assume where a price
// table does not say: English prose in the vocabularies of the listed models.
// It is an assumption for estimates before a run and never decides a bill.
const DefaultBytesPerToken = 4.0

// DefaultBatchFactor is what a batch costs of the price of single calls: OpenAI
// lists Batch at 50% on its model pages (read 2026-11).
const DefaultBatchFactor = 0.5

// Price is what one model costs.
type Price struct {
	// Input is the price of a prompt token. Where a service charges more for
	// those that it writes into its cache, and its usage does not count them,
	// give that price: an account that errs then errs on the dear side.
	Input PerMTok `json:"input"`
	// CachedInput is the price of prompt tokens that the service served from
	// its cache. 0 means that they cost as much as Input, never that they are
	// free.
	CachedInput PerMTok `json:"cached_input,omitempty"`
	Output      PerMTok `json:"output"`
	// BytesPerToken is the declared average used by estimates; 0 means
	// DefaultBytesPerToken.
	BytesPerToken float64 `json:"bytes_per_token,omitempty"`
	// Batch is what a batch costs in parts of the price of single calls; 0 means
	// DefaultBatchFactor.
	Batch float64 `json:"batch,omitempty"`
	// Context is how many tokens the model holds, prompt and response together; 0
	// means what its service's listing says, or else a million. A usage that
	// counts more is not believed.
	Context int `json:"context,omitempty"`
	// Tiers are factors on the prices of answers that come from another tier of
	// the service than the default, as {"priority": 2}, by the name that the
	// reply states.
	Tiers map[string]float64 `json:"tiers,omitempty"`
	// LongContext, where not nil, makes requests with long prompts dearer.
	LongContext *LongContext `json:"long_context,omitempty"`
	// Source says where the figures come from.
	Source string `json:"source,omitempty"`
}

// LongContext multiplies the prices of a request, all its tokens, whose prompt
// has more than Above tokens.
type LongContext struct {
	Above  int     `json:"above"`  // prompt tokens
	Input  float64 `json:"input"`  // factor on Input and CachedInput
	Output float64 `json:"output"` // factor on Output
}

// at is the price of a request with a prompt of that many tokens.
func (p Price) at(promptTokens int) Price {
	if l := p.LongContext; l != nil && promptTokens > l.Above {
		p.Input *= PerMTok(l.Input)
		p.CachedInput *= PerMTok(l.Input)
		p.Output *= PerMTok(l.Output)
	}
	return p
}

// Cost is what a reported usage costs.
func (p Price) Cost(u Usage) USD {
	p = p.at(u.PromptTokens)
	return p.Input.cost(u.PromptTokens-u.CachedTokens) + p.cached().cost(u.CachedTokens) +
		p.Output.cost(u.CompletionTokens)
}

// Worst is the most that u can cost, however much of it comes from a cache.
func (p Price) Worst(u Usage) USD {
	p = p.at(u.PromptTokens)
	dearest := PerMTok(math.Max(float64(p.Input), float64(p.CachedInput)))
	return dearest.cost(u.PromptTokens) + p.Output.cost(u.CompletionTokens)
}

// Batched is the price of a line of a batch.
func (p Price) Batched() Price {
	factor := PerMTok(p.Batch)
	if factor == 0 {
		factor = DefaultBatchFactor
	}
	p.Input *= factor
	p.CachedInput *= factor
	p.Output *= factor
	return p
}

// usualTiers are names of tiers that cost what the table says, or less.
var usualTiers = map[string]bool{"": true, "default": true, "auto": true, "standard": true, "on_demand": true,
	"scale": true, "flex": true, "batch": true}

// tier is the factor of a tier, and whether it is known.
func (p Price) tier(name string) (float64, bool) {
	if f, ok := p.Tiers[name]; ok {
		return f, true
	}
	return 1, usualTiers[strings.ToLower(name)]
}

func (p Price) cached() PerMTok {
	if p.CachedInput == 0 {
		return p.Input
	}
	return p.CachedInput
}

// estimateTokens is the number of tokens expected in that many bytes of text,
// rounded up.
func (p Price) estimateTokens(bytes int) int {
	per := p.BytesPerToken
	if per == 0 {
		per = DefaultBytesPerToken
	}
	return int(math.Ceil(float64(bytes) / per))
}

// Prices is a dated price table: model names, spelled as in requests, to
// prices.
type Prices struct {
	Date   string           `json:"date"` // YYYY-MM-DD
	Models map[string]Price `json:"models"`
}

// ErrNoPrice is wrapped by the error for a model that the table lacks.
var ErrNoPrice = errors.New("no price for the model")

// For returns the price of a model. A model without one is an error that wraps
// [ErrNoPrice]: it is not free, and not priced like a similar name.
func (p Prices) For(model string) (Price, error) {
	price, ok := p.Models[model]
	if !ok {
		return Price{}, fmt.Errorf("providers: model %q: %w in the table of %s: add its price to the table", model,
			ErrNoPrice, p.Date)
	}
	return price, nil
}

// Merge returns p with the entries of over added and put in place of its own.
// The date is the older of the two, because that is how old the entries may
// be.
func (p Prices) Merge(over Prices) Prices {
	out := Prices{Date: p.Date, Models: maps.Clone(p.Models)}
	if out.Models == nil {
		out.Models = map[string]Price{}
	}
	maps.Copy(out.Models, over.Models)
	if out.Date == "" || over.Date != "" && over.Date < out.Date {
		out.Date = over.Date
	}
	return out
}

//go:embed prices.json
var defaultPrices []byte

// DefaultPrices returns the table that comes with the package, with the public
// prices of the models that the examples name. Check its date and use
// [ReadPrices] where it is out of date.
func DefaultPrices() Prices {
	p, err := ReadPrices(bytes.NewReader(defaultPrices), "prices.json")
	if err != nil {
		panic(err) // the file is part of the package and its test reads it
	}
	return p
}

// ReadPrices reads a price table:
//
//	{"date": "2026-11-22", "models": {"gpt-4o": {"input": 2.5, "cached_input": 1.25, "output": 10}}}
//
// with prices in USD per million tokens. "input" and "output" are required; a
// model served for nothing says 0. name stands for the file in errors, which
// also give line and model.
func ReadPrices(r io.Reader, name string) (Prices, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPrices+1))
	if err == nil && len(data) > maxPrices {
		err = fmt.Errorf("longer than %d MiB, which no table of prices is", maxPrices>>20)
	}
	if err != nil {
		return Prices{}, fmt.Errorf("providers: prices %s: %w", name, err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	rd := priceReader{dec: json.NewDecoder(bytes.NewReader(data)), out: Prices{Models: map[string]Price{}}}
	if err := rd.read(); err != nil {
		return Prices{}, fmt.Errorf("providers: prices %s:%d: %w", name, rd.line(data, err), err)
	}
	return rd.out, nil
}

// maxPrices is how long a table may be, in bytes: some hundred times what a service lists.
const maxPrices = 16 << 20

// priceReader walks the tokens itself, rather than unmarshalling the whole, to
// know the line of each model and to see a name that stands twice.
type priceReader struct {
	dec *json.Decoder
	at  int64 // offset of what is being read
	out Prices
}

func (r *priceReader) line(data []byte, err error) int {
	at := r.at
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = syntax.Offset
	}
	return 1 + bytes.Count(data[:min(int(at), len(data))], []byte("\n"))
}

func (r *priceReader) read() error {
	err := r.object(func(key string) error {
		switch key {
		case "date":
			if r.dec.Decode(&r.out.Date) != nil {
				return errors.New("date: want text, YYYY-MM-DD")
			}
			return nil
		case "models":
			return r.object(r.model)
		}
		return fmt.Errorf("unknown key %q: want \"date\" and \"models\"", key)
	})
	if err != nil {
		return err
	}
	if _, err := time.Parse(time.DateOnly, r.out.Date); err != nil {
		return fmt.Errorf("date %q: want YYYY-MM-DD, the day the prices were looked up", r.out.Date)
	}
	if _, err := r.dec.Token(); err != io.EOF {
		return errors.New("something follows the price table")
	}
	return nil
}

// object reads { "key": … } and hands each key to value, which reads what
// belongs to it.
func (r *priceReader) object(value func(key string) error) error {
	t, err := r.dec.Token()
	if err != nil {
		return unexpected(err)
	}
	if t != json.Delim('{') {
		return fmt.Errorf("found %v: want an object {…}", t)
	}
	for r.dec.More() {
		t, err := r.dec.Token()
		if err != nil {
			return unexpected(err)
		}
		r.at = r.dec.InputOffset()
		if err := value(t.(string)); err != nil {
			return unexpected(err)
		}
	}
	_, err = r.dec.Token()
	return unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (r *priceReader) model(name string) error {
	if _, ok := r.out.Models[name]; ok {
		return fmt.Errorf("model %q stands twice", name)
	}
	var raw json.RawMessage
	if err := r.dec.Decode(&raw); err != nil {
		return fmt.Errorf("model %q: %w", name, unexpected(err))
	}
	var p struct {
		Input         *PerMTok           `json:"input"`
		CachedInput   PerMTok            `json:"cached_input"`
		Output        *PerMTok           `json:"output"`
		BytesPerToken *float64           `json:"bytes_per_token"`
		Batch         *float64           `json:"batch"`
		Context       int                `json:"context"`
		Tiers         map[string]float64 `json:"tiers"`
		LongContext   *LongContext       `json:"long_context"`
		Source        string             `json:"source"`
	}
	if err := jsonline.Strict(raw, &p); err != nil {
		var fault *jsonline.Fault
		if errors.As(err, &fault) {
			r.at = r.dec.InputOffset() - int64(len(raw)) + fault.At
			return fmt.Errorf("model %q: %s", name, fault.Say)
		}
		return fmt.Errorf("model %q: %w", name, err)
	}
	if p.Input == nil || p.Output == nil {
		return fmt.Errorf("model %q: \"input\" and \"output\" are required, in USD per million tokens", name)
	}
	price := Price{Input: *p.Input, CachedInput: p.CachedInput, Output: *p.Output, BytesPerToken: DefaultBytesPerToken,
		Context: p.Context, Tiers: p.Tiers, LongContext: p.LongContext, Source: p.Source}
	for _, v := range []PerMTok{price.Input, price.CachedInput, price.Output} {
		switch {
		case v < 0:
			return fmt.Errorf("model %q: price %v is negative", name, float64(v))
		case v > 0 && v < 1e-4:
			return fmt.Errorf("model %q: price %v looks like one per token: the unit is USD per million tokens", name,
				float64(v))
		}
	}
	if p.Batch != nil {
		if price.Batch = *p.Batch; !(price.Batch > 0 && price.Batch <= 1) {
			return fmt.Errorf("model %q: batch %v: want the batch price as a part of the single call's, in (0, 1]", name,
				price.Batch)
		}
	}
	if p.Context < 0 {
		return fmt.Errorf("model %q: context %d: want a number of tokens", name, p.Context)
	}
	for tier, factor := range p.Tiers {
		if !(factor > 0 && factor <= 100) {
			return fmt.Errorf("model %q: tier %q: want a factor on the price, in (0, 100]", name, tier)
		}
	}
	if l := p.LongContext; l != nil && (l.Above <= 0 || !(l.Input >= 1) || !(l.Output >= 1)) {
		return fmt.Errorf("model %q: long_context wants \"above\" in tokens, and \"input\" and \"output\" as factors of "+
			"at least 1", name)
	}
	if p.BytesPerToken != nil {
		if price.BytesPerToken = *p.BytesPerToken; price.BytesPerToken <= 0 {
			return fmt.Errorf("model %q: bytes_per_token %v: want a positive number", name, price.BytesPerToken)
		}
	}
	r.out.Models[name] = price
	return nil
}
