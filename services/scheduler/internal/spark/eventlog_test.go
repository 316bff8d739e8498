package spark_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/redrive-io/redrive/pkg/engine"
	"github.com/redrive-io/redrive/services/scheduler/internal/spark"
)

func read(t *testing.T, text string) spark.Events {
	t.Helper()
	e, err := spark.ReadEvents(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The log is of a real application whose executor ran out of heap.
func TestARealEventLog(t *testing.T) {
	text, err := os.ReadFile("testdata/executor-heap.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	e := read(t, string(text))
	if e.App != "app-20261121134045-0004" || !e.Ended || e.Skipped != 0 || len(e.Lost) != 1 || len(e.Tasks) != 4 || len(e.Stages) != 1 {
		t.Errorf("read %+v", e)
	}
	if want := map[engine.Part]int64{engine.DriverHeap: 65318912, engine.ExecutorHeap: 263722800}; !reflect.DeepEqual(e.Peaks, want) {
		t.Errorf("peaks are %v, want %v", e.Peaks, want)
	}
	if got := e.Suspects(); !reflect.DeepEqual(got, []string{"0"}) {
		t.Errorf("suspects are %q", got)
	}
	for _, line := range []string{
		"Lost executor 0: Command exited with code 52\n",
		"Lost task 0.0 in stage 0.0 (TID 0) (127.0.0.1 executor 0): java.lang.OutOfMemoryError: Java heap space\n",
		"Lost task 0.1 in stage 0.0 (TID 2) (127.0.0.1 executor 0): ExecutorLostFailure (executor 0 exited caused by one of the running tasks) Reason: Command exited with code 52\n",
		"Stage 0.0 (first at /srv/jobs/sessions.py:25) failed: Job aborted due to stage failure: Task 0 in stage 0.0 failed 2 times",
	} {
		if !strings.Contains(e.Text(), line) {
			t.Errorf("the text lacks %q:\n%s", line, e.Text())
		}
	}
}

func lostTask(id, stage int, reason string) string {
	return fmt.Sprintf(`{"Event":"SparkListenerTaskEnd","Stage ID":%d,"Task End Reason":%s,"Task Info":{"Task ID":%d,"Index":0,"Attempt":0,"Executor ID":"1","Host":"h"}}`+"\n", stage, reason, id)
}

func TestWhatAJobSucceededInSpiteOfIsForgotten(t *testing.T) {
	e := read(t, `{"Event":"SparkListenerJobStart","Job ID":0,"Stage IDs":[0,1]}
`+lostTask(1, 0, `{"Reason":"ExceptionFailure","Class Name":"java.io.IOException","Description":"reset"}`)+
		`{"Event":"SparkListenerStageCompleted","Stage Info":{"Stage ID":1,"Stage Name":"s","Failure Reason":"lost"}}
{"Event":"SparkListenerJobStart","Job ID":1,"Stage IDs":[2]}
{"Event":"SparkListenerJobEnd","Job ID":0,"Job Result":{"Result":"JobSucceeded"}}
`+lostTask(2, 2, `{"Reason":"ExceptionFailure","Class Name":"a.B","Description":""}`)+
		`{"Event":"SparkListenerJobEnd","Job ID":1,"Job Result":{"Result":"JobFailed","Exception":{"Message":"it broke"}}}
`)
	if want := "Lost task 0.0 in stage 2.0 (TID 2) (h executor 1): a.B\nJob failed: it broke\n"; e.Text() != want {
		t.Errorf("text is %q, want %q", e.Text(), want)
	}
}

func TestReasonsOfTasks(t *testing.T) {
	for reason, want := range map[string]string{
		`{"Reason":"Success"}`: "",
		`{"Reason":"TaskKilled","Kill Reason":"another one won"}`:                                                         "",
		`{"Reason":"UnknownReason"}`:                                                                                      "UnknownReason",
		`{"Reason":"ExceptionFailure","Full Stack Trace":"x\n\tat y"}`:                                                    "x\n\tat y",
		`{"Reason":"ExecutorLostFailure","Executor ID":"3","Exit Caused By App":false,"Loss Reason":"drained"}`:           "ExecutorLostFailure (executor 3 exited unrelated to the running tasks) Reason: drained",
		`{"Reason":"FetchFailed","Shuffle ID":3,"Reduce ID":4,"Message":"org.apache.spark.shuffle.FetchFailedException"}`: "FetchFailed(shuffleId=3, reduceId=4, message=\norg.apache.spark.shuffle.FetchFailedException\n)",
	} {
		e := read(t, lostTask(1, 0, reason))
		got := ""
		if len(e.Tasks) == 1 {
			got = e.Tasks[0].Reason
		}
		if got != want {
			t.Errorf("%s is %q, want %q", reason, got, want)
		}
	}
}

func TestALongLogTakesLittle(t *testing.T) {
	var b bytes.Buffer
	for i := range 1000 {
		b.WriteString(lostTask(i, i, `{"Reason":"ExceptionFailure","Full Stack Trace":"`+strings.Repeat("x", 20_000)+`"}`))
		fmt.Fprintf(&b, `{"Event":"SparkListenerExecutorRemoved","Executor ID":"%d","Removed Reason":"worker lost"}`+"\n", i)
		fmt.Fprintf(&b, `{"Event":"SparkListenerStageCompleted","Stage Info":{"Stage ID":%d,"Failure Reason":"broken"}}`+"\n", i)
	}
	b.WriteString(`{"Event":"SparkListenerEnvironmentUpdate","x":"` + strings.Repeat("x", 5<<20) + "\"}\n")
	b.WriteString("not an event\n{\"Event\":\"SparkListenerJobEnd\",\"Job")
	e := read(t, b.String())
	if e.Skipped != 3 {
		t.Errorf("%d lines were left out, want the long one, the strange one and the last one", e.Skipped)
	}
	if n := len(e.Text()); n < 100_000 || n > 200_000 || len(e.Lost) != 16 || e.Lost[15].Executor != "999" || e.Tasks[15].ID != 999 {
		t.Errorf("%d bytes of text, %d lost, %d tasks", n, len(e.Lost), len(e.Tasks))
	}
}

func TestTheReadersErrorIsTold(t *testing.T) {
	broken := errors.New("broken")
	_, err := spark.ReadEvents(io.MultiReader(strings.NewReader("{}\n"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("ReadEvents = %v, want the reader's error", err)
	}
}

func FuzzReadEvents(f *testing.F) {
	text, err := os.ReadFile("testdata/executor-heap.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"Event":"SparkListenerJobStart","Job ID":0,"Stage IDs":[0,1]}` + "\n" + `{"Event":"SparkListenerJobEnd","Job ID":0,"Job Result":{"Result":"JobSucceeded"}}`))
	f.Add([]byte(lostTask(1, 0, `{"Reason":"FetchFailed"}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := spark.ReadEvents(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Lost) > 16 || len(e.Tasks) > 16 || len(e.Stages) > 4 || len(e.Text()) > 1<<20 || len(e.Suspects()) > 32 {
			t.Errorf("read more than is kept: %+v", e)
		}
		for part, bytes := range e.Peaks {
			if bytes <= 0 {
				t.Errorf("peak of %s is %d", part, bytes)
			}
		}
	})
}
