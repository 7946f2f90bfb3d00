package record

import "strings"

// Field names a setting of a run as pilot.Config calls it. What is to be changed is
// said by it, and a program renders it in its own words.
type Field string

// The settings that a remedy can name.
const (
	FieldDir          Field = "Dir"
	FieldPrompts      Field = "Prompts"
	FieldArms         Field = "Arms"
	FieldTemplates    Field = "Templates"
	FieldLabels       Field = "Labels"
	FieldProbes       Field = "Labels.Probes"
	FieldLabelsBudget Field = "LabelsBudget"
	FieldOracle       Field = "Oracle"
	FieldGrader       Field = "Grader"
	FieldJudgeModel   Field = "Judge.Model"  // the model that the judge asks
	FieldOracleModel  Field = "Oracle.Model" // the model that the oracle asks
	FieldReplyTokens  Field = "MaxTokens"    // of the judge and the oracle: the limit of a reply
	FieldPolicies     Field = "Policies"     // the service of the policies' models
	FieldPrices       Field = "Prices"
	FieldBudget       Field = "Budget"
	FieldShard        Field = "Shard"
	FieldLedgers      Field = "Ledgers"
	FieldFullBudget   Field = "FullBudget"
	FieldConcurrency  Field = "Concurrency"
	FieldResolution   Field = "Resolution"
	FieldAssurance    Field = "Assurance"
	FieldAnytime      Field = "Anytime"
	FieldLooks        Field = "Looks"
	FieldNoise        Field = "Noise"
	FieldWaived       Field = "Waived"
)

// Fields lists every setting that a remedy can name.
func Fields() []Field {
	return []Field{FieldDir, FieldPrompts, FieldArms, FieldTemplates, FieldLabels, FieldProbes, FieldLabelsBudget,
		FieldOracle, FieldGrader, FieldJudgeModel, FieldOracleModel, FieldReplyTokens, FieldPolicies, FieldPrices,
		FieldBudget, FieldShard, FieldLedgers, FieldFullBudget, FieldConcurrency, FieldResolution, FieldAssurance,
		FieldAnytime, FieldLooks, FieldNoise, FieldWaived}
}

// Change is one setting to change.
type Change struct {
	Field Field `json:"field"`
	// To is the value to give it, as text; empty if any other will do.
	To string `json:"to,omitempty"`
	// As is the change in the words of the program that was started, such as a
	// flag; empty if it has none.
	As string `json:"as,omitempty"`
}

// String is the change in the program's words, or else by the field's name.
func (c Change) String() string {
	switch {
	case c.As != "":
		return c.As
	case c.To != "":
		return string(c.Field) + " = " + c.To
	}
	return string(c.Field)
}

// Remedy is what would clear an obstacle: a sentence that names no option of any
// program, and the settings that it speaks of.
type Remedy struct {
	Do      string
	Changes []Change
}

// String is the sentence with the settings behind it.
func (r Remedy) String() string { return withChanges(r.Do, r.Changes) }

func withChanges(do string, changes []Change) string {
	if len(changes) == 0 {
		return do
	}
	words := make([]string, len(changes))
	for i, c := range changes {
		words[i] = c.String()
	}
	return do + " (" + strings.Join(words, ", ") + ")"
}

// Do is a remedy that changes settings to whatever the reader has.
func Do(do string, fields ...Field) Remedy {
	r := Remedy{Do: do}
	for _, f := range fields {
		r.Changes = append(r.Changes, Change{Field: f})
	}
	return r
}
