package runner

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"sort"
	"strconv"

	"github.com/redrive-io/redrive/services/scheduler/internal/job"
)

// inherited are the variables that a task gets from the server's own
// environment. The rest stays with the server: it may hold secrets.
var inherited = []string{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME"}

// environment returns the complete environment of an attempt, sorted.
//
//	REDRIVE_JOB              the job's id
//	REDRIVE_RUN_ID           job and attempt: another for every attempt
//	REDRIVE_ATTEMPT          counted from 1
//	REDRIVE_IDEMPOTENCY_KEY  the same for all attempts of the job
//	REDRIVE_CONFIG           the attempt's configuration as JSON
func environment(j job.Job, a job.Attempt, task job.Task, object map[string]any) ([]string, error) {
	config := []byte("{}")
	if object != nil {
		var err error
		if config, err = json.Marshal(object); err != nil {
			return nil, fmt.Errorf("write configuration: %w", err)
		}
	}
	env := map[string]string{}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	maps.Copy(env, task.Env)
	env["REDRIVE_JOB"] = j.ID
	env["REDRIVE_RUN_ID"] = j.ID + "/" + strconv.Itoa(a.Number)
	env["REDRIVE_ATTEMPT"] = strconv.Itoa(a.Number)
	env["REDRIVE_IDEMPOTENCY_KEY"] = j.ID
	env["REDRIVE_CONFIG"] = string(config)
	all := make([]string, 0, len(env))
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	sort.Strings(all)
	return all, nil
}
