package main

import "github.com/reweigh/reweigh/offpolicy/pilot/record"

// seedPlan is what the plan that this program carries out expected of its 100
// prompts. It prices calls where providers price tokens, so that its figures are only
// to compare with.
var seedPlan = record.Reference{Name: "the plan", Prompts: 100, Stages: map[string]record.ReferenceStage{
	record.StageP0:       {Calls: 100, USD: 0.02, FromMinutes: 2, ToMinutes: 3},
	record.StageTargets:  {Calls: 400, USD: 0.08, FromMinutes: 5, ToMinutes: 8},
	record.StageLogProbs: {Calls: 400, USD: 0.12, FromMinutes: 10, ToMinutes: 15},
	record.StageOracle:   {Calls: 100, USD: 0.25, FromMinutes: 3, ToMinutes: 5},
	record.StageJudge:    {Calls: 400, USD: 0.08, FromMinutes: 8, ToMinutes: 10},
}}
