package lint

import (
	"cmp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// answer is what a question about patterns has.
type answer int

const (
	unsure answer = iota // it would take too long to find out
	yes
	no
)

// maxMoves bounds what one question costs.
const maxMoves = 300_000

// includes reports whether every line on which narrow is found is one on which
// one of wide is found. It looks for a line that says otherwise: it walks one
// thread of narrow and all threads of wide together, over one letter of each
// kind that the patterns tell apart. Lines have no line ends in them.
func includes(wide []string, narrow string) answer {
	if slices.Contains(wide, narrow) {
		return yes
	}
	w, err := program("(?:" + strings.Join(wide, ")|(?:") + ")")
	if err != nil || len(wide) == 0 {
		return unsure
	}
	n, err := program(narrow)
	if err != nil {
		return unsure
	}
	s := search{narrow: n, wide: w, letters: letters(n, w), ids: map[string]int{}, seen: map[node]bool{}, moves: map[move]int{}}
	return s.run()
}

func program(pattern string) (*syntax.Prog, error) {
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	return syntax.Compile(tree.Simplify())
}

// letters returns one letter of each kind.
func letters(all ...*syntax.Prog) []rune {
	cuts := []rune{0, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1}
	for _, p := range all {
		for _, inst := range p.Inst {
			for i := 0; i < len(inst.Rune); i++ {
				r := inst.Rune[i]
				if len(inst.Rune) == 1 { // one letter, or all that it folds to
					for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
						cuts = append(cuts, f, f+1)
					}
					cuts = append(cuts, r, r+1)
				} else {
					cuts = append(cuts, r+rune(i%2)) // the first of a range, or behind the last
				}
			}
		}
	}
	slices.SortFunc(cuts, func(a, b rune) int { return cmp.Compare(a, b) })
	return slices.DeleteFunc(slices.Compact(cuts), func(r rune) bool { return r == '\n' || r > unicode.MaxRune })
}

// The states of narrow besides its instructions, and the one of wide that was
// found.
const (
	waiting = -1 // it has not begun
	found   = -2
)

// before is what stood before a letter, as far as it matters.
var before = [...]rune{-1, 'a', ' '}

func kindOf(r rune) int {
	if syntax.IsWordChar(r) {
		return 1
	}
	return 2
}

// node is a place in the walk: narrow's state, wide's, and what stood before.
type node struct{ narrow, wide, before int }

// move is a step of wide.
type move struct{ wide, before, letter int }

type search struct {
	narrow, wide *syntax.Prog
	letters      []rune
	sets         [][]uint32     // wide's states: the instructions before which its threads are
	ids          map[string]int // of sets
	moves        map[move]int
	seen         map[node]bool
	todo         []node
	cost         int
}

func (s *search) run() answer {
	s.visit(node{waiting, s.set(nil), 0})
	for len(s.todo) > 0 {
		at := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		if s.ends(at) {
			return no
		}
		for i, r := range s.letters {
			if s.cost++; s.cost > maxMoves {
				return unsure
			}
			wide := s.wideMove(at.wide, at.before, i)
			if wide == found {
				continue
			}
			for _, next := range s.narrowMoves(at.narrow, at.before, r) {
				s.visit(node{next, wide, kindOf(r)})
			}
		}
	}
	return yes
}

func (s *search) visit(n node) {
	if !s.seen[n] {
		s.seen[n] = true
		s.todo = append(s.todo, n)
	}
}

// ends reports whether the line may end here, with narrow found and wide not.
func (s *search) ends(n node) bool {
	flags := syntax.EmptyOpContext(before[n.before], -1)
	if n.narrow != found {
		pc := uint32(s.narrow.Start)
		if n.narrow != waiting {
			pc = uint32(n.narrow)
		}
		if _, done := closure(s.narrow, flags, pc); !done {
			return false
		}
	}
	_, done := closure(s.wide, flags, append(slices.Clone(s.sets[n.wide]), uint32(s.wide.Start))...)
	return !done
}

// narrowMoves returns where one thread of narrow may be after r.
func (s *search) narrowMoves(state, prev int, r rune) []int {
	if state == found {
		return []int{found}
	}
	flags := syntax.EmptyOpContext(before[prev], r)
	pc, all := uint32(s.narrow.Start), []int(nil)
	if state == waiting {
		all = append(all, waiting)
	} else {
		pc = uint32(state)
	}
	at, done := closure(s.narrow, flags, pc)
	if done {
		return []int{found}
	}
	for _, pc := range at {
		if inst := &s.narrow.Inst[pc]; inst.MatchRune(r) {
			all = append(all, int(inst.Out))
		}
	}
	return all
}

// wideMove returns the state of all threads of wide after a letter.
func (s *search) wideMove(state, prev, letter int) int {
	key := move{state, prev, letter}
	if next, ok := s.moves[key]; ok {
		return next
	}
	r := s.letters[letter]
	at, done := closure(s.wide, syntax.EmptyOpContext(before[prev], r), append(slices.Clone(s.sets[state]), uint32(s.wide.Start))...)
	next := found
	if !done {
		var set []uint32
		for _, pc := range at {
			if inst := &s.wide.Inst[pc]; inst.MatchRune(r) {
				set = append(set, inst.Out)
			}
		}
		next = s.set(set)
	}
	s.cost += len(at)
	s.moves[key] = next
	return next
}

func (s *search) set(pcs []uint32) int {
	slices.Sort(pcs)
	pcs = slices.Compact(pcs)
	key := make([]byte, 0, 4*len(pcs))
	for _, pc := range pcs {
		key = append(key, byte(pc), byte(pc>>8), byte(pc>>16))
	}
	id, ok := s.ids[string(key)]
	if !ok {
		id = len(s.sets)
		s.ids[string(key)] = id
		s.sets = append(s.sets, pcs)
	}
	return id
}

// closure returns the instructions that wait for a letter, as far as they are
// reached from pcs without one, and whether the pattern is found.
func closure(p *syntax.Prog, flags syntax.EmptyOp, pcs ...uint32) (at []uint32, done bool) {
	seen := map[uint32]bool{}
	for len(pcs) > 0 {
		pc := pcs[len(pcs)-1]
		pcs = pcs[:len(pcs)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch inst := &p.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			pcs = append(pcs, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			pcs = append(pcs, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^flags == 0 {
				pcs = append(pcs, inst.Out)
			}
		case syntax.InstMatch:
			return nil, true
		case syntax.InstFail:
		default:
			at = append(at, pc)
		}
	}
	return at, false
}
