package alert

import "fmt"

// Models stands where the name of a job does for what is wrong with the models
// of the recommender, all of them: one alert from the first audit or training
// that failed until an audit passes. Neither has an attempt; the point of an
// audit is its time, that of a training its end.
const Models = "models/-"

func modelSummary(ep Episode) string {
	if ep.Stop == nil {
		return "a model failed its audit, or a training failed"
	}
	return ep.Stop.Reason
}

// modelAction says what became of a model that failed its audit, and what of a
// training that failed.
func modelAction(ep Episode) string {
	what := "The model that served before goes on. redrive models list shows which, redrive models get MODEL its audit."
	if ep.Stop != nil {
		what = fmt.Sprintf("No new model serves: %s. %s", sentence(ep.Stop.Reason), what)
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
