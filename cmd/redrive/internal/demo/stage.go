package demo

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
	"github.com/redrive-io/redrive/cmd/redrive/internal/story"
	"github.com/redrive-io/redrive/cmd/redrive/internal/system"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

// stage is where the stories are played.
type stage struct {
	o           Options
	world       *world
	sys         *system.System
	live        *screen.Live
	call        clients
	lastFailure string

	acts         []act
	storyTimeout time.Duration
	cluster      *cluster // nil without Spark

	mu     sync.Mutex
	alerts map[string][]string // by job: action and severity, in order
	watch  chan struct{}       // closed and made anew with every alert
}

// act is one story.
type act struct {
	title string
	about string
	play  func(context.Context, *stage) (outcome, error)
}

// outcome is how a story ended, for the summary.
type outcome struct {
	job      string
	ended    string
	attempts int
	note     string
	skipped  bool
}

// storyTimeout bounds one story: a demo that hangs has failed.
const storyTimeout = 2 * time.Minute

// playAll plays all stories and sums them up. It is an error when one did not
// end as it must.
func (s *stage) playAll(ctx context.Context) error {
	s.live.Print(s.live.Strong("Redrive "+s.o.Version)+": real jobs that fail, and what becomes of them",
		s.live.Faint("data folder "+s.o.Data))
	rows := [][]string{}
	failed := 0
	begin := time.Now()
	for i, a := range s.acts {
		s.live.Print("", s.live.Strong(fmt.Sprintf("%d. %s", i+1, a.title)), s.live.Faint("   "+a.about))
		limited, cancel := context.WithTimeout(ctx, s.storyTimeout)
		out, err := a.play(limited, s)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		mark := s.live.Good("as it must")
		switch {
		case err != nil:
			failed++
			mark = s.live.Bad("not as it must: " + err.Error())
			s.live.Print("   " + mark)
		case out.skipped:
			mark = s.live.Warn("skipped")
		}
		rows = append(rows, []string{a.title, out.ended, fmt.Sprint(out.attempts), out.note, mark})
	}
	s.live.Print("", s.live.Strong(fmt.Sprintf("Summary, after %s", screen.Span(time.Since(begin)))))
	s.live.Print(table(rows)...)
	if failed > 0 {
		return fmt.Errorf("%d of %d stories did not end as they must; the server's log is %s", failed, len(s.acts), filepath.Join(s.o.Data, "server.log"))
	}
	return nil
}

// table aligns all columns but the last.
func table(rows [][]string) []string {
	widths := []int{}
	for _, r := range rows {
		for i, cell := range r[:len(r)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	lines := make([]string, len(rows))
	for k, r := range rows {
		var b strings.Builder
		b.WriteString("  ")
		for i, cell := range r[:len(r)-1] {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-len([]rune(cell))+2))
		}
		lines[k] = b.String() + r[len(r)-1]
	}
	return lines
}

// program returns the path of a built example.
func (s *stage) program(name string) string { return filepath.Join(s.o.Programs, name) }

// work describes a job of the demo.
type work struct {
	step, engine string
	config       map[string]any
	args         []string
}

// run submits a job, tells its story until it has ended, and returns it.
func (s *stage) run(ctx context.Context, w work) (*redrivev1.Job, error) {
	j, err := s.submit(ctx, w)
	if err != nil {
		return nil, err
	}
	return s.follow(ctx, s.teller(), j.GetName())
}

func (s *stage) submit(ctx context.Context, w work) (*redrivev1.Job, error) {
	config, err := structpb.NewStruct(w.config)
	if err != nil {
		return nil, err
	}
	return s.call.scheduler.SubmitJob(ctx, &redrivev1.SubmitJobRequest{Job: &redrivev1.Job{
		Type: &redrivev1.JobType{Workflow: "demo", Step: w.step, Engine: w.engine}, Config: config,
		Process: &redrivev1.ProcessTask{Args: w.args}, Owner: "data-team",
	}})
}

// follow tells the story of a job until it has ended.
func (s *stage) follow(ctx context.Context, t *story.Teller, name string) (*redrivev1.Job, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	states := make(chan *redrivev1.Job, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.countDown(ctx, states)
	}()
	last, err := story.Follow(ctx, s.call.scheduler, name, func(j *redrivev1.Job) {
		lines, _ := t.Tell(ctx, j) // what could not be read is told with the next state
		for i := range lines {
			lines[i] = "   " + lines[i]
		}
		s.live.Print(lines...)
		select {
		case states <- j:
		case <-ctx.Done():
		}
	}, nil)
	cancel()
	<-done
	s.live.Status("")
	for _, a := range last.GetAttempts() {
		if a.GetFailure() != "" {
			s.lastFailure = a.GetFailure()
		}
	}
	return last, err
}

// countDown keeps the line below the story up to date.
func (s *stage) countDown(ctx context.Context, states <-chan *redrivev1.Job) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var j *redrivev1.Job
	for {
		select {
		case <-ctx.Done():
			return
		case j = <-states:
		case <-tick.C:
		}
		if j != nil {
			s.live.Status("   " + story.Status(j, time.Now()))
		}
	}
}

// say tells what somebody outside of Redrive does.
func (s *stage) say(format string, args ...any) {
	s.live.Print("   " + s.live.Warn("» "+fmt.Sprintf(format, args...)))
}

// alert is called with every notification.
func (s *stage) alert(n notification) {
	text := fmt.Sprintf("on-call: %s %s: %s", n.Action, n.Severity, n.Alert.Summary)
	if n.Action == "trigger" && n.Alert.Action != "" {
		text += "; " + n.Alert.Action
	}
	s.live.Print("   " + s.live.Warn("☎ "+screen.Clean(text)))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.alerts == nil {
		s.alerts = map[string][]string{}
	}
	s.alerts[n.Alert.Job] = append(s.alerts[n.Alert.Job], n.Action+" "+n.Severity)
	if s.watch != nil {
		close(s.watch)
		s.watch = nil
	}
}

// alerted waits until on-call was told of a job what want says, such as
// "trigger PAGE".
func (s *stage) alerted(ctx context.Context, job, want string) error {
	for {
		s.mu.Lock()
		got := s.alerts[job]
		if s.watch == nil {
			s.watch = make(chan struct{})
		}
		watch := s.watch
		s.mu.Unlock()
		for _, g := range got {
			if strings.HasPrefix(strings.ToLower(g), strings.ToLower(want)) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("on-call was not told %q; it was told %q", want, got)
		case <-watch:
		}
	}
}
