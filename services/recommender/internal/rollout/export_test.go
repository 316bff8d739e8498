package rollout

// Due is what the schedule asks for.
var Due = due
