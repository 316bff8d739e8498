package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/redrive-io/redrive/pkg/errs"
	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) ruleApply() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "apply FILE|FOLDER…",
		Short: "Make the rules of packs what files say",
		Long: `Make the rules of packs what files say: rules are created and changed, and with
--prune those that their pack has no more are deleted. All of it is done or
nothing, and what is as it should be is left alone. A rule with the id of a
built-in one overrides it. Of a FOLDER all *.yaml files are taken; - is stdin.

  pack: license
  rules:
    - id: license-server
      order: 4200
      any: ['could not reach license server (?P<host>\S+)']
      class: dependency.unavailable
      summary: "the license server {host} is down"

  redrive rules apply rules/ --prune --dry-run

The status of a dry run is 1 when the real one would be refused.`,
		Args: takes(1, -1),
	}
	prune := cmd.Flags().Bool("prune", false, "delete the rules of these packs that the files have no more")
	dryRun := cmd.Flags().Bool("dry-run", false, "only say what would change")
	w := addWhy(cmd)
	w.addForce(cmd)
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := a.readPacks(args)
		if err != nil {
			return err
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		resp, err := redrivev1.NewClassifierServiceClient(conn).ApplyRules(cmd.Context(), &redrivev1.ApplyRulesRequest{
			Yaml: text, Prune: *prune, ValidateOnly: *dryRun, Force: w.force, Author: w.author, Reason: w.reason,
		})
		if err != nil {
			return err
		}
		if *f != "table" {
			err = f.write(a.stdout, resp)
		} else {
			err = a.showApplied(resp, *dryRun)
		}
		if err == nil && len(resp.GetRefusals()) > 0 {
			err = errNegative
		}
		return err
	}
	return cmd
}

// readPacks returns the YAML of all files, one document after the other.
func (a *app) readPacks(args []string) (string, error) {
	var all []string
	for _, arg := range args {
		names := []string{arg}
		if info, err := os.Stat(arg); err == nil && info.IsDir() {
			if names, err = filepath.Glob(filepath.Join(arg, "*.yaml")); err != nil {
				return "", usageError{err}
			}
			if len(names) == 0 {
				return "", usagef("the folder %s has no *.yaml files", arg)
			}
		}
		for _, name := range names {
			text, err := a.readFile(name)
			if err != nil {
				return "", err
			}
			if err := checkYAML(string(text)); err != nil {
				return "", errs.New(errs.Invalid, "%s: %w", name, err)
			}
			all = append(all, string(text))
		}
	}
	return strings.Join(all, "\n---\n"), nil
}

// checkYAML says what is no YAML in text, before it is one of many.
func checkYAML(text string) error {
	for d := yaml.NewDecoder(strings.NewReader(text)); ; {
		if err := d.Decode(new(yaml.Node)); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (a *app) showApplied(r *redrivev1.ApplyRulesResponse, dryRun bool) error {
	for _, rev := range r.GetRevisions() {
		name := rev.GetRule().GetName()
		line := a.out.Warn("~ " + name)
		switch {
		case rev.GetAction() == redrivev1.RuleRevision_ACTION_DELETE && rev.GetRule().GetOverridden():
			line = a.out.Bad("- "+name) + ": the built-in rule is back"
		case rev.GetAction() == redrivev1.RuleRevision_ACTION_DELETE:
			line = a.out.Bad("- " + name)
		case len(rev.GetChanges()) == 0:
			line = a.out.Good("+ "+name) + ": " + clean(rev.GetRule().GetSummary())
		}
		if _, err := fmt.Fprintln(a.stdout, line); err != nil {
			return err
		}
		a.showChanges(rev.GetChanges())
	}
	for _, refusal := range r.GetRefusals() {
		a.say("%s", clean(refusal))
	}
	verb := "changed"
	if dryRun {
		verb = "would change"
	}
	_, err := fmt.Fprintf(a.stdout, "%s %s, %d stay as they are\n", counted(len(r.GetRevisions()), "rule"), verb, r.GetUnchanged())
	return err
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (a *app) ruleExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write rules as packs for apply",
		Long: `Write rules as YAML packs that "redrive rules apply" takes, to stdout: all that
were made here and all that stand over built-in ones.

  redrive rules export > rules.yaml
  redrive rules export --pack spark --built-in`,
		Args: cobra.NoArgs,
	}
	pack := cmd.Flags().String("pack", "", "only rules of this pack")
	builtIn := cmd.Flags().Bool("built-in", false, "the built-in rules as well")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		resp, err := redrivev1.NewClassifierServiceClient(conn).ExportRules(cmd.Context(), &redrivev1.ExportRulesRequest{Pack: *pack, BuiltIn: *builtIn})
		if err != nil {
			return err
		}
		if resp.GetCount() == 0 {
			hint := ""
			if !*builtIn {
				hint = "; --built-in writes those that came with Redrive"
			}
			a.say("There are no such rules%s.", hint)
		}
		_, err = io.WriteString(a.stdout, resp.GetYaml())
		return err
	}
	return cmd
}
