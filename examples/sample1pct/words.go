package main

import "github.com/reweigh/reweigh/offpolicy/pilot/record"

// flagOf is the flag by which each setting of a run is changed.
var flagOf = map[record.Field]string{
	record.FieldDir:          "-out",
	record.FieldPrompts:      "-n",
	record.FieldArms:         "-policies",
	record.FieldTemplates:    "-policies",
	record.FieldLabels:       "-label-design",
	record.FieldProbes:       "-probes",
	record.FieldLabelsBudget: "-labels-budget",
	record.FieldOracle:       "-labels",
	record.FieldGrader:       "-endpoint",
	record.FieldJudgeModel:   "-judge-model",
	record.FieldOracleModel:  "-oracle-model",
	record.FieldReplyTokens:  "-judge-max-tokens",
	record.FieldPolicies:     "-endpoint",
	record.FieldPrices:       "-prices",
	record.FieldBudget:       "-budget",
	record.FieldShard:        "-shard",
	record.FieldLedgers:      "-ledger",
	record.FieldFullBudget:   "-full-budget",
	record.FieldConcurrency:  "-concurrency",
	record.FieldResolution:   "-width",
	record.FieldAssurance:    "-assurance",
	record.FieldAnytime:      "-anytime",
	record.FieldLooks:        "-looks",
	record.FieldNoise:        "-noise",
	record.FieldWaived:       "-waive",
}

// words says a change of a setting as this command line has it.
func words(c record.Change) string {
	s := flagOf[c.Field]
	if s != "" && c.To != "" {
		s += " " + quoted(c.To)
	}
	return s
}
