package command

import (
	"os/user"

	"github.com/spf13/cobra"
)

// why is what the audit trail says of a change of rules.
type why struct {
	author, reason string
	force          bool
}

// addWhy gives cmd the flags of a change.
func addWhy(cmd *cobra.Command) *why {
	w := &why{}
	cmd.Flags().StringVar(&w.author, "author", me(), "who makes the change, for the audit trail")
	cmd.Flags().StringVar(&w.reason, "reason", "", "why, for the audit trail")
	return w
}

// addForce gives cmd the flag of changes that need a proof.
func (w *why) addForce(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&w.force, "force", false, "let rules decide although no backtest of them is done")
}

// me is the user's name in the operating system, or empty.
func me() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}
