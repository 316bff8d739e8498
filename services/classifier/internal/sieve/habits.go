package sieve

import (
	"sync"
	"sync/atomic"
)

// ordinary is what logs are mostly made of. What stands in it often is a bad
// thing to look for: it is everywhere, also where nothing failed.
const ordinary = `
2026-03-14 09:26:53,589 INFO scheduler.TaskSetManager: Finished task 31.0 in stage 4.0 (TID 159) in 265 ms on ip-10-0-12-40.ec2.internal (executor 3) (31/200)
2026-03-14 09:26:53,612 INFO storage.BlockManagerInfo: Added broadcast_12_piece0 in memory on ip-10-0-12-41.ec2.internal:41235 (size: 12.4 KB, free: 2.1 GB)
26/03/14 09:26:54 INFO TaskSetManager: Starting task 32.0 in stage 4.0 (TID 160, ip-10-0-12-40, executor 3, partition 32, PROCESS_LOCAL, 7895 bytes)
26/03/14 09:26:55 INFO DAGScheduler: Submitting 200 missing tasks from ShuffleMapStage 5 (MapPartitionsRDD[21] at map at NativeMethodAccessorImpl.java:0)
26/03/14 09:26:55 INFO MemoryStore: Block broadcast_13 stored as values in memory (estimated size 34.2 KiB, free 912.1 MiB)
26/03/14 09:26:56 WARN TaskSetManager: Lost task 7.0 in stage 5.0 (TID 167) (10.0.12.40 executor 3): java.io.IOException: Connection from ip-10-0-12-41/10.0.12.41:41235 closed
2026-03-14T09:26:57.123Z ERROR [main] org.apache.hadoop.yarn.server.nodemanager.containermanager.container.ContainerImpl: Container container_1710408413_0042_01_000003 transitioned from RUNNING to EXITED
	at org.apache.spark.sql.execution.datasources.FileFormatWriter$.executeTask(FileFormatWriter.scala:358)
	at org.apache.spark.rdd.RDD.computeOrReadCheckpoint(RDD.scala:374)
	at org.apache.spark.executor.Executor$TaskRunner.run(Executor.scala:604)
	at java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1136)
	at java.util.concurrent.ThreadPoolExecutor$Worker.run(ThreadPoolExecutor.java:635)
	at java.base/java.lang.Thread.run(Thread.java:833)
Caused by: java.lang.RuntimeException: org.apache.hadoop.fs.FileSystem: failed to open file
java.lang.IllegalStateException: connection failed: error reading from server
Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/urllib3/connectionpool.py", line 793, in urlopen
    response = self._make_request(
  File "/opt/app/jobs/daily.py", line 42, in <module>
    raise ValueError("could not read the input")
requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.example.com', port=443): Max retries exceeded with url: /v1/data
[2026-03-14, 09:27:01 UTC] {taskinstance.py:1824} INFO - Marking task as SUCCESS. dag_id=daily, task_id=load, execution_date=20260313T000000, start_date=20260314T092600
I0314 09:27:02.456789    1234 kubelet.go:2106] "SyncLoop UPDATE" source="api" pods=["default/etl-worker-7d9f8b6c5-x2x4z"]
level=info ts=2026-03-14T09:27:03.123Z caller=main.go:123 msg="Server is ready to receive web requests."
{"level":"info","ts":"2026-03-14T09:27:03Z","msg":"request finished","status":200,"duration_ms":12,"path":"/api/v1/tables","user":"etl"}
time="2026-03-14T09:27:04Z" level=warning msg="retrying in 5s" attempt=2 error="timeout"
DEBUG 2026-03-14 09:27:05 com.amazonaws.services.s3.AmazonS3Client - Sending request: GET https://bucket.s3.us-east-1.amazonaws.com/data/part-00001.parquet
Executor task launch worker for task 12.0 in stage 3.0 finished; heartbeat received after 12 ms; executor exited normally
pod "etl-worker-3" container runtime status check: Ready=true restartCount=0 cpu=250m memory=512Mi
Running job: job_1710408413_0042 map 100% reduce 67% Job completed successfully Counters: File System Counters
Registering RDD 21 (map at NativeMethodAccessorImpl.java:0) as input to shuffle 3; Missing parents: List()
`

// habits is how often grams stand in texts. Digits count as one another, and so
// do the two cases of a letter.
type habits struct {
	counts [1 << habitBits]uint32
	total  int
}

const habitBits = 16

// ordinaryHabits are those of ordinary text.
var ordinaryHabits = sync.OnceValue(func() *habits {
	h := &habits{}
	h.add(ordinary)
	return h
})

func (h *habits) add(text string) {
	for i := 0; i+gramSize <= len(text); i++ {
		g, _ := alike(gramAt(text, i))
		h.counts[habitHash(g)]++
	}
	h.total += len(text)
}

func habitHash(g uint32) uint32 { return g * 0x9E3779B1 >> (32 - habitBits) }

// alike makes all digits of a gram 0, and says how many grams it stands for
// then.
func alike(g uint32) (zeros uint32, n float64) {
	n = 1
	for shift := 0; shift < 32; shift += 8 {
		if b := byte(g >> shift); '0' <= b && b <= '9' {
			g = g&^(0xff<<shift) | '0'<<shift
			n *= 10
		}
	}
	return g, n
}

// rarest is how often a gram that no text has had is thought to stand at one
// place of a log.
const rarest = 2e-7

// frequency says how often a gram stands at one place of a log, about.
func (h *habits) frequency(g uint32) float64 {
	g, n := alike(g)
	return rarest + float64(h.counts[habitHash(g)])/float64(h.total)/n
}

// A learner takes samples of the first texts that are scanned: so many bytes of
// every block. When it has enough it says so, once, and takes no more.
type learner struct {
	mu     sync.Mutex
	habits habits
	done   atomic.Bool
}

const (
	sampled = 1 << 10
	block   = 16 << 10
	enough  = 64 << 10 // bytes of samples, of about 1 MiB of text
)

func newLearner() *learner { return &learner{habits: *ordinaryHabits()} }

// learn takes samples of a text, and reports whether it has just got enough.
// Where two texts are scanned at once, it sees one.
func (l *learner) learn(text string) bool {
	if l.done.Load() || !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	if l.done.Load() {
		return false
	}
	for at := 0; at < len(text); at += block {
		// Most logs are less than a block.
		part := text[at:min(at+block, len(text))]
		from := len(part) / 2
		l.habits.add(part[from:min(from+max(sampled*len(part)/block, 2*gramSize), len(part))])
	}
	l.done.Store(l.habits.total >= enough)
	return l.done.Load()
}
