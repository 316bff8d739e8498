// Package failpoint kills the process at a chosen step, so that tests can show
// that nothing is lost there. It does nothing unless the binary is built with
// the tag failpoint. With the tag,
//
//	REDRIVE_FAILPOINT=name#n      SIGKILL of this process at the n-th hit of
//	                              name, counted from 1; "#n" may be left out
//	REDRIVE_FAILPOINT_ONCE=file   only the process that makes this file is
//	                              killed: none, once it is there
//	REDRIVE_FAILPOINT_LOG=file    the name of every hit is appended to file
//
// are read at the first hit. The steps of the store are
// "commit.before:KINDS" and "commit.after:KINDS", with the kinds of the
// documents sorted and joined by "+"; those of the bus are
// "publish.before:TYPES", "publish.after:TYPES", "ack.before:CONSUMER" and
// "ack.after:CONSUMER".
package failpoint
