package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/redrive-io/redrive/cmd/redrive/internal/screen"
)

// resource is what `list` and `get` need to know of one kind of thing.
type resource[T proto.Message] struct {
	one, many string // "job", "jobs"
	names     string // the collection of the names, where it is not many
	get       func(ctx context.Context, conn *grpc.ClientConn, name string) (T, error)
	// filters adds the flags of list and returns the call that honours them.
	filters func(cmd *cobra.Command) pageOf[T]
	heading []string
	row     func(a *app, t T) []string
	show    func(a *app, t T) error
}

// collection is what the names begin with.
func (r resource[T]) collection() string {
	if r.names != "" {
		return r.names
	}
	return r.many
}

// pageOf gets one page.
type pageOf[T proto.Message] func(ctx context.Context, conn *grpc.ClientConn, size int32, token string) (all []T, next string, err error)

// limits of list.
const (
	defaultPage  = 100
	defaultLimit = 1000
)

// listCommand returns `redrive jobs list`.
func (r resource[T]) listCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List " + r.many, Args: cobra.NoArgs, Aliases: []string{"ls"}}
	page := r.filters(cmd)
	f := addFormat(cmd)
	size := cmd.Flags().Int32("page-size", defaultPage, "how many to ask the server for at a time, at most 1000")
	limit := cmd.Flags().Int("limit", defaultLimit, "how many to show at most; 0 for all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *size < 1 || *limit < 0 {
			return usagef("--page-size is at least 1, and --limit at least 0")
		}
		conn, err := a.dial()
		if err != nil {
			return err
		}
		all, more, err := collect(cmd.Context(), conn, page, *size, *limit)
		if err != nil {
			return err
		}
		if more {
			a.say("There are more %s than these %d; --limit shows more.", r.many, len(all))
		}
		return r.print(a, *f, all)
	}
	return cmd
}

// collect gets pages until there is nothing more or limit are there.
func collect[T proto.Message](ctx context.Context, conn *grpc.ClientConn, page pageOf[T], size int32, limit int) (all []T, more bool, err error) {
	for token := ""; ; {
		if limit > 0 {
			size = min(size, int32(max(limit-len(all), 1)))
		}
		items, next, err := page(ctx, conn, size, token)
		if err != nil {
			return nil, false, err
		}
		all = append(all, items...)
		switch {
		case next == "":
			return all, false, nil
		case limit > 0 && len(all) >= limit:
			return all, true, nil
		}
		token = next
	}
}

func (r resource[T]) print(a *app, f format, all []T) error {
	if f != "table" {
		return writeList(f, a.stdout, r.collection(), all)
	}
	if len(all) == 0 {
		a.say("There are no such %s.", r.many)
		return nil
	}
	rows := make([][]string, len(all))
	for i, t := range all {
		rows[i] = r.row(a, t)
	}
	return a.out.Table(a.stdout, r.heading, rows)
}

// getCommand returns `redrive jobs get`.
func (r resource[T]) getCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get NAME…",
		Short: "Show one or more " + r.many,
		Long:  fmt.Sprintf("Show one or more %s. A NAME is \"%s/ID\", or the ID alone.", r.many, r.collection()),
		Args:  takes(1, -1),
	}
	f := addFormat(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		for i, arg := range args {
			t, err := r.get(cmd.Context(), conn, nameOf(r.collection(), arg))
			if err != nil {
				return err
			}
			if i > 0 && *f != "json" {
				separator := map[format]string{"yaml": "---"}[*f]
				if _, err := fmt.Fprintln(a.stdout, separator); err != nil {
					return err
				}
			}
			if err := r.showOne(a, *f, t); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (r resource[T]) showOne(a *app, f format, t T) error {
	if f != "table" {
		return f.write(a.stdout, t)
	}
	return r.show(a, t)
}

// change returns a command that does something to one thing and shows what came
// of it: say is the sentence for people.
func (r resource[T]) change(a *app, use, short, long string, flags func(cmd *cobra.Command),
	do func(ctx context.Context, conn *grpc.ClientConn, name string) (T, error), say func(t T) string,
) *cobra.Command {
	cmd := &cobra.Command{Use: use + " " + strings.ToUpper(r.one), Short: short, Long: long, Args: takes(1, 1)}
	f := addFormat(cmd)
	if flags != nil {
		flags(cmd)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		conn, err := a.dial()
		if err != nil {
			return err
		}
		t, err := do(cmd.Context(), conn, nameOf(r.collection(), args[0]))
		if err != nil {
			return err
		}
		if *f != "table" {
			return f.write(a.stdout, t)
		}
		_, err = fmt.Fprintln(a.stdout, say(t))
		return err
	}
	return cmd
}

// nameOf returns the resource name that arg means: "jobs/a" for "a".
func nameOf(collection, arg string) string {
	if strings.Contains(arg, "/") {
		return arg
	}
	return collection + "/" + arg
}

// fields writes names and values below each other, leaving out what is empty.
func (a *app) fields(pairs ...string) error {
	width := 0
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			width = max(width, len(pairs[i]))
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.stdout, "%s  %s\n", a.out.Faint(fmt.Sprintf("%-*s", width, pairs[i])), pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// clean is for text that jobs and other people wrote.
func clean(s string) string { return screen.Clean(s) }
