// Command eval says how right the built-in rules are on logs whose classes are
// known: `make eval-rules`. It hands them to `redrive classify --jsonl`, prints
// what became of each class, and fails where too much is wrong.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

func main() {
	redrive := flag.String("redrive", "bin/redrive", "the binary whose rules are judged")
	corpus := flag.String("corpus", "", `logs as JSON lines with "id", "text" and "class"; the class is "none" of a log without a failure and "unknown" of one that does not say its cause`)
	verbose := flag.Bool("v", false, "list every text that is not right")
	flag.Parse()
	if err := run(*redrive, *corpus, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "eval-rules:", err)
		os.Exit(1)
	}
}

func run(redrive, corpus string, verbose bool) error {
	asked, err := os.ReadFile(corpus)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Printf("eval-rules: skipped: there is no corpus %s; name one with CORPUS=FILE\n", corpus)
		return nil
	}
	if err != nil {
		return err
	}
	cmd := exec.Command(redrive, "classify", "--jsonl", corpus)
	var answers bytes.Buffer
	cmd.Stdout, cmd.Stderr = &answers, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s classify --jsonl %s: %w", redrive, corpus, err)
	}
	all, err := read(bytes.NewReader(asked), &answers)
	if err != nil {
		return err
	}
	c := score(all)
	c.write(os.Stdout, verbose)
	return c.judge()
}
