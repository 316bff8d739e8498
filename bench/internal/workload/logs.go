package workload

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// Log returns a log of this many bytes such as Spark, YARN and Kubernetes write,
// on which no rule matches.
func Log(size int) []byte {
	g := &generator{rand.New(rand.NewPCG(1, 1))}
	var b bytes.Buffer
	b.Grow(size + 1024)
	for b.Len() < size {
		g.line(&b)
	}
	log := b.Bytes()[:size]
	end := bytes.LastIndexByte(log, '\n') + 1 // what is left is a line of dots
	for i := range log[end:] {
		log[end+i] = '.'
	}
	return log
}

func (g *generator) line(b *bytes.Buffer) {
	level := g.one([]string{"INFO", "INFO", "INFO", "INFO", "INFO", "WARN", "DEBUG", "ERROR"})
	class := g.one([]string{"scheduler.TaskSetManager", "storage.BlockManagerInfo", "executor.Executor", "scheduler.DAGScheduler", "memory.MemoryStore", "spark.MapOutputTracker"})
	host := fmt.Sprintf("ip-10-4-%d-%d", g.IntN(256), g.IntN(256))
	fmt.Fprintf(b, "2026-04-%02d %02d:%02d:%02d,%03d %s %s: ", 1+g.IntN(28), g.IntN(24), g.IntN(60), g.IntN(60), g.IntN(1000), level, class)
	switch g.IntN(12) {
	case 0, 1:
		fmt.Fprintf(b, "Finished task %d.0 in stage %d.0 (TID %d) in %d ms on %s.internal (executor %d) (%d/%d)\n", g.IntN(2000), g.IntN(50), g.IntN(99999), g.IntN(9999), host, g.IntN(64), g.IntN(2000), 2000)
	case 2, 3:
		fmt.Fprintf(b, "Added broadcast_%d_piece0 in memory on %s:%d (size: %d.%d KB, free: %d.%d MB)\n", g.IntN(500), host, 30000+g.IntN(20000), g.IntN(900), g.IntN(10), g.IntN(900), g.IntN(10))
	case 4:
		fmt.Fprintf(b, "Starting task %d.0 in stage %d.0 (TID %d, %s, executor %d, partition %d, PROCESS_LOCAL, %d bytes)\n", g.IntN(2000), g.IntN(50), g.IntN(99999), host, g.IntN(64), g.IntN(2000), g.IntN(9000))
	case 5:
		fmt.Fprintf(b, "Container container_%d_%04d_01_%06d on host: %s is running (state: RUNNING, exit status: 0)\n", 1600000000000+g.Int64N(1e9), g.IntN(9999), g.IntN(999999), host)
	case 6:
		fmt.Fprintf(b, "pod \"etl-worker-%d\" container runtime status check: Ready=%v restartCount=%d cpu=%dm memory=%dMi\n", g.IntN(500), g.IntN(2) == 0, g.IntN(4), g.IntN(4000), g.IntN(8000))
	case 7:
		fmt.Fprintf(b, "java.io.IOException: Connection from %s/%d closed, retrying fetch (%d/3)\n", host, g.IntN(65536), g.IntN(3))
	case 8:
		fmt.Fprintf(b, "stack of a retried call\n\tat org.apache.spark.sql.execution.datasources.FileFormatWriter$.write(FileFormatWriter.scala:%d)\n\tat org.apache.spark.rdd.RDD.computeOrReadCheckpoint(RDD.scala:%d)\n\tat java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:%d)\n", g.IntN(900), g.IntN(900), g.IntN(900))
	case 9:
		fmt.Fprintf(b, "Lost task %d.0 in stage %d.0 (TID %d): com.%s.inner.%s%sException: will be retried\n", g.IntN(2000), g.IntN(50), g.IntN(99999), g.one(companies), g.one(things), g.one(roles))
	case 10:
		fmt.Fprintf(b, "request for table %s took %d ms, user=etl status 200\n", g.table(), g.IntN(5000))
	default:
		fmt.Fprintf(b, "Registering RDD %d (map at NativeMethodAccessorImpl.java:0) as input to shuffle %d; Missing parents: List()\n", g.IntN(500), g.IntN(90))
	}
}

// prefix is what of a line stays before what is put in.
const prefix = 24

// Near puts into a tenth of the lines of a log most of what a rule looks for,
// so that it still does not match.
func Near(log []byte, rules []Rule) []byte {
	g := rand.New(rand.NewPCG(5, 5))
	compiled := map[string]*regexp.Regexp{}
	lines := bytes.Split(bytes.Clone(log), []byte("\n"))
	for _, line := range lines {
		if g.IntN(10) > 0 || len(line) < 60 {
			continue
		}
		for range 5 {
			r := rules[g.IntN(len(rules))]
			if !r.Literal || len(r.Sample) < 16 || strings.Contains(r.Sample, "\n") {
				continue
			}
			near := append([]byte(r.Sample[:len(r.Sample)-6]), "######"...)
			if compiled[r.Pattern] == nil {
				compiled[r.Pattern] = regexp.MustCompile(r.Pattern)
			}
			if !compiled[r.Pattern].Match(near) {
				copy(line[prefix:], near)
				break
			}
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// End puts what a rule looks for on the last line of a log.
func End(log []byte, r Rule) []byte {
	log = bytes.Clone(log)
	text := "\n2026-01-01 00:00:00,000 ERROR " + r.Sample + "\n"
	copy(log[len(log)-len(text):], text)
	return log
}
