// Command report, as it should have been: a region may have no order.
package main

import "fmt"

func main() {
	orders := map[string][]int{"north": {12, 30}, "south": {7}, "east": {}}
	for _, region := range []string{"north", "south", "east"} {
		if len(orders[region]) == 0 {
			fmt.Printf("%s: no orders\n", region)
			continue
		}
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
