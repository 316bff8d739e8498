package sieve

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
)

// Automaton says where lines may match one of some patterns, in time that does
// not depend on what the patterns are. It is a deterministic automaton over
// bytes, made while it is used and bounded: it lets through more than the
// patterns do (word boundaries are everywhere, one character beyond ASCII is
// like another), never less. It may be used concurrently.
//
// See R. Cox, "Regular Expression Matching in the Wild", 2010, on automata
// that are made lazily.
type Automaton struct {
	insts     []inst
	starts    []uint32
	classes   [256]uint8
	bytes     []byte // one of each class
	shift     uint
	maxStates int
	// skims says that the automaton goes on over the ends of lines, and does not
	// stop where nothing can match any more.
	skims bool

	mu     sync.Mutex // held while the graph is made larger
	states map[string]uint32
	closed []uint32 // by instruction: the mark of the set that it is in
	mark   uint32
	now    atomic.Pointer[graph]
}

// inst is an instruction of one of the patterns' programs.
type inst struct {
	op       syntax.InstOp
	out, arg uint32
	set      class // the bytes that it goes on with
	beyond   bool  // a character beyond ASCII is one: each byte of it may be the last
	begin    bool  // only at the beginning of a line
	pattern  int   // that an InstMatch is of
}

// graph is the automaton as far as it is made. Its edges are never changed once
// they are known; a larger graph has the same states and more.
type graph struct {
	edges   []atomic.Uint32 // by state and class of byte
	sets    [][]uint32      // by state: the instructions it stands for
	matched [][]int         // by state: the patterns that end there
}

// An edge leads to a state, plus one; 0 is not known yet. The state that it
// leads to may be one where a pattern ends, or from which none can.
const (
	accepting = 1 << 31
	dead      = 1 << 30
	stateMask = dead - 1
)

// start is the state at the beginning of a line.
const start = 0

// NewAutomaton returns the automaton of patterns, which are numbered as they
// come. It has at most maxStates states.
func NewAutomaton(maxStates int, patterns ...*syntax.Regexp) (*Automaton, error) {
	return newAutomaton(maxStates, false, patterns)
}

func newAutomaton(maxStates int, skims bool, patterns []*syntax.Regexp) (*Automaton, error) {
	a := &Automaton{maxStates: max(maxStates, 2), skims: skims}
	for i, re := range patterns {
		if err := a.add(i, re); err != nil {
			return nil, err
		}
	}
	a.classify()
	a.closed = make([]uint32, len(a.insts))
	a.reset()
	return a, nil
}

func (a *Automaton) add(pattern int, re *syntax.Regexp) error {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return err
	}
	base := uint32(len(a.insts))
	for i := range prog.Inst {
		from := &prog.Inst[i]
		n := inst{op: from.Op, out: base + from.Out, arg: base + from.Arg, pattern: pattern}
		switch from.Op {
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			n.op = syntax.InstRune
			n.bytes(from)
		case syntax.InstEmptyWidth:
			n.begin = syntax.EmptyOp(from.Arg)&(syntax.EmptyBeginLine|syntax.EmptyBeginText) != 0
		}
		a.insts = append(a.insts, n)
	}
	a.starts = append(a.starts, base+uint32(prog.Start))
	return nil
}

// bytes works out which bytes a rune instruction goes on with.
func (n *inst) bytes(from *syntax.Inst) {
	switch from.Op {
	case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		n.beyond = true
	case syntax.InstRune1, syntax.InstRune:
		n.beyond = len(from.Rune) == 1 && syntax.Flags(from.Arg)&syntax.FoldCase != 0
		for _, r := range from.Rune {
			n.beyond = n.beyond || r >= 0x80
		}
	}
	for c := range 0x80 {
		if c != '\n' && from.MatchRune(rune(c)) {
			n.set.add(byte(c))
		}
	}
	if n.beyond {
		n.set[2], n.set[3] = ^uint64(0), ^uint64(0)
	}
}

// classify makes classes of bytes that no instruction tells apart.
func (a *Automaton) classify() {
	sets := map[class]bool{}
	for i := range a.insts {
		if a.insts[i].op == syntax.InstRune {
			sets[a.insts[i].set] = true
		}
	}
	a.classes['\n'] = 1
	count := 2
	for set := range sets {
		split := map[uint8]uint8{} // by class: the one of its bytes that are in the set
		var with, all [256]int
		for b := range 256 {
			all[a.classes[b]]++
			if set.has(byte(b)) {
				with[a.classes[b]]++
			}
		}
		for b := range 256 {
			c := a.classes[b]
			if !set.has(byte(b)) || with[c] == all[c] {
				continue
			}
			to, ok := split[c]
			if !ok {
				to = uint8(count)
				split[c] = to
				count++
			}
			a.classes[b] = to
		}
	}
	a.bytes = make([]byte, count)
	for b := range 256 {
		a.bytes[a.classes[b]] = byte(b)
	}
	for 1<<a.shift < count {
		a.shift++
	}
}

