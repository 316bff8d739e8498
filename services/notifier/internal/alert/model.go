package alert

import "fmt"

// Models stands where the name of a job does for what is wrong with the models
// of the recommender, all of them: one alert from the first audit that failed
// until one passes. An audit has no attempt; its point is its time.
const Models = "models/-"

func modelSummary(ep Episode) string {
	if ep.Stop == nil {
		return "a model failed its audit"
	}
	return ep.Stop.Reason
}

// modelAction says what became of a model that failed its audit.
func modelAction(ep Episode) string {
	what := "It does not serve: the one that did before goes on. redrive models list shows both, redrive models get MODEL the audit."
	if ep.Stop != nil {
		what = fmt.Sprintf("Not made to serve: %s. The model that served before goes on. redrive models get MODEL shows the audit.", sentence(ep.Stop.Reason))
	}
	switch {
	case ep.End == nil:
		return what + " Nothing more happens by itself until the next training."
	case ep.End.Cause == Recovered:
		return what + " Over: a later audit passed."
	}
	return what + " " + over(*ep.End)
}

const modelRetry = "redrive models train starts another training at any time; it changes nothing unless its audit passes."
