package loop

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// ailment is what the jobs of a cycler fail of.
type ailment struct {
	text    string // what the log ends with
	action  redrivev1.Decision_Action
	changes bool  // whether the next attempt runs with another configuration
	types   int64 // of jobs; 0 gives each job its own
	brief   bool  // the log has little but the text
}

// The ailments. A job that runs out of memory is classified, gets a
// recommendation, and a patch that the next attempt runs with. Each has a type
// of its own: however much memory it is given, it fails twice, and nothing is
// to be learnt from that for others. A network that fails is retried as it is.
var ailments = map[string]ailment{
	"memory": {
		text: `%[1]s WARN TaskSetManager: Lost task %[2]d.3 in stage 8.0 (TID %[3]d) (10.8.1.4 executor 3): java.lang.OutOfMemoryError: Java heap space
	at java.base/java.util.Arrays.copyOf(Arrays.java:3537)
	at java.base/java.io.ByteArrayOutputStream.ensureCapacity(ByteArrayOutputStream.java:100)
	at java.base/java.io.ByteArrayOutputStream.write(ByteArrayOutputStream.java:130)
	at org.apache.spark.sql.catalyst.expressions.UnsafeRow.writeToStream(UnsafeRow.java:508)
	at org.apache.spark.sql.execution.SparkPlan.$anonfun$getByteArrayRdd$1(SparkPlan.scala:384)

%[1]s ERROR TaskSetManager: Task %[2]d in stage 8.0 failed 4 times; aborting job
Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task %[2]d in stage 8.0 failed 4 times, most recent failure: Lost task %[2]d.3 in stage 8.0 (TID %[3]d) (10.8.1.4 executor 3): java.lang.OutOfMemoryError: Java heap space
`,
		action: redrivev1.Decision_ACTION_RETRY_WITH_CONFIG, changes: true,
	},
	"transient": {
		text: `Exception in thread "main" org.apache.spark.SparkException: Job aborted due to stage failure: Task %[2]d in stage 8.0 failed 4 times, most recent failure: Lost task %[2]d.3 in stage 8.0 (TID %[3]d) (10.8.1.4 executor 3): java.net.SocketException: Connection reset by peer
	at java.base/sun.nio.ch.NioSocketImpl.implRead(NioSocketImpl.java:318)
	at java.base/java.net.Socket$SocketInputStream.read(Socket.java:966)
	at org.apache.hadoop.fs.s3a.S3AInputStream.lambda$read$3(S3AInputStream.java:564)
%[1]s INFO ShutdownHookManager: Shutdown hook called
`,
		action: redrivev1.Decision_ACTION_RETRY, types: 64,
	},
}

// sparkConfig is the original configuration of a job, of the size that jobs
// have.
func sparkConfig(job int64) *structpb.Struct {
	return structOf(map[string]any{
		"spark.executor.memory": "2g", "spark.executor.cores": "2", "spark.executor.instances": "12",
		"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "400", "spark.sql.adaptive.enabled": "true",
		"spark.dynamicAllocation.enabled": "false", "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
		"spark.hadoop.fs.s3a.connection.maximum": "200", "spark.eventLog.enabled": "true",
		"spark.eventLog.dir": "hdfs:///spark/events", "input": fmt.Sprintf("s3a://lake/orders/part-%d", job),
		"output": fmt.Sprintf("s3a://lake/daily/part-%d", job), "date": "2026-11-20",
	})
}

// evidence is what is known of a failed attempt: the log of the driver as
// spark-submit writes it, the exit code, and the peak.
func (a ailment) evidence(job int64, attempt int32, config *structpb.Struct) *redrivev1.Evidence {
	e := ended(job, config)
	e.ExitCode = proto.Int32(1)
	e.Logs = []*redrivev1.Log{{Source: "driver", Head: a.log(job, attempt, e.GetEndTime().AsTime())}}
	e.Logs[0].SizeBytes = int64(len(e.Logs[0].GetHead()))
	return e
}

// succeeded is what is known of an attempt that ended well.
func succeeded(job int64, config *structpb.Struct) *redrivev1.Evidence {
	e := ended(job, config)
	e.ExitCode = proto.Int32(0)
	return e
}

func ended(job int64, config *structpb.Struct) *redrivev1.Evidence {
	const ran = 94 * time.Second
	now := time.Now()
	var gib int64
	if _, err := fmt.Sscanf(config.GetFields()["spark.executor.memory"].GetStringValue(), "%dg", &gib); err != nil {
		gib = 4 // of a configuration in another unit
	}
	return &redrivev1.Evidence{
		TerminationReason: redrivev1.TerminationReason_TERMINATION_REASON_EXITED,
		PeakMemoryBytes:   new(gib<<30 - job%1000<<10), Duration: durationpb.New(ran), Node: fmt.Sprintf("worker-%d", job%40),
		StartTime: timestamppb.New(now.Add(-ran)), EndTime: timestamppb.New(now), InputBytes: 3 << 30,
	}
}

// log is the log of a driver, some 5 KB of it.
func (a ailment) log(job int64, attempt int32, end time.Time) string {
	const layout = "06/01/02 15:04:05"
	var b strings.Builder
	at := end.Add(-90 * time.Second)
	fmt.Fprintf(&b, "%s INFO SparkContext: Running Spark version 3.5.3\n%[1]s INFO SparkContext: Submitted application: part-%d attempt %d\n", at.Format(layout), job, attempt)
	tasks := int64(20)
	if a.brief {
		tasks = 1
	}
	for task := range tasks {
		stamp := at.Add(time.Duration(task) * 4 * time.Second).Format(layout)
		fmt.Fprintf(&b, "%s INFO TaskSetManager: Starting task %d.0 in stage 8.0 (TID %d) (10.8.1.%d, executor %d, partition %[2]d, PROCESS_LOCAL, 9174 bytes)\n", stamp, task, 150+task, task%8, task%4)
		fmt.Fprintf(&b, "%s INFO TaskSetManager: Finished task %d.0 in stage 8.0 (TID %d) in %d ms on 10.8.1.%d (executor %d) (%[2]d/400)\n", stamp, task, 150+task, 1200+(job*7+task*31)%900, task%8, task%4)
	}
	fmt.Fprintf(&b, a.text, end.Format(layout), job%400, 170+job%50)
	return b.String()
}
