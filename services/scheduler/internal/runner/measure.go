package runner

// Busy is how many attempts this process starts or follows, and most is how many
// it takes on; attempts that a restart found may be more.
func (r *Runner) Busy() (n, most int) { return r.busy(), r.o.MaxRunning }
