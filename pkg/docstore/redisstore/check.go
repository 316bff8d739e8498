package redisstore

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/redrive-io/redrive/pkg/errs"
)

// oldest is the major version that has what the scripts use.
const oldest = 7

// settings are what a server must have so that it keeps what it acknowledged.
var settings = []struct{ name, want, otherwise, remedy string }{
	{
		"appendonly", "yes", "commits are not written to disk",
		"run CONFIG SET appendonly yes, wait until INFO persistence says aof_rewrite_in_progress:0, then CONFIG REWRITE; redis.conf: appendonly yes",
	},
	{"appendfsync", "always", "a crash loses acknowledged commits", "run CONFIG SET appendfsync always, then CONFIG REWRITE; redis.conf: appendfsync always"},
	{
		"no-appendfsync-on-rewrite", "no", "a crash during a rewrite of the log loses acknowledged commits",
		"run CONFIG SET no-appendfsync-on-rewrite no, then CONFIG REWRITE; redis.conf: no-appendfsync-on-rewrite no",
	},
	{
		"maxmemory-policy", "noeviction", "documents vanish when the memory is full",
		"run CONFIG SET maxmemory-policy noeviction, then CONFIG REWRITE; redis.conf: maxmemory-policy noeviction",
	},
}

// Reasons of refusals that mean something else where Sentinel is used.
const (
	replicaReason  = "REDIS_REPLICA"
	sentinelReason = "REDIS_SENTINEL"
)

// checkBySentinel checks a connection of a client that asks sentinels for the
// primary. It has connections to the sentinels too.
func checkBySentinel(ctx context.Context, c *redis.Conn) error {
	err := checkServer(ctx, c)
	e, _ := errors.AsType[*errs.Error](err)
	switch {
	case e == nil:
		return err
	case e.Reason == sentinelReason:
		return nil
	case e.Reason == replicaReason:
		// The sentinels have not agreed on the next primary yet.
		return errs.New(errs.Unavailable, "%w", err)
	}
	return err
}

// checkServer is errs.FailedPrecondition when the server could lose what it
// acknowledges, and else an error of the client library.
func checkServer(ctx context.Context, c interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
},
) error {
	var server, replication, persistence *redis.StringCmd
	found := make([]*redis.MapStringStringCmd, len(settings))
	// Errors are looked at one by one: which command fails says what is wrong.
	_, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		server, replication, persistence = p.Info(ctx, "server"), p.Info(ctx, "replication"), p.Info(ctx, "persistence")
		for i, s := range settings {
			found[i] = p.ConfigGet(ctx, s.name)
		}
		return nil
	})
	if err != nil && !isReply(err) {
		return err
	}
	if err := checkInfo(server, replication, persistence); err != nil {
		return err
	}
	for i, s := range settings {
		if err := found[i].Err(); err != nil {
			if text := replyText(err); strings.HasPrefix(text, "NOPERM") || strings.Contains(text, "unknown command") {
				return errs.New(errs.FailedPrecondition,
					"cannot check that the server keeps what it acknowledges: CONFIG GET is refused (%s); allow it to this user: ACL SETUSER NAME +config|get; a server that forbids it to all cannot be used", text)
			}
			return err
		}
		if value := found[i].Val()[s.name]; value != s.want {
			return errs.New(errs.FailedPrecondition, "the server's setting %s is %q, it must be %q: otherwise %s; %s", s.name, value, s.want, s.otherwise, s.remedy)
		}
	}
	return nil
}

func checkInfo(server, replication, persistence *redis.StringCmd) error {
	if err := errors.Join(server.Err(), replication.Err(), persistence.Err()); err != nil {
		for _, cmd := range []*redis.StringCmd{server, replication, persistence} {
			if strings.HasPrefix(replyText(cmd.Err()), "NOPERM") {
				return errs.New(errs.FailedPrecondition, "cannot check the server: INFO is refused (%s); allow it to this user: ACL SETUSER NAME +info", replyText(cmd.Err()))
			}
		}
		return err
	}
	info := parseInfo(server.Val())
	switch info["redis_mode"] {
	case "cluster":
		return errs.New(errs.FailedPrecondition, "the server is part of a Redis Cluster, where a commit cannot be one step: use one primary, with Sentinel or without (redis.conf: cluster-enabled no)")
	case "sentinel":
		return errs.Because(sentinelReason, errs.New(errs.FailedPrecondition, "the server is a sentinel, not a primary: name its master too (--redis-sentinel-master)"))
	}
	version := info["redis_version"]
	if major, err := strconv.Atoi(strings.SplitN(version, ".", 2)[0]); err != nil || major < oldest {
		return errs.New(errs.FailedPrecondition, "the server's version is %q; Redis %d.0 or later is needed", version, oldest)
	}
	if info := parseInfo(replication.Val()); info["role"] != "master" {
		return errs.Because(replicaReason, errs.New(errs.FailedPrecondition,
			"the server is a replica (role %q of %s:%s): name the primary, or make this one it with REPLICAOF NO ONE", info["role"], info["master_host"], info["master_port"]))
	}
	if info := parseInfo(persistence.Val()); info["aof_rewrite_in_progress"] == "1" && info["aof_base_size"] == "0" {
		return errs.New(errs.Unavailable, "the server's append-only file was switched on a moment ago and is not whole yet")
	}
	return nil
}

// parseInfo reads the answer of INFO: lines of name:value.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			info[name] = value
		}
	}
	return info
}
