package providers

// EstimateTokens makes what a limit counts on known to tests.
func (p Price) EstimateTokens(bytes int) int { return p.estimateTokens(bytes) }

// Bound makes the account of a scoring known to tests.
func (r ScoreRequest) Bound() Usage { return r.worst() }
