package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/cmd/redrive/internal/story"
	"github.com/redrive-io/redrive/pkg/errs"
	"github.com/redrive-io/redrive/pkg/serve"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// answerLost reports whether a call may have been done although it failed.
func answerLost(err error) bool { return errs.Is(err, errs.Unavailable) }

// wait tells the story of a job on stderr until it has ended, and then shows
// the job on stdout. What has happened to known, if not nil, is left out. An
// interrupt ends the waiting, not the job.
func (a *app) wait(ctx context.Context, f format, job, known *redrivev1.Job) error {
	ctx, stop := serve.Signals(ctx)
	defer stop()
	live := screen.NewLive(a.stderr, a.talk)
	live.Print(fmt.Sprintf("%s  %s (%s)", a.talk.Strong(job.GetName()), typeName(job.GetType()), clean(job.GetType().GetEngine())))
	last, err := a.follow(ctx, live, job, known)
	live.Status("")
	if errors.Is(err, context.Canceled) {
		a.say("The job goes on; `redrive jobs get %s` shows how, `redrive cancel %[1]s` stops it.", job.GetName())
		return alreadySaid(ExitNegative, nil)
	}
	if err != nil {
		return err
	}
	switch {
	case f != "table":
		err = f.write(a.stdout, last)
	case !a.out.Terminal(): // the story on the terminal has said so
		_, err = fmt.Fprintf(a.stdout, "%s %s\n", last.GetName(), screen.Name(last.GetState()))
	}
	if err == nil && last.GetState() != redrivev1.Job_STATE_SUCCEEDED {
		if last.GetState() == redrivev1.Job_STATE_FAILED { // a cancelled job is not put back to work
			a.say("`redrive explain %s` says why; `redrive retry %[1]s` puts it back to work.", last.GetName())
		}
		err = errNegative
	}
	return err
}

// follow prints what happens, and how long until the next thing does.
func (a *app) follow(ctx context.Context, live *screen.Live, job, known *redrivev1.Job) (*redrivev1.Job, error) {
	scheduler := redrivev1.NewSchedulerServiceClient(a.conn)
	teller := &story.Teller{Scheduler: scheduler, Classifier: redrivev1.NewClassifierServiceClient(a.conn), Style: a.talk}
	teller.Skip(known)
	states := make(chan *redrivev1.Job)
	stop := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		a.show(live, states, stop)
	}()
	defer func() { close(stop); <-shown }()
	gone := false
	return story.Follow(ctx, scheduler, job.GetName(), func(j *redrivev1.Job) {
		gone = false
		lines, err := teller.Tell(ctx, j)
		if err != nil && ctx.Err() == nil {
			lines = append(lines, a.talk.Faint("(a record could not be read: "+err.Error()+")"))
		}
		live.Print(lines...)
		states <- j
	}, func(error) {
		if !gone {
			live.Print(a.talk.Warn("the server is away; waiting for it to come back"))
		}
		gone = true
	})
}

// show keeps the status line up to date until stop is closed.
func (a *app) show(live *screen.Live, states <-chan *redrivev1.Job, stop <-chan struct{}) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	var job *redrivev1.Job
	for {
		select {
		case job = <-states:
		case <-tick.C:
		case <-stop:
			return
		}
		live.Status(story.Status(job, a.now()))
	}
}
