// Command external-event is a small scheduler of another company that knows
// Redrive only as events on NATS: when an attempt fails it publishes a
// CloudEvent with a JSON payload, and waits for the decision.made of its job.
//
//	external-event -credentials DATA/nats-client.json -- PROGRAM ARGS...
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func main() {
	file := flag.String("credentials", "", "the nats-client.json of Redrive's data folder")
	job := flag.String("job", "hourly-import", "this scheduler's name for the job")
	flag.Parse()
	if flag.NArg() == 0 || *file == "" {
		fmt.Fprintln(os.Stderr, "usage: external-event -credentials FILE -- PROGRAM ARGS...")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, *file, *job, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "external-event:", err)
		os.Exit(1)
	}
}

const (
	source      = "beacon"
	maxAttempts = 10
	stream      = "REDRIVE_EVENTS"
	said        = "redrive.v1."     // what Redrive says
	reported    = "redrive.report." // what it is told
)

func run(ctx context.Context, file, job string, args []string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var login struct{ URL, User, Password string }
	if err := json.Unmarshal(text, &login); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	conn, err := nats.Connect(login.URL, nats.UserInfo(login.User, login.Password))
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	decisions, err := js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
		FilterSubject: said + "decision.made", DeliverPolicy: jetstream.DeliverNewPolicy,
		AckPolicy: jetstream.AckNonePolicy, InactiveThreshold: 5 * time.Minute,
	})
	if err != nil {
		return err
	}
	for attempt := 1; attempt <= maxAttempts; attempt++ {
		ok, err := execute(ctx, js, job, attempt, args)
		if err != nil || ok {
			return err
		}
		d, err := decision(ctx, decisions, job, attempt)
		if err != nil {
			return err
		}
		fmt.Printf("attempt %d: %s (%s)\n", attempt, d.GetDecision().GetReason(), d.GetSummary())
		if !d.GetWillRetry() {
			return errors.New("stopped")
		}
		wait := time.NewTimer(time.Until(d.GetNextRetryTime().AsTime()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait.C:
		}
	}
	return fmt.Errorf("gave up after %d attempts", maxAttempts)
}

// execute runs one attempt and publishes how it ended.
func execute(ctx context.Context, js jetstream.JetStream, job string, attempt int, args []string) (bool, error) {
	fmt.Printf("attempt %d\n", attempt)
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, io.MultiWriter(os.Stderr, &stderr)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	kind := "attempt.failed"
	if err == nil {
		kind = "attempt.succeeded"
		fmt.Printf("attempt %d succeeded\n", attempt)
	}
	// Plain JSON, as a program in any language would write it: the fields are
	// those of AttemptFailed and AttemptSucceeded in events.proto.
	id := fmt.Sprintf("%s-%d", job, attempt)
	msg := &nats.Msg{Subject: reported + kind, Header: nats.Header{}}
	for name, value := range map[string]string{
		"ce-specversion": "1.0", "ce-id": id, "ce-source": source, "ce-type": kind, "ce-subject": job,
		"ce-time": time.Now().UTC().Format(time.RFC3339Nano), "Content-Type": "application/json", "Nats-Msg-Id": source + "/" + id,
	} {
		msg.Header.Set(name, value)
	}
	msg.Data, err = payload(job, attempt, cmd.ProcessState.ExitCode(), stderr.String())
	if err != nil {
		return false, err
	}
	_, err = js.PublishMsg(ctx, msg)
	return kind == "attempt.succeeded", err
}

// decision waits for the decision on one attempt.
func decision(ctx context.Context, c jetstream.Consumer, job string, attempt int) (*redrivev1.DecisionMade, error) {
	for {
		msg, err := c.Next(jetstream.FetchContext(ctx))
		if err != nil {
			return nil, err
		}
		d := &redrivev1.DecisionMade{}
		if err := proto.Unmarshal(msg.Data(), d); err != nil {
			return nil, err
		}
		ref := d.GetAttempt()
		if ref.GetSource() == source && ref.GetJob() == job && ref.GetAttempt() == int32(attempt) {
			return d, nil
		}
	}
}
