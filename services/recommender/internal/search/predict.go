package search

// Predict returns what is predicted of the configuration that is set, without a
// search: the Current of Find's answer.
func Predict(in Inputs) Candidate { return in.current() }
