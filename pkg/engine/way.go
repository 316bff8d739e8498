package engine

import "math"

// Way is one way to share the memory of a part, and what it does to the need of
// that part and to the run time, as factors of what they are now. A heap that
// holds what n tasks at once take holds half the tasks with half of their share.
type Way struct {
	Size // its Memory is 0
	Need float64
	Time float64
}

// sharedNeed is the part of an executor's need that does not depend on how many
// tasks run in it at once; the rest is theirs. Spark's unified memory is one
// pool of which each of n tasks may take from 1/2n to 1/n (ExecutionMemoryPool),
// beside broadcasts, caches and user objects that all share: without a
// measurement, half and half.
const sharedNeed = 0.5

// shuffledNeed is the part of a task's need that goes down when a shuffle has
// more partitions: its share of the shuffled data. Spark's tuning guide advises
// so against the OutOfMemoryError of reduce tasks; whether a job's tasks are such
// is not known: half and half again.
const shuffledNeed = 0.5

// partitionTime is what twice the partitions add to the run time, for more tasks
// to start and smaller blocks to fetch. Tasks of 200 ms and more are cheap by the
// tuning guide; two per cent is a guess, and keeps what helps nothing from being
// chosen.
const partitionTime = 0.02

// partitionSteps is how often the partitions are doubled at most.
const partitionSteps = 2

// Ways lists the ways to run, the present one first, then by halves of the tasks
// at once: by fewer cores, by fewer cores in more executors, by more cores for
// each task. All of these also with more partitions, where the job sets them and
// so is known to shuffle by SQL. None but the present one has more than so many
// cores; 0 is no bound. There are at most 100.
func (s *Setting) Ways(most float64) []Way {
	present := s.Size
	present.Memory = 0
	ways := []Way{s.Way(present)}
	if !s.ofExecutor() {
		return ways
	}
	add := func(to Size) {
		if most <= 0 || to.Cores <= most {
			ways = append(ways, s.Way(to))
		}
	}
	cpus, n := max(s.TaskCPUs, 1), s.tasks(present)
	for k := math.Floor(n / 2); k >= 1; k = math.Floor(k / 2) {
		fewer := present
		fewer.Cores = k * cpus
		add(fewer)
		if present.Instances > 0 {
			more := fewer
			more.Instances = min(math.Ceil(present.Instances*n/k), maxInstances)
			add(more)
		}
		wider := present
		wider.TaskCPUs = math.Floor(present.Cores / k)
		add(wider)
	}
	if present.Partitions == 0 {
		return ways
	}
	for _, w := range ways[:len(ways):len(ways)] {
		for range partitionSteps {
			if w.Partitions*2 > maxPartitions {
				break
			}
			w.Partitions *= 2
			ways = append(ways, s.Way(w.Size))
		}
	}
	return ways
}

// Way returns what sharing a part so does. Twice the tasks at once, in one or in
// twice the executors, take half the time.
func (s *Setting) Way(to Size) Way {
	to.Memory = 0
	w := Way{Size: to, Need: 1, Time: 1}
	if !s.ofExecutor() {
		return w
	}
	share := 1 - sharedNeed
	if s.Partitions > 0 && to.Partitions != s.Partitions {
		share *= 1 - shuffledNeed + shuffledNeed*s.Partitions/to.Partitions
		w.Time += partitionTime * math.Log2(to.Partitions/s.Partitions)
	}
	if n := s.tasks(s.Size); n > 0 {
		share *= s.tasks(to) / n
		w.Time *= n / s.tasks(to)
	}
	if s.Instances > 0 {
		w.Time *= s.Instances / to.Instances
	}
	w.Need = sharedNeed + share
	return w
}

// tasks returns how many tasks run in an executor at once; 0 when its cores are
// not known. Spark starts none where a task takes more cores than there are.
func (s *Setting) tasks(of Size) float64 {
	if of.Cores == 0 {
		return 0
	}
	return max(math.Floor(of.Cores/max(of.TaskCPUs, 1)), 1)
}

// ofExecutor reports whether tasks that run at the same time share the part.
func (s *Setting) ofExecutor() bool {
	return s.Part == ExecutorHeap || s.Part == Overhead || s.Part == Python
}
