package main

import "encoding/json"

// payload is the JSON of AttemptFailed and AttemptSucceeded.
func payload(job string, attempt, exitCode int, stderr string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"attempt": map[string]any{"source": source, "job": job, "attempt": attempt},
		"type":    map[string]any{"workflow": "beacon-imports", "step": job, "engine": "process"},
		"config":  map[string]any{},
		"evidence": map[string]any{
			"exitCode":          exitCode,
			"terminationReason": "TERMINATION_REASON_EXITED",
			"logs":              []any{map[string]any{"source": "stderr", "head": stderr, "sizeBytes": len(stderr)}},
		},
	})
}
