package rollout

// Due is what the schedule asks for, IDAfter the id of the training after others.
var (
	Due     = due
	IDAfter = idAfter
)
