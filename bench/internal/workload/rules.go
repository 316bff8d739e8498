// Package workload makes rules and logs for the comparison of rule engines:
// always the same for the same numbers.
package workload

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Rule is a rule of the comparison. A smaller index is tried first.
type Rule struct {
	Pattern string // RE2; it sees one line at a time
	Sample  string // a part of a line that matches
	Literal bool   // every line that matches has a text of some length
}

// Of a hundred rules so many ignore case or have alternatives; the rest are
// plain texts and texts with a gap. A given number has no literal.
const (
	ignoreCase   = 15
	alternatives = 10
)

// words are what names are made of.
var (
	things    = strings.Fields("Account Batch Booking Branch Cargo Channel Claim Contract Coupon Delivery Device Fleet Grant Journal Label Lease Ledger Market Member Merchant Meter Notice Offer Order Outlet Parcel Payout Permit Plan Policy Price Quote Receipt Refund Region Route Sensor Shard Stock Tariff Ticket Trade Vendor Voucher Wallet Zone")
	roles     = strings.Fields("Archive Balancer Builder Checker Cleaner Collector Copier Crawler Driver Emitter Exporter Feeder Filter Grouper Importer Keeper Linker Loader Monitor Packer Poller Publisher Ranker Sender Sorter Tracker Updater Watcher")
	ends      = strings.Fields("Error Exception Failure Violation")
	companies = strings.Fields("contoso fabrikam litware northwind proseware tailspin wingtip adatum")
	areas     = strings.Fields("intake lakehouse marts ranking settle stage telemetry vault")
	hosts     = strings.Fields("hdp04 hive02 kfk11 meta01 mysql07 nn03 oss05 redis06 zk09")
	troubles  = []string{
		"could not obtain the lock", "column type does not fit", "manifest is out of date", "driver heartbeat was lost", "parquet footer is damaged",
		"stream ended too early", "too many segments are open", "device has no space left", "grant was withdrawn", "pipe broke during write",
		"checksum does not agree", "primary key is taken", "shard is in a deadlock", "rename of staging path failed", "file lease ran out",
		"session token was withdrawn", "certificate is out of date", "object store asks to slow down", "codec version is not known", "magic number of block is wrong",
	}
)

// Rules returns n different rules, of which this many in a hundred have no
// literal.
func Rules(n, blind int) []Rule {
	g := &generator{rand.New(rand.NewPCG(42, uint64(blind)))}
	seen := map[string]bool{}
	var all []Rule
	for len(all) < n {
		var r Rule
		switch p := g.IntN(100); {
		case p < blind:
			r = g.blind()
		case p < blind+alternatives:
			r = g.choice()
		case p < blind+alternatives+ignoreCase:
			r = g.anyCase()
		default:
			r = g.plain()
		}
		if !seen[r.Pattern] {
			seen[r.Pattern] = true
			all = append(all, r)
		}
	}
	return all
}

type generator struct{ *rand.Rand }

func (g *generator) one(of []string) string { return of[g.IntN(len(of))] }

func (g *generator) number() int { return 100 + g.IntN(900) }

func (g *generator) class() string { return g.one(things) + g.one(roles) + g.one(ends) }

func (g *generator) table() string { return strings.ToLower(g.one(things) + "_" + g.one(roles)) }

func quoted(s string) string { return strings.ReplaceAll(s, ".", `\.`) }

// blind is a rule of numbers and classes of letters: three digits are all that
// is sure.
func (g *generator) blind() Rule {
	n, k := g.number(), 2+g.IntN(7)
	switch g.IntN(5) {
	case 0:
		letters := 2 + g.IntN(3)
		return Rule{
			Pattern: fmt.Sprintf(`\b[A-Z]{%d}%d\d{%d}[a-z]{%d}\b`, letters, n, k+2, k),
			Sample:  "ref " + strings.Repeat("V", letters) + fmt.Sprint(n) + strings.Repeat("5", k+2) + strings.Repeat("q", k) + " .",
		}
	case 1:
		return Rule{Pattern: fmt.Sprintf(`\b%d[A-Z]\d+:\d+\s\(\w+\)\s\d+%%`, n), Sample: fmt.Sprintf("at %dK31:09 (mid) 64%% of", n)}
	case 2:
		return Rule{
			Pattern: fmt.Sprintf(`^\s*[a-z]+\s+%d\s+[A-Z]{%d}\s+\d+$`, n, k+1),
			Sample:  fmt.Sprintf("\n  step %d %s 40\n", n, strings.Repeat("W", k+1)),
		}
	case 3:
		return Rule{Pattern: fmt.Sprintf(`[a-z]\w*@%d-\d{%d}(?:\s+\S+)?\s+[!?]`, n, k), Sample: fmt.Sprintf("job@%d-%s ? ", n, strings.Repeat("8", k))}
	default:
		return Rule{Pattern: fmt.Sprintf(`\d{%d}~[a-f0-9]{4}~%d`, k, n), Sample: strings.Repeat("3", k) + "~cafe~" + fmt.Sprint(n)}
	}
}