// reset forgets all states but the first.
func (a *Automaton) reset() {
	a.states = map[string]uint32{}
	a.now.Store(&graph{})
	a.mark++
	var set []uint32
	for _, s := range a.starts {
		set = a.follow(set, s, true)
	}
	a.state(set)
}

// follow adds an instruction and all that it leads to without a byte.
func (a *Automaton) follow(set []uint32, pc uint32, begin bool) []uint32 {
	if a.closed[pc] == a.mark {
		return set
	}
	n := &a.insts[pc]
	if n.begin && !begin {
		return set
	}
	a.closed[pc] = a.mark
	switch n.op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return a.follow(a.follow(set, n.out, begin), n.arg, begin)
	case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
		return a.follow(set, n.out, begin)
	case syntax.InstFail:
		return set
	}
	return append(set, pc)
}

// state returns the edge to the state of a set of instructions, which it makes
// where there is none. The graph must have room.
func (a *Automaton) state(set []uint32) uint32 {
	slices.Sort(set)
	key := make([]byte, 0, 4*len(set))
	for _, pc := range set {
		key = binary.LittleEndian.AppendUint32(key, pc)
	}
	if e, ok := a.states[string(key)]; ok {
		return e
	}
	g := a.now.Load()
	e := uint32(len(g.sets)) + 1
	var matched []int
	for _, pc := range set {
		if n := &a.insts[pc]; n.op == syntax.InstMatch {
			matched = append(matched, n.pattern)
		}
	}
	if len(matched) > 0 {
		e |= accepting
	}
	if len(set) == 0 && !a.skims {
		e |= dead
	}
	larger := &graph{edges: g.edges, sets: append(g.sets, set), matched: append(g.matched, matched)}
	if need := len(larger.sets) << a.shift; need > len(g.edges) {
		larger.edges = make([]atomic.Uint32, max(2*len(g.edges), need))
		for i := range g.edges {
			larger.edges[i].Store(g.edges[i].Load())
		}
	}
	a.now.Store(larger)
	a.states[string(key)] = e
	return e
}

// step makes the edge from a state, for a byte, and returns it with the graph
// that has it; ok is false when there is no room for another state.
func (a *Automaton) step(g *graph, from uint32, b byte) (next *graph, edge uint32, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := a.now.Load(); len(now.sets) < len(g.sets) {
		return g, 0, false // it was reset meanwhile
	}
	if len(a.now.Load().sets) >= a.maxStates {
		a.reset()
		return g, 0, false
	}
	if edge := a.now.Load().edges[from<<a.shift|uint32(a.classes[b])].Load(); edge != 0 {
		return a.now.Load(), edge, true // somebody else has just made it
	}
	a.mark++
	var set []uint32
	for _, pc := range g.sets[from] {
		n := &a.insts[pc]
		if n.op != syntax.InstRune || !n.set.has(b) {
			continue
		}
		set = a.follow(set, n.out, false)
		if n.beyond && b >= 0x80 {
			set = a.follow(set, pc, false)
		}
	}
	for _, s := range a.starts {
		set = a.follow(set, s, false)
	}
	if b == '\n' {
		set = g.sets[start]
	}
	edge = a.state(a.settled(set))
	now := a.now.Load()
	now.edges[from<<a.shift|uint32(a.classes[b])].Store(edge)
	return now, edge, true
}

// settled leaves out what else could match of a pattern that has just matched:
// the line is told already.
func (a *Automaton) settled(set []uint32) []uint32 {
	matched := func(pattern int) bool {
		return slices.ContainsFunc(set, func(pc uint32) bool {
			n := &a.insts[pc]
			return n.op == syntax.InstMatch && n.pattern == pattern
		})
	}
	var rest []uint32
	for _, pc := range set {
		if n := &a.insts[pc]; n.op == syntax.InstMatch || !matched(n.pattern) {
			rest = append(rest, pc)
		}
	}
	return rest
}

// May reports whether one of the patterns may match the line.
func (a *Automaton) May(line string) bool {
	g := a.now.Load()
	if len(g.matched[start]) > 0 {
		return true
	}
	state := uint32(start)
	for i := range len(line) {
		edge := g.edges[state<<a.shift|uint32(a.classes[line[i]])].Load()
		if edge == 0 {
			var ok bool
			if g, edge, ok = a.step(g, state, line[i]); !ok {
				return true
			}
		}
		if edge >= dead {
			return edge&accepting != 0
		}
		state = edge - 1
	}
	return false
}
