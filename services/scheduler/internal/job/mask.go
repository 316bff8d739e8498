package job

import "github.com/redrive-io/redrive/pkg/redact"

// Masked returns the job as it is shown and told: without secrets in its
// configurations, arguments and environment. What runs has the true values.
func (j Job) Masked() (Job, error) {
	if j.Task != nil {
		task := j.Task.masked()
		j.Task = &task
	}
	if !j.Own() { // its configurations were told without secrets
		return j, nil
	}
	var err error
	if j.Config, err = j.Config.Redacted(); err != nil {
		return j, err
	}
	attempts := make([]Attempt, len(j.Attempts))
	for i, a := range j.Attempts {
		if a.Config, err = a.Config.Redacted(); err != nil {
			return j, err
		}
		attempts[i] = a
	}
	j.Attempts = attempts
	return j, nil
}

func (t Task) masked() Task {
	args, env := make([]any, len(t.Args)), make(map[string]any, len(t.Env))
	for i, a := range t.Args {
		args[i] = a
	}
	for k, v := range t.Env {
		env[k] = v
	}
	all := redact.Config(map[string]any{"args": args, "env": env})
	out := Task{Args: make([]string, len(t.Args)), Env: make(map[string]string, len(t.Env)), WorkDir: t.WorkDir}
	if t.Spark != nil {
		out.Spark = t.Spark.each(redact.Text)
	}
	for i, a := range all["args"].([]any) {
		out.Args[i], _ = a.(string)
	}
	for k, v := range all["env"].(map[string]any) {
		out.Env[k], _ = v.(string)
	}
	return out
}

// unmasked returns t with the true values of old where t has what old looks
// like when it is shown: who changes one part of a task sends back the rest as
// it was read.
func (t Task) unmasked(old Task) Task {
	shown := old.masked()
	out := Task{Args: append([]string(nil), t.Args...), Env: make(map[string]string, len(t.Env)), WorkDir: t.WorkDir, Spark: t.Spark}
	if t.Spark != nil && old.Spark != nil {
		out.Spark = t.Spark.unmasked(*old.Spark, *shown.Spark)
	}
	for i, a := range out.Args {
		if i < len(old.Args) && a == shown.Args[i] {
			out.Args[i] = old.Args[i]
		}
	}
	for k, v := range t.Env {
		if masked, ok := shown.Env[k]; ok && v == masked {
			v = old.Env[k]
		}
		out.Env[k] = v
	}
	return out
}

// unmasked is Task.unmasked of what a task says of Spark.
func (s Spark) unmasked(old, shown Spark) *Spark {
	var olds []string
	old.each(func(text string) string { olds = append(olds, text); return text })
	truth := map[string]string{} // by what is shown of it
	shown.each(func(text string) string { truth[text], olds = olds[0], olds[1:]; return text })
	return s.each(func(text string) string {
		if old, ok := truth[text]; ok {
			return old
		}
		return text
	})
}
