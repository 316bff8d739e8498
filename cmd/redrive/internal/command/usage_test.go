package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
	"github.com/redrive-io/redrive/cmd/redrive/internal/home"
	"github.com/redrive-io/redrive/pkg/serve"
)

func TestAWrongCommandLineSaysWhatWouldBeRight(t *testing.T) {
	folder := t.TempDir()
	job := filepath.Join(folder, "job.yaml")
	if err := os.WriteFile(job, []byte("type: {workflow: w}\nargz: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"job"}, `unknown command "job" for "redrive"; did you mean jobs?`},
		{[]string{"jobs", "lst"}, `unknown command "lst" for "redrive jobs"; did you mean list`},
		{[]string{"bananas"}, `unknown command "bananas" for "redrive"`},
		{[]string{"jobs", "list", "--sate", "x"}, "unknown flag: --sate"},
		{[]string{"jobs", "list", "--state", "lost"}, "must be queued, running, classifying, waiting, succeeded, failed or cancelled"},
		{[]string{"jobs", "list", "-o", "xml"}, "must be table, json or yaml"},
		{[]string{"jobs", "list", "--page-size", "0"}, "--page-size is at least 1"},
		{[]string{"jobs", "get"}, "write it as redrive jobs get NAME…"},
		{[]string{"cancel"}, "write it as redrive cancel JOB"},
		{[]string{"submit"}, "say what to run: a FILE, or -- COMMAND"},
		{[]string{"submit", "python3", "x.py"}, "a command is written after --: redrive submit -- python3"},
		{[]string{"submit", "/no/such/file"}, "/no/such/file"},
		{[]string{"submit", job}, `unknown field "argz"`},
		{[]string{"submit", "--memory", "512", "--", "x"}, "not a size such as 512MiB or 2GiB"},
		{[]string{"submit", "--memory", "1.0001MiB", "--", "x"}, "not a whole number of MiB"},
		{[]string{"submit", "--memory", "1G", "--engine", "spark", "--", "x"}, "--config spark.executor.memory=4g"},
		{[]string{"submit", "--input-bytes", "12XB", "--", "x"}, "not a size such as 1500000000, 512MiB or 1.5GiB"},
		{[]string{"submit", "--input-bytes", "9999999999TiB", "--", "x"}, "is too large"},
		{[]string{"submit", "--config", "x", "--", "x"}, "not KEY=VALUE"},
		{[]string{"submit", "--label", "=x", "--", "x"}, "not KEY=VALUE"},
		{[]string{"submit", folder}, folder + ": is a directory"},
		{[]string{"rules", "test", "no-such.yaml", "x.log"}, "there is no file no-such.yaml"},
		{[]string{"rules", "diff", "x", "first"}, "`redrive rules history x` lists them"},
		{[]string{"rules", "diff", "x", "0"}, "not the number of a revision"},
		{[]string{"rules", "apply", folder + "/none.yaml"}, "no such file"},
		{[]string{"rules", "apply", filepath.Join(folder, "empty")}, "has no *.yaml files"},
		{[]string{"serve", "--log-level", "loud"}, "must be debug, info, warn or error"},
		{[]string{"serve", "--log-root", job}, "is not a folder"},
		{[]string{"serve", "--stop-timeout", "-1s"}, "is negative"},
		{[]string{"serve", "classifier"}, "give --nats nats://HOST:PORT and --redis redis://HOST:PORT"},
		{[]string{"serve", "webserver"}, `there is no service "webserver"`},
		{[]string{"serve", "--grpc-addr", "0.0.0.0:0", "--data", filepath.Join(t.TempDir(), "d")}, "--insecure-listen"},
		{[]string{"serve", "--http-addr", "nonsense", "--data", filepath.Join(t.TempDir(), "d")}, "not HOST:PORT"},
		{[]string{"--server", "nonsense", "jobs", "list"}, "not HOST:PORT"},
		{[]string{"--server", "10.1.2.3:8470", "jobs", "list"}, "http://10.1.2.3:8470 to send the token unencrypted"},
		{[]string{"--server", "ftp://10.1.2.3:8470", "jobs", "list"}, "neither https nor http"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			r := run(t, "", tc.args...)
			r.check(t, command.ExitUsage, nil, []string{"error: ", tc.want})
			if r.stdout != "" {
				t.Errorf("stdout = %q, want nothing", r.stdout)
			}
		})
	}
}

