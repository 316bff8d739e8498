// Package sample estimates a mean, and how sure it is, of values that come in
// groups: what job types cost, where the failures of one type resemble each
// other more than those of two. Taken for independent, a hundred failures of one
// type would look like a hundred pieces of evidence.
package sample

import "math"

// Mean collects values in bounded memory, group after group. The zero value has
// none.
type Mean struct {
	n, sum, squares float64
	// Of the groups that are closed: how many, and the sums over them of the
	// squared sum, of sum × count, and of the squared count.
	groups, sumSum, sumCount, countCount float64
	groupSum, groupCount                 float64
}

// Add adds a value to the group that is open.
func (m *Mean) Add(x float64) {
	m.n++
	m.sum += x
	m.squares += x * x
	m.groupSum += x
	m.groupCount++
}

// Close ends a group; what is added next belongs to another one. A group without
// values is none.
func (m *Mean) Close() {
	if m.groupCount == 0 {
		return
	}
	m.groups++
	m.sumSum += m.groupSum * m.groupSum
	m.sumCount += m.groupSum * m.groupCount
	m.countCount += m.groupCount * m.groupCount
	m.groupSum, m.groupCount = 0, 0
}

// Estimate is a mean and the bounds of its 95 % confidence interval.
type Estimate struct {
	Count           int64
	Mean, Low, High float64
}

// Estimate returns the mean of what was added. The interval is that of Student's
// t, for values that are independent or for groups that are (the sandwich
// estimator of Liang and Zeger, 1986), whichever is wider. Of fewer than two
// values nothing is known: the bounds are infinite.
func (m *Mean) Estimate() Estimate {
	c := *m
	c.Close()
	e := Estimate{Count: int64(c.n), Low: math.Inf(-1), High: math.Inf(1)}
	if c.n == 0 {
		return e
	}
	e.Mean = c.sum / c.n
	if c.n < 2 {
		return e
	}
	each := max(c.squares-c.sum*e.Mean, 0) / (c.n - 1) / c.n
	half := student(c.n-1) * math.Sqrt(each)
	if c.groups >= 2 {
		between := max(c.sumSum-2*e.Mean*c.sumCount+e.Mean*e.Mean*c.countCount, 0)
		among := between / (c.n * c.n) * c.groups / (c.groups - 1)
		half = max(half, student(c.groups-1)*math.Sqrt(among))
	}
	e.Low, e.High = e.Mean-half, e.Mean+half
	return e
}

// quantiles are those of Student's t at 97.5 % for 1 to 10 degrees of freedom.
var quantiles = [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228}

// student returns the 97.5 % quantile of Student's t: beyond the table by the
// first terms of its expansion around the normal one (Abramowitz and Stegun,
// 26.7.5), which is right to 0.001 there.
func student(freedom float64) float64 {
	if i := int(freedom); i <= len(quantiles) {
		return quantiles[max(i, 1)-1]
	}
	const z = 1.959964
	const z3, z5 = z * z * z, z * z * z * z * z
	return z + (z3+z)/(4*freedom) + (5*z5+16*z3+3*z)/(96*freedom*freedom)
}
