package need_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/redrive-io/redrive/services/recommender/internal/need"
)

const mib, gib = 1 << 20, 1 << 30

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s = %.4f, want %.4f ± %.4f", what, got, want, within)
	}
}

func TestWithoutHistoryEachDoublingIsSurvivedByHalf(t *testing.T) {
	for _, limit := range []int64{4 * mib, 512 * mib, 3 * gib, 500 * gib} {
		q := need.After(nil, limit).Above(limit)
		near(t, "P(need > limit)", q.Exceeds(float64(limit)), need.Certain, 0)
		for times := 2.0; times <= 64; times *= 2 {
			near(t, "P(need > times × limit)", q.Exceeds(times*float64(limit)), 1/times, 0.01)
		}
	}
}

func TestSameWithHistoryThatSaysNothingOfSoLargeANeed(t *testing.T) {
	q := need.After([]need.Observation{need.Exactly(100 * mib), need.Exactly(110 * mib)}, 8*gib).Above(8 * gib)
	near(t, "P(need > 2 × limit)", q.Exceeds(16*gib), 0.5, 0.01)
}

func TestAPointCountsWhereItIsReached(t *testing.T) {
	q := need.Quantiles{{Probability: 0.5, Bytes: gib}, {Probability: 0.9, Bytes: 2 * gib}}
	for bytes, want := range map[float64]float64{gib - 1: need.Certain, gib: 0.5, 2*gib - 1: 0.5, 2 * gib: 0.1, 4 * gib: 0.05} {
		near(t, "P(need > bytes)", q.Exceeds(bytes), want, 1e-9)
	}
}

func TestMeasuredPeaksTakeOver(t *testing.T) {
	var seen []need.Observation
	for i := range 20 {
		seen = append(seen, need.Exactly(int64(1000+i)*mib))
	}
	q := need.After(seen, 0).Above(0)
	near(t, "P(need > 900 MiB)", q.Exceeds(900*mib), 1-1.0/21*900/2020, 0.02)
	near(t, "P(need > 1200 MiB)", q.Exceeds(1200*mib), 1.0/21*1010/2400, 0.01)
	// Half of what was seen lies above 1010 MiB, and none of it above 1200.
	above := need.After(seen, 1010*mib).Above(1010 * mib)
	near(t, "P(need > 1200 MiB | > 1010 MiB)", above.Exceeds(1200*mib), 0.04, 0.02)
}

func TestKillsMoveTheNeedUp(t *testing.T) {
	successes := []need.Observation{need.Exactly(500 * mib), need.Exactly(500 * mib), need.Exactly(500 * mib)}
	before := need.After(successes, 0).Above(0).Exceeds(1000 * mib)
	after := need.After(append(successes, need.MoreThan(1000*mib), need.MoreThan(1000*mib), need.MoreThan(1000*mib)), 0).Above(0).Exceeds(1000 * mib)
	if before > 0.1 || after < 0.4 {
		t.Errorf("P(need > 1000 MiB) = %.3f before three kills at it, %.3f after; want at most 0.1 and at least 0.4", before, after)
	}
}

func TestSuccessesWithoutAPeakBoundTheNeed(t *testing.T) {
	var seen []need.Observation
	for range 8 {
		seen = append(seen, need.AtMost(4*gib))
	}
	q := need.After(seen, 1*gib).Above(1 * gib)
	if p := q.Exceeds(4 * gib); p > 0.15 {
		t.Errorf("P(need > 4 GiB) = %.3f after 8 successes with it, want at most 0.15", p)
	}
	if p := q.Exceeds(2 * gib); p < 0.4 || p > 0.8 {
		t.Errorf("P(need > 2 GiB | 1 to 4 GiB) = %.3f, want 0.4 to 0.8", p)
	}
}

func TestAFailureOfAnotherKindThatUsedLittleSaysLittle(t *testing.T) {
	seen := []need.Observation{need.Exactly(500 * mib), need.Exactly(600 * mib)}
	before := need.After(seen, 550*mib).Above(550 * mib).Exceeds(650 * mib)
	after := need.After(append(seen, need.MoreThan(5*mib)), 550*mib).Above(550 * mib).Exceeds(650 * mib)
	near(t, "P(need > 650 MiB)", after, before, 0.05)
}

// random returns a history of any kind.
func random(r *rand.Rand) []need.Observation {
	var all []need.Observation
	centre := math.Exp2(20 + 20*r.Float64())
	for range r.IntN(65) {
		bytes := int64(centre * math.Exp(r.NormFloat64()))
		switch r.IntN(4) {
		case 0:
			all = append(all, need.MoreThan(bytes))
		case 1:
			all = append(all, need.AtMost(bytes))
		default:
			all = append(all, need.Exactly(bytes))
		}
	}
	return all
}

func TestDistributionsAreSound(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		all := random(r)
		proven := int64(math.Exp2(46*r.Float64())) * int64(r.IntN(2))
		q := need.After(all, proven).Above(proven)
		for i := 1; i < len(q); i++ {
			if q[i].Bytes < q[i-1].Bytes || q[i].Probability <= q[i-1].Probability {
				t.Fatalf("quantiles do not ascend at %d after %v, more than %d: %v", i, all, proven, q)
			}
		}
		last := 1.0
		for bytes := 1.0; bytes < math.Exp2(60); bytes *= 1.01 {
			p := q.Exceeds(bytes)
			if p > last || p <= 0 || p >= 1 || math.IsNaN(p) {
				t.Fatalf("P(need > %g) = %v after %v at a little less; history %v, more than %d: %v", bytes, p, last, all, proven, q)
			}
			last = p
		}
	}
}

func TestOrderIsOfNoAccount(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		all := random(r)
		want := need.After(all, gib).Above(gib)
		r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := need.After(all, gib).Above(gib); !slices.Equal(got, want) {
			t.Fatalf("another order gives %v, want %v", got, want)
		}
	}
}

// A run like all others must not be called short of memory by the tail alone.
func TestAQuietJobTypeIsSureOfItself(t *testing.T) {
	var seen []need.Observation
	for range 64 {
		seen = append(seen, need.Exactly(1*gib))
	}
	q := need.After(seen, 0).Above(0)
	if p := q.Exceeds(1.1 * gib); p > 0.02 {
		t.Errorf("P(need > 1.1 GiB) = %.4f after 64 peaks of 1 GiB, want at most 0.02", p)
	}
}

func BenchmarkAfter(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	all := random(r)
	for len(all) < 64 {
		all = append(all, random(r)...)
	}
	all = all[:64]
	for b.Loop() {
		need.After(all, gib).Above(gib)
	}
}
