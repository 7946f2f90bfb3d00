package dataset

// Plain prompts, and whatever else has a field prompt or messages: a run's own
// prompts.jsonl, UltraFeedback, UltraChat, Tulu, RewardBench, HelpSteer, PKU-SafeRLHF,
// Nectar, TRL's lists, files for fine-tuning with or without a final reply.
var _ = addShape(shape{
	format: "prompts", order: 100, any: []string{"prompt", "messages"},
	read: (*parsedRow).promptOrMessages,
	ids: []string{"prompt_id", "id", "uid", "uuid", "question_id", "conversation_id", "conversation_hash", "custom_id",
		"task_id", "unique_id"},
	moderation: []string{"toxic", "flagged"},
	plain:      true,
})