func TestWithoutAServerTheErrorSaysHowToStartOne(t *testing.T) {
	dir := t.TempDir()
	run(t, "", "--data", dir, "jobs", "list").check(t, command.ExitNegative, nil, []string{"no server runs on the data folder " + dir, "`redrive serve`"})

	lock, err := home.Folder(dir).Open()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // the folder goes with the test
	if err := lock.Publish(home.Endpoint{PID: 1 << 30, GRPC: "127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	run(t, "", "--data", dir, "jobs", "list").check(t, command.ExitNegative, nil, []string{"is gone", "`redrive serve`"})

	t.Setenv("REDRIVE_TOKEN", serve.NewToken())
	runHere(t, "", "--server", "127.0.0.1:1", "jobs", "list").check(t, command.ExitNegative, nil, []string{"no server at 127.0.0.1:1: start one with `redrive serve`"})
}

func TestWithoutATokenTheErrorSaysWhereItIs(t *testing.T) {
	dir := t.TempDir()
	run(t, "", "--data", dir, "--server", "127.0.0.1:1", "jobs", "list").check(t, command.ExitNegative, nil, []string{"--token-file", "REDRIVE_TOKEN"})
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(serve.NewToken()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "", "--server", "127.0.0.1:1", "--token-file", file, "jobs", "list").check(t, command.ExitNegative, nil, []string{"chmod 600"})
}

func TestHelpIsThereForEverything(t *testing.T) {
	r := run(t, "", "--help")
	r.check(t, command.ExitOK, []string{"serve ", "submit ", "explain ", "version ", "--data"}, nil)
	for _, args := range []string{
		"serve", "submit", "retry", "cancel", "explain", "version", "jobs", "jobs list", "jobs get", "failures list", "rules create",
		"rules update", "rules delete", "rules test", "rules lint", "rules backtest", "rules backtests", "rules stats",
		"failures reclassify", "rules history", "rules diff", "rules rollback", "rules apply", "rules export", "patches promote", "patches revoke", "alerts ack", "alerts resolve",
	} {
		run(t, "", append(strings.Fields(args), "--help")...).check(t, command.ExitOK, []string{"redrive " + args, "Usage:"}, nil)
	}
	r = run(t, "")
	r.check(t, command.ExitUsage, nil, []string{"Usage:"})
	if r.stdout != "" {
		t.Errorf("stdout = %q, want nothing", r.stdout)
	}
}

func TestServeHasFewFlagsUnderEachHeading(t *testing.T) {
	r := run(t, "", "serve", "--help")
	own, _, _ := strings.Cut(r.stdout, "Global Flags:")
	for group := range strings.SplitSeq(own, "\n\n") {
		if n := strings.Count("\n"+group, "\n      --"); n > 8 {
			t.Errorf("a heading has %d flags, want 8 at most:\n%s", n, group)
		}
	}
	for line := range strings.SplitSeq(own, "\n") {
		if len(line) > 130 {
			t.Errorf("a line has %d characters: %s", len(line), line)
		}
	}
	for _, want := range []string{"--peer configsvc=configsvc:8470", "Several processes:", "Redis:"} {
		if !strings.Contains(own, want) {
			t.Errorf("the help lacks %q", want)
		}
	}
}

func TestVersion(t *testing.T) {
	run(t, "", "version").check(t, command.ExitOK, []string{"version   v1.2.3", "go        go1.", "proto     redrive.v1"}, nil)
}
