package command

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	redrivev1 "github.com/redrive-io/redrive/proto/redrive/v1"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			version, commit := buildOf(a.version)
			return a.fields("version", version, "commit", commit, "go", runtime.Version(), "platform", runtime.GOOS+"/"+runtime.GOARCH,
				"proto", string(redrivev1.File_redrive_v1_scheduler_proto.Package()))
		},
	}
}

// buildOf returns the version that was built in, or else what the Go toolchain
// recorded.
func buildOf(version string) (string, string) {
	commit := "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return firstOf(version, "unknown"), commit
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				commit += " with changes"
			}
		}
	}
	return firstOf(version, info.Main.Version, "unknown"), commit
}
