// Command mystery fails in a way that no rule knows, always the same.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "plating stage 4: lattice drift beyond tolerance, giving up (marker 7f3a)")
	os.Exit(3)
}
