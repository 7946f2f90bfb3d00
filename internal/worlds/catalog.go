package worlds

// A spec is a population and a way to observe it.
type spec struct {
	name, sentence string
	pop            popSpec
	observe        observe
	perPrompt      int // rows and draws a prompt; one if zero
	fixedPrompts   int
}

// basePop is the population of every world that varies only what is seen.
var basePop = popSpec{k: fewResponses, label: labelNormal, family: familyPair, ess: good, between: .6}

// with changes a copy of the base population.
func with(change func(*popSpec)) popSpec {
	p := basePop
	change(&p)
	return p
}

func labeled(k labelKind, mean float64) popSpec {
	return with(func(p *popSpec) { p.label, p.mean = k, mean })
}

func overlapping(ess float64, k int) popSpec {
	return with(func(p *popSpec) { p.ess, p.k = ess, k })
}

func related(f familyKind) popSpec {
	return with(func(p *popSpec) { p.family = f })
}

var clustered = with(func(p *popSpec) { p.between, p.common = .8, .5 })

// designEss makes weights uneven enough for a design by weight to matter.
const designEss = .6

var catalog = []spec{
	{
		name:     "base",
		sentence: "Continuous labels around a logistic curve of quality, a smooth judge, good overlap.",
		pop:      basePop,
	},
	{
		name:     "overlap_medium",
		sentence: "Base with targets tilted to ESS/n of .5.",
		pop:      overlapping(medium, fewResponses),
	},
	{
		name:     "overlap_poor",
		sentence: "Base with 24 responses a prompt and targets tilted to ESS/n of .1.",
		pop:      overlapping(poor, manyResponses),
	},
	{
		name:     "no_overlap",
		sentence: "Targets put 97% of their mass on better responses that the logs practically never show.",
		pop:      related(familyNone),
	},
	{
		name:     "heavy_weights",
		sentence: "Targets flatten a peaked logging policy, so rare and better responses carry huge weights.",
		pop: with(func(p *popSpec) {
			p.family, p.ess, p.k = familyHeavy, poor, manyResponses
		}),
	},
	{
		name:     "binary_04",
		sentence: "Binary labels with mean .04 under logging.",
		pop:      labeled(labelBinary, .04),
	},
	{
		name:     "binary_92",
		sentence: "Binary labels with mean .92 under logging.",
		pop:      labeled(labelBinary, .92),
	},
	{
		name:     "skewed_06",
		sentence: "Capped exponential labels with mean .06 under logging.",
		pop:      labeled(labelSkewLow, .06),
	},
	{
		name:     "skewed_93",
		sentence: "One minus capped exponential labels, with mean .93 under logging.",
		pop:      labeled(labelSkewHigh, .93),
	},
	{
		name:     "ordinal_5",
		sentence: "Labels on five levels from a cumulative logistic model.",
		pop:      labeled(labelOrdinal, 0),
	},
	{
		name:     "integer_judge",
		sentence: "The judge gives whole marks on ten steps, so scores tie.",
		pop:      with(func(p *popSpec) { p.judge = judgeInteger }),
	},
	{
		name:     "t3_tails",
		sentence: "Label noise has t(3) tails before clipping.",
		pop:      labeled(labelT3, 0),
	},
	{
		name:      "clusters_4",
		sentence:  "Four logged rows and four fresh draws a prompt, alike in quality and in label noise.",
		pop:       clustered,
		perPrompt: 4,
	},
	{
		name:     "segments",
		sentence: "Three segments in which the targets' effects differ in size and sign.",
		pop:      related(familySegments),
	},
	{
		name:     "heteroskedastic",
		sentence: "Label noise grows with quality, hence with the weight of the better target.",
		pop:      labeled(labelHetero, 0),
	},
	{
		name:     "nonmonotone_judge",
		sentence: "Labels rise with the judge's score and fall again at high scores.",
		pop:      labeled(labelHump, 0),
	},
	{
		name:     "missing_logprobs",
		sentence: "Target log-probs are missing on 8% of rows, the long and worse ones.",
		pop:      basePop,
		observe:  observe{loss: lossLongWorse, lossShare: .08},
	},
	{
		name:     "missing_logprobs_random",
		sentence: "Target log-probs are missing on 8% of rows at random.",
		pop:      basePop,
		observe:  observe{loss: lossRandom, lossShare: .08},
	},
	{
		name:     "missing_logprobs_many",
		sentence: "Target log-probs are missing on 40% of rows, the long ones.",
		pop:      basePop,
		observe:  observe{loss: lossLong, lossShare: .4},
	},
	{
		name:     "missing_scores",
		sentence: "Scores are missing on 8% of logged rows, the bad ones, and on bad draws alike.",
		pop:      basePop,
		observe:  observe{scoreLoss: .08},
	},
	{
		name:     "selected_labels",
		sentence: "Logged rows get labels only where the score is in the upper half of the scale.",
		pop:      basePop,
		observe:  observe{labels: chooseHigh},
	},
	{
		name:     "selected_probes",
		sentence: "Draws get labels only where the score is in the upper half of the scale.",
		pop:      basePop,
		observe:  observe{probes: chooseHigh},
	},
	{
		name:     "design_score",
		sentence: "A design labels low scores up to ten times as often and states p on all rows.",
		pop:      basePop,
		observe:  observe{labels: chooseByScore},
	},
	{
		name:     "design_weight",
		sentence: "A design labels in proportion to the targets' mean weight, floor .3, and states p on all rows.",
		pop:      overlapping(designEss, fewResponses),
		observe:  observe{labels: chooseByWeight},
	},
	{
		name:     "design_weight_plain",
		sentence: "A design labels in proportion to the weight of plain alone, floor .3, and states p on all rows.",
		pop:      overlapping(designEss, fewResponses),
		observe:  observe{labels: chooseByPlain},
	},
	noisy("noise_02", "Noise of .02 nats in the targets' log-probs.", .02),
	noisy("noise_05", "Noise of .05 nats in the targets' log-probs.", .05),
	noisy("noise_10", "Noise of .1 nats in the targets' log-probs.", .1),
	noisy("noise_20", "Noise of .2 nats in the targets' log-probs.", .2),
	noisy("noise_50", "Noise of .5 nats in the targets' log-probs.", .5),
	{
		name:     "identical",
		sentence: "Both targets are one policy, so their difference is zero.",
		pop:      related(familyIdentical),
	},
	{
		name:     "near_equal",
		sentence: "Ten policies a hair apart; the first has labels of its own.",
		pop:      related(familyNear),
	},
	{
		name:         "five_prompts",
		sentence:     "Five prompts with 16 logged rows and 16 draws each, whatever number is asked for.",
		pop:          clustered,
		perPrompt:    16,
		fixedPrompts: 5,
	},
}

func noisy(name, sentence string, nats float64) spec {
	return spec{name: name, sentence: sentence, pop: basePop, observe: observe{noise: nats}}
}
