// Command external-grpc is a small scheduler of another company. It runs a
// program below a memory limit of its own, and knows Redrive only as a gRPC
// API: when an attempt fails it asks what the failure means (Classify), asks for
// the configuration to run with (Resolve), runs again, and says how it went
// (ReportSuccess).
//
//	external-grpc -server HOST:PORT -token-file FILE -memory-mb N -- PROGRAM ARGS...
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func main() {
	server := flag.String("server", "127.0.0.1:8470", "address of Redrive's gRPC API")
	tokenFile := flag.String("token-file", "", "file with the bearer token")
	job := flag.String("job", "nightly-totals", "this scheduler's name for the job")
	memory := flag.Float64("memory-mb", 64, "memory limit of the first attempt, MiB")
	flag.Parse()
	if flag.NArg() == 0 || *tokenFile == "" {
		fmt.Fprintln(os.Stderr, "usage: external-grpc -server HOST:PORT -token-file FILE -- PROGRAM ARGS...")
		os.Exit(2)
	}
	if err := run(*server, *tokenFile, *job, *memory, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "external-grpc:", err)
		os.Exit(1)
	}
}

// scheduler is what this company has of its own: jobs, attempts, a runner.
type scheduler struct {
	classifier redrivev1.ClassifierServiceClient
	configs    redrivev1.ConfigServiceClient
	redrive    redrivev1.SchedulerServiceClient
	job        string
	kind       *redrivev1.JobType
	original   *structpb.Struct
	args       []string
}

const (
	name        = "acme"
	maxAttempts = 5
)

func run(server, tokenFile, job string, memory float64, args []string) error {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // every answer has come
	original, err := structpb.NewStruct(map[string]any{"memory_mb": memory})
	if err != nil {
		return err
	}
	s := scheduler{
		classifier: redrivev1.NewClassifierServiceClient(conn),
		configs:    redrivev1.NewConfigServiceClient(conn),
		redrive:    redrivev1.NewSchedulerServiceClient(conn),
		job:        job, original: original, args: args,
		kind: &redrivev1.JobType{Workflow: "acme-reports", Step: job, Engine: "process"},
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+strings.TrimSpace(string(token)))
	return s.toSuccess(ctx)
}

// toSuccess runs attempts until one succeeds or Redrive says that none will.
func (s scheduler) toSuccess(ctx context.Context) error {
	config := s.original
	for attempt := int32(1); attempt <= maxAttempts; attempt++ {
		ref := &redrivev1.AttemptRef{Source: name, Job: s.job, Attempt: attempt}
		limit := int64(config.GetFields()["memory_mb"].GetNumberValue()) << 20
		fmt.Printf("attempt %d below %d MiB\n", attempt, limit>>20)
		evidence, ok, err := execute(s.args, limit)
		if err != nil {
			return err
		}
		call, cancel := context.WithTimeout(ctx, 20*time.Second)
		if ok {
			_, err := s.redrive.ReportSuccess(call, &redrivev1.ReportSuccessRequest{
				Attempt: ref, Type: s.kind, Config: s.original, AttemptConfig: config, Evidence: evidence,
			})
			cancel()
			if err == nil {
				fmt.Printf("attempt %d succeeded\n", attempt)
			}
			return err
		}
		config, err = s.afterFailure(call, ref, config, evidence)
		cancel()
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("gave up after %d attempts", maxAttempts)
}

// afterFailure asks Redrive, and returns the configuration of the next attempt.
func (s scheduler) afterFailure(ctx context.Context, ref *redrivev1.AttemptRef, config *structpb.Struct, e *redrivev1.Evidence) (*structpb.Struct, error) {
	f, err := s.classifier.Classify(ctx, &redrivev1.ClassifyRequest{
		Attempt: ref, Type: s.kind, Config: s.original, AttemptConfig: config, Evidence: e,
	})
	if err != nil {
		return nil, err
	}
	fmt.Printf("attempt %d failed: %s, %s (%s)\n", ref.GetAttempt(), f.GetClass(), f.GetVerdict(), f.GetSummary())
	if f.GetVerdict() == redrivev1.Verdict_VERDICT_DO_NOT_RETRY {
		return nil, errors.New("a retry does not help")
	}
	source := fmt.Sprintf("%s/%s", ref.GetSource(), ref.GetJob())
	res, err := s.configs.Resolve(ctx, &redrivev1.ResolveRequest{Job: source, Type: s.kind, Config: s.original})
	if err != nil {
		return nil, err
	}
	if f.GetVerdict() == redrivev1.Verdict_VERDICT_RETRY_WITH_CONFIG && len(res.GetApplied()) == 0 {
		return nil, fmt.Errorf("no other configuration is to be had: %s", f.GetRecommendation().GetReason())
	}
	fmt.Printf("resolved: %v by %v\n", res.GetConfig().AsMap(), res.GetApplied())
	return res.GetConfig(), nil
}
