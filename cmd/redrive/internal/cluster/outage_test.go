//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-io/redrive/pkg/failure"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

const (
	outageJobs     = 300
	outagePatience = 3 * time.Minute
	// outage is how long a dependency stays away once everybody has said so.
	outage = 5 * time.Second
	// noticed bounds how long it may take until everybody has said so.
	noticed = 25 * time.Second
	// rulePatience bounds how long a rule may take to every replica.
	rulePatience = 20 * time.Second
)

// TestADeadDependencyPausesTheWork takes Redis away, and then the majority of
// the NATS servers. Every service must say which is away, and go on by itself
// when it is back; nothing is given up meanwhile.
func TestADeadDependencyPausesTheWork(t *testing.T) {
	d := deploy(t, nil)
	l := newLoad(d, outageJobs, rand.New(rand.NewPCG(3, 3)))
	ctx, cancel := context.WithTimeout(t.Context(), outagePatience)
	defer cancel()
	// Jobs that can still be started when an outage comes are its load.
	passed := make(chan struct{}, 2)
	l.hold = func(ctx context.Context, next int) {
		if next == outageJobs/3 || next == outageJobs*2/3 {
			select {
			case <-passed:
			case <-ctx.Done():
			}
		}
	}
	outages := make(chan struct{})
	go func() {
		defer close(outages)
		for i, o := range []struct {
			named string
			away  func() []*process
		}{{"store", func() []*process { return []*process{d.redis} }}, {"bus", d.followers}} {
			if !l.reach(ctx, outageJobs*(i+1)/3-openJobs) {
				return
			}
			passed <- struct{}{}
			if err := d.takeAway(ctx, o.named, o.away()); err != nil {
				t.Error(err)
			}
		}
	}()
	l.run(ctx)
	<-outages
	for i := range replicas {
		if err := d.checkRule(ctx, i); err != nil {
			t.Error(err)
		}
	}
	if !t.Failed() {
		d.check(l)
	}
}

// followers are the NATS servers that do not lead the stream of events. Without
// them the leader goes on answering for a while, and stores nothing.
func (d *deployment) followers() []*process {
	leader := d.leader(d.t.Context())
	return slices.DeleteFunc(slices.Clone(d.nats), func(p *process) bool { return p == leader })
}

// checkRule adds a rule at one replica of the classifier and waits until both
// use it: each listens by a consumer of its own, which the outage ended.
func (d *deployment) checkRule(ctx context.Context, at int) error {
	ctx, cancel := context.WithTimeout(ctx, rulePatience)
	defer cancel()
	said := fmt.Sprintf("the flux capacitor %d is empty", at)
	began := time.Now()
	_, err := redrivev1.NewClassifierServiceClient(d.conns["classifier"][at]).CreateRule(ctx, &redrivev1.CreateRuleRequest{
		RuleId: fmt.Sprintf("flux-%d", at), Rule: &redrivev1.Rule{Any: []string{said}, Class: string(failure.DiskFull), Summary: "empty"}, Force: true,
	})
	if err != nil {
		return err
	}
	var took [replicas]time.Duration
	for i, conn := range d.conns["classifier"] {
		n := 0
		err := until(ctx, fmt.Sprintf("classifier-%d does not use a rule of classifier-%d", i+1, at+1), func(ctx context.Context) error {
			n++
			f, err := redrivev1.NewClassifierServiceClient(conn).Classify(ctx, &redrivev1.ClassifyRequest{
				Attempt: failure.Attempt{Source: source, Job: fmt.Sprintf("rule-%d-%d", at, i), Number: n}.Proto(),
				Type:    &redrivev1.JobType{Workflow: "rules", Step: "flux", Engine: "process"}, Evidence: evidence(&oneJob{}, said),
			})
			if err == nil && f.GetClass() != string(failure.DiskFull) {
				err = fmt.Errorf("it says %s", f.GetClass())
			}
			return err
		})
		if err != nil {
			return err
		}
		took[i] = time.Since(began).Round(time.Millisecond)
	}
	d.t.Logf("a rule of classifier-%d was at work on the replicas after %v", at+1, took)
	return nil
}

// takeAway stops processes until everybody has said so for a while.
func (d *deployment) takeAway(ctx context.Context, named string, away []*process) error {
	for _, p := range away {
		p.signal(syscall.SIGSTOP)
		defer p.signal(syscall.SIGCONT) // also when something fails before
	}
	began := time.Now()
	soon, cancel := context.WithTimeout(ctx, noticed)
	defer cancel()
	err := until(soon, "not all services say that the "+named+" is away", func(ctx context.Context) error { return d.allSay(ctx, named) })
	if err != nil {
		return err
	}
	d.t.Logf("all services said after %v that the %s is away", time.Since(began).Round(time.Millisecond), named)
	timer := time.NewTimer(outage)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, p := range away {
		p.signal(syscall.SIGCONT)
	}
	began = time.Now()
	for _, p := range d.all {
		if err := until(ctx, p.name+" is not ready after the outage", p.ready); err != nil {
			return err
		}
	}
	d.t.Logf("all were ready %v after the %s was back", time.Since(began).Round(time.Millisecond), named)
	return nil
}

// allSay is nil when the readiness of every service names what is away. The
// gateway stands on neither.
func (d *deployment) allSay(ctx context.Context, named string) error {
	var group errgroup.Group
	for name, addr := range d.http {
		if strings.HasPrefix(name, "gateway") {
			continue
		}
		group.Go(func() error {
			code, text, err := fetch(ctx, "http://"+addr+"/readyz")
			if err != nil || code != http.StatusServiceUnavailable || !strings.Contains(text, "not ready: "+named) {
				return errors.Join(fmt.Errorf("%s answers %d %q", name, code, text), err)
			}
			return nil
		})
	}
	return group.Wait()
}
