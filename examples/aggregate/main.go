// Command aggregate adds up a generated data set of orders by customer. It
// keeps all orders in memory, as jobs do that were written when the data was
// small: with more rows it needs more memory.
//
//	aggregate -rows N
package main

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"sort"
)

// order is one row of the data set.
type order struct {
	customer string
	item     [96]byte
	cents    int64
}

func main() {
	rows := flag.Int("rows", 100_000, "orders to read")
	flag.Parse()
	if flag.NArg() > 0 || *rows < 1 {
		flag.Usage()
		os.Exit(2)
	}
	byCustomer := map[string][]order{}
	for i := range *rows {
		o := generate(i)
		byCustomer[o.customer] = append(byCustomer[o.customer], o)
		if (i+1)%100_000 == 0 {
			fmt.Printf("read %d of %d orders\n", i+1, *rows)
		}
	}
	report(byCustomer)
}

// generate returns order i: always the same.
func generate(i int) order {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, i) // a hash takes everything
	x := h.Sum64()
	o := order{customer: fmt.Sprintf("customer-%03d", x%500), cents: int64(x>>16) % 100_000}
	for k := range o.item {
		o.item[k] = 'a' + byte((x>>(k%8*8))%26)
	}
	return o
}

func report(byCustomer map[string][]order) {
	type total struct {
		customer string
		orders   int
		cents    int64
	}
	var totals []total
	for customer, orders := range byCustomer {
		t := total{customer: customer, orders: len(orders)}
		for _, o := range orders {
			t.cents += o.cents
		}
		totals = append(totals, t)
	}
	sort.Slice(totals, func(i, k int) bool {
		if totals[i].cents != totals[k].cents {
			return totals[i].cents > totals[k].cents
		}
		return totals[i].customer < totals[k].customer
	})
	for _, t := range totals[:min(3, len(totals))] {
		fmt.Printf("%s: %d orders, %d.%02d\n", t.customer, t.orders, t.cents/100, t.cents%100)
	}
}
