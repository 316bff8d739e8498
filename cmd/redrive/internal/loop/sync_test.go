package loop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/pkg/bus"
	"github.com/redrive-io/redrive/pkg/bus/natsserver"
	"github.com/redrive-io/redrive/pkg/docstore"
	"github.com/redrive-io/redrive/pkg/docstore/pebblestore"
)

// acks is how often the program below is answered by the store, by the bus that
// it asked to sync, and by the bus that it reported to as another scheduler.
const acks = 10

// TestAcceptedMeansSynced watches the system calls of a program that commits to
// the store and publishes on the bus, one after another: before each answer the
// file that was written must have been synced. It shows what is claimed about
// the loss of power, and no more than that.
func TestAcceptedMeansSynced(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("no strace here; `make test` installs it")
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-e", "trace=fsync,fdatasync,sync_file_range,write", "-o", trace, os.Args[0], "acks", t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	synced := map[string]int{} // since the last answer, by file name
	store, events, reports := 0, 0, 0
	f, err := os.Open(trace)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := syncCall.FindStringSubmatch(line); m != nil {
			synced[filepath.Ext(m[1])]++
			if stream := streamBlock.FindStringSubmatch(m[1]); stream != nil {
				synced[stream[1]]++
			}
		}
		switch {
		case strings.Contains(line, `"committed `):
			if store++; synced[".log"] == 0 {
				t.Errorf("commit %d was answered without a sync of the store", store)
			}
			clear(synced)
		case strings.Contains(line, `"published `):
			if events++; synced[bus.EventStream] == 0 {
				t.Errorf("event %d was answered without a sync of the stream: %v", events, synced)
			}
			clear(synced)
		case strings.Contains(line, `"reported `):
			if reports++; synced[bus.ReportStream] == 0 {
				t.Errorf("report %d was answered without a sync of its stream: %v", reports, synced)
			}
			clear(synced)
		}
	}
	if store != acks || events != acks || reports != acks {
		t.Errorf("%d commits, %d events and %d reports were seen, want %d of each", store, events, reports, acks)
	}
}

// syncCall is an fsync or fdatasync, with the file that strace -y names.
var syncCall = regexp.MustCompile(`f(?:data)?sync\(\d+<([^>]+)>`)

// streamBlock is a file of messages, with the name of the stream.
var streamBlock = regexp.MustCompile(`/streams/([^/]+)/msgs/[0-9]+\.blk`)

// commitAndPublish is the program that is watched.
func commitAndPublish(dir string) int {
	if err := tryCommitAndPublish(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func tryCommitAndPublish(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := pebblestore.Open(filepath.Join(dir, "store"), pebblestore.Options{})
	if err != nil {
		return err
	}
	for n := range acks {
		if err := store.Commit(ctx, docstore.Write{Kind: "test", ID: fmt.Sprint(n), Value: []byte("x")}); err != nil {
			return err
		}
		fmt.Printf("committed %d\n", n)
	}
	if err := store.Close(); err != nil {
		return err
	}
	server, err := natsserver.Start(natsserver.Options{Dir: filepath.Join(dir, "events"), Port: -1, RedrivePassword: "p", ClientPassword: "c"})
	if err != nil {
		return err
	}
	defer server.Stop()
	b, err := bus.Connect(ctx, bus.Config{InProcess: server, User: natsserver.UserRedrive, Password: "p"})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Provision(ctx); err != nil {
		return err
	}
	for n := range acks {
		e, err := bus.NewEvent(bus.AttemptStarted, fmt.Sprint(n), "redrive/test", "", time.Now(), &structpb.Struct{})
		if err != nil {
			return err
		}
		if err := b.Publish(ctx, e); err != nil {
			return err
		}
		if err := b.Sync(ctx); err != nil {
			return err
		}
		fmt.Printf("published %d\n", n)
	}
	return report(ctx, server.ClientURL())
}

// report tells what another scheduler tells.
func report(ctx context.Context, url string) error {
	conn, err := nats.Connect(url, nats.UserInfo(natsserver.UserClient, "c"))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	for n := range acks {
		if _, err := js.Publish(ctx, bus.ReportPrefix+string(bus.AttemptFailed), []byte("{}")); err != nil {
			return err
		}
		fmt.Printf("reported %d\n", n)
	}
	return nil
}
