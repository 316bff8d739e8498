// Command report, as first released: it takes for granted that every region has
// an order, and panics at the one that has none.
package main

import "fmt"

func main() {
	orders := map[string][]int{"north": {12, 30}, "south": {7}, "east": {}}
	for _, region := range []string{"north", "south", "east"} {
		fmt.Printf("%s: largest order %d\n", region, largest(orders[region]))
	}
}

func largest(orders []int) int {
	most := orders[0]
	for _, n := range orders[1:] {
		most = max(most, n)
	}
	return most
}
