package command_test

import (
	"testing"

	"github.com/redrive-io/redrive/cmd/redrive/internal/command"
)

func TestAdviseAnswersLines(t *testing.T) {
	const task = `"source":"s","workflow":"w","task_type":"sort","cores":2,"input_bytes":1000000,`
	outcome := `{"kind":"outcome","id":1,` + task + `"attempt":1,"ok":true,"mem_bytes":8589934592,"peak_bytes":1073741824,"runtime_s":60}` + "\n"
	allocate := `{"kind":"allocate","id":2,` + task + `"attempt":1,"preset_mem_bytes":8589934592,"cap_mem_bytes":137438953472,"failed":false}` + "\n"
	run(t, outcome+allocate, "advise").check(t, command.ExitOK, []string{`{"id":2,"action":"run","mem_bytes":`, `,"cores":2}` + "\n"}, nil)
	run(t, outcome, "advise").check(t, command.ExitOK, nil, nil)
	run(t, outcome+"{\n", "advise").check(t, command.ExitUsage, nil, []string{"line 2: "})
	run(t, "", "advise", "now").check(t, command.ExitUsage, nil, []string{"redrive advise"})
	run(t, "", "advise", "--cost-policy", "/no/such/file").check(t, command.ExitUsage, nil, []string{"/no/such/file"})
}