func (g *generator) choice() Rule {
	table := g.table()
	r := Rule{Literal: true}
	switch g.IntN(3) {
	case 0:
		a, b, c := g.one(troubles), g.one(troubles), g.one(troubles)
		r.Pattern, r.Sample = fmt.Sprintf(`(?:%s|%s|%s) .*%s`, a, b, c, table), b+" in "+table
	case 1:
		host, port := g.one(hosts), g.number()
		r.Pattern, r.Sample = fmt.Sprintf(`link (?:went away|was reset|timed out).*%s:%d`, host, port), fmt.Sprintf("link was reset by %s:%d", host, port)
	default:
		code := g.number()*100 + g.IntN(100)
		r.Pattern, r.Sample = fmt.Sprintf(`(?:TNS|DB2|MSSQL)-%d: .*`, code), fmt.Sprintf("DB2-%d: no luck", code)
	}
	return r
}

func (g *generator) anyCase() Rule {
	table, n := g.table(), g.number()
	r := Rule{Literal: true}
	switch g.IntN(4) {
	case 0:
		r.Pattern, r.Sample = fmt.Sprintf(`(?i)entry forbidden.*%s.*%d`, table, n), fmt.Sprintf("Entry Forbidden on %s code %d", table, n)
	case 1:
		r.Pattern, r.Sample = fmt.Sprintf(`(?i)no right to read: role=\w+.*%s`, table), "No right to READ: role=etl path=/"+table
	case 2:
		r.Pattern, r.Sample = fmt.Sprintf(`(?i)allowance used up for %s`, table), "Allowance Used Up For "+table
	default:
		trouble := g.one(troubles)
		r.Pattern, r.Sample = fmt.Sprintf(`(?i)%s (?:on|in|at) %s\b`, trouble, table), strings.ToUpper(trouble)+" in "+table+" "
	}
	return r
}

func (g *generator) plain() Rule {
	class, table, trouble, n := g.class(), g.table(), g.one(troubles), g.number()
	name := "com." + g.one(companies) + "." + g.one(areas) + "." + class
	r := Rule{Literal: true}
	switch g.IntN(10) {
	case 0:
		r.Sample = "java.lang.OutOfMemoryError: Java heap space in " + name
		r.Pattern = quoted(r.Sample)
	case 1:
		r.Pattern = fmt.Sprintf(`ExecutorLostFailure \(executor \d+ exited.*exit code %d.*%s`, n, class)
		r.Sample = fmt.Sprintf("ExecutorLostFailure (executor 9 exited unrelated to the running tasks) exit code %d %s", n, class)
	case 2, 3:
		r.Pattern, r.Sample = quoted(name)+`: .*`, name+": no luck"
	case 4:
		r.Pattern, r.Sample = fmt.Sprintf(`TNS-%d%02d: .*%s`, n, n%100, table), fmt.Sprintf("TNS-%d%02d: lost %s", n, n%100, table)
	case 5:
		r.Pattern = fmt.Sprintf(`Container was killed by YARN for its memory.*%d\.\d GB of %d GB used`, n, n)
		r.Sample = fmt.Sprintf("Container was killed by YARN for its memory: %d.5 GB of %d GB used", n, n)
	case 6:
		company := g.one(companies)
		r.Pattern = fmt.Sprintf(`FileNotFoundException: (?:hdfs|s3a)://%s-%s/.*\.parquet`, company, table)
		r.Sample = fmt.Sprintf("FileNotFoundException: s3a://%s-%s/d=1/x.parquet", company, table)
	case 7:
		pod := strings.ReplaceAll(table, "_", "-")
		r.Pattern, r.Sample = fmt.Sprintf(`pod "?%s-[a-z0-9]{5}"? .*OOMKilled`, pod), fmt.Sprintf(`pod "%s-k4m9z" reason OOMKilled`, pod)
	case 8:
		r.Pattern, r.Sample = fmt.Sprintf(`^\d{4}-\d{2}-\d{2} [\d:,]+ ERROR .*%s: %s`, class, trouble), "\n2026-01-02 03:04:05,678 ERROR [w-1] a."+class+": "+trouble
	default:
		r.Pattern, r.Sample = fmt.Sprintf(`\w+%s: %s.*%s`, class, trouble, table), "My"+class+": "+trouble+" of "+table
	}
	return r
}
