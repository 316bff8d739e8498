package advice

import "github.com/redrive-io/redrive/services/recommender/internal/search"

// Predict returns what is predicted of a retry with the configuration that the
// request says the attempt ran with: the Current of Search's answer. A
// configuration that cannot be read is errs.Invalid.
func Predict(r Request, rec Record) (search.Candidate, error) {
	in, err := r.inputs(rec)
	if err != nil {
		return search.Candidate{}, err
	}
	return search.Predict(in), nil
}
