// Package demo drives real failing jobs through a real system and shows what
// happens: `redrive demo`.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// Options say how the demo runs.
type Options struct {
	// Programs is the folder of the built examples.
	Programs string
	// Data is the demo's data folder; a new temporary one, removed at the end,
	// when empty.
	Data string
	// Exit ends the demo after the last story; else the system stays up until
	// the context is done.
	Exit bool
	// Spark is a Python environment with pyspark: the stories are those of real
	// Spark jobs. Empty: the stories of plain programs.
	Spark string
	// Version is that of the binary.
	Version string
	Out     io.Writer
}

// stopTimeout is how long the orderly stop of the system may take.
const stopTimeout = 20 * time.Second

// Run runs the demo. It is an error when a story did not end as it must.
func Run(ctx context.Context, o Options) (err error) {
	if _, err := os.Stat(filepath.Join(o.Programs, "aggregate")); err != nil && o.Spark == "" {
		return errs.New(errs.FailedPrecondition, "the example programs are not in %s: run `make demo`, which builds them", o.Programs)
	}
	if o.Data == "" {
		if o.Data, err = os.MkdirTemp("", "redrive-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Data)) }()
	}
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer w.close()
	sys, err := start(ctx, o, w)
	if err != nil {
		return err
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, sys.Stop(stopping))
	}()
	s := newStage(o, w, sys)
	if o.Spark != "" {
		if err := s.addSpark(ctx); err != nil {
			return err
		}
		defer s.cluster.stop()
	}
	if err := s.playAll(ctx); err != nil {
		return err
	}
	if o.Exit {
		return nil
	}
	s.live.Print("", s.live.Strong("The system stays up until Ctrl-C. Look around in another terminal:"),
		"  export REDRIVE_DATA="+o.Data,
		"  bin/redrive jobs list",
		"  bin/redrive explain "+s.lastFailure,
		"  bin/redrive alerts list",
		fmt.Sprintf("  curl -H \"Authorization: Bearer $(cat %s)\" http://%s/v1/patches", sys.Folder().TokenFile(), sys.Endpoint().HTTP))
	select {
	case <-ctx.Done():
		return nil
	case err := <-sys.Failed():
		return err
	}
}

// addSpark starts a Spark cluster and makes the stories those of Spark jobs.
func (s *stage) addSpark(ctx context.Context) (err error) {
	s.live.Status("a Spark cluster of a master and a worker starts")
	defer s.live.Status("")
	if s.cluster, err = startCluster(ctx, s.o.Spark, filepath.Join(s.o.Data, "spark")); err != nil {
		return err
	}
	if err := unpack(s.cluster.folder); err != nil {
		s.cluster.stop()
		return err
	}
	s.acts, s.storyTimeout = sparkActs, sparkStoryTimeout
	return nil
}

// start starts the system with the demo's policies.
func start(ctx context.Context, o Options, w *world) (*system.System, error) {
	retries, alerts := filepath.Join(o.Data, "retries.yaml"), filepath.Join(o.Data, "alerts.yaml")
	if err := os.MkdirAll(o.Data, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(retries, []byte(retryPolicy), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(alerts, fmt.Appendf(nil, alertPolicy, w.url("/alerts")), 0o600); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(o.Data, "server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return system.Start(ctx, system.Options{
		Data: home.Folder(o.Data), RetryPolicy: retries, AlertPolicy: alerts, Version: o.Version,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	})
}

// retryPolicy has short delays: nobody wants to watch a minute go by.
const retryPolicy = `classes:
  "*": {base_delay: 600ms}
  permission: {base_delay: 1s, alert_after: 2}
  not_found.data: {base_delay: 4s, alert_after: 1}
`

// alertPolicy sends every alert to the demo's own receiver.
const alertPolicy = `receivers:
  - name: on-call
    type: webhook
    url: %s
routes:
  - severities: [warning, page]
    receivers: [on-call]
`

// clients are the calls that the demo makes.
type clients struct {
	scheduler  redrivev1.SchedulerServiceClient
	classifier redrivev1.ClassifierServiceClient
	config     redrivev1.ConfigServiceClient
	notifier   redrivev1.NotifierServiceClient
}

func newStage(o Options, w *world, sys *system.System) *stage {
	conn := sys.Conn()
	s := &stage{
		acts: acts, storyTimeout: storyTimeout, o: o, world: w, sys: sys, live: screen.NewLive(o.Out, screen.StyleOf(o.Out)),
		call: clients{
			redrivev1.NewSchedulerServiceClient(conn), redrivev1.NewClassifierServiceClient(conn),
			redrivev1.NewConfigServiceClient(conn), redrivev1.NewNotifierServiceClient(conn),
		},
	}
	w.told = s.alert
	return s
}
