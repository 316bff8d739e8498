package web

// What the tests look at.
var (
	CheckNamed = checkNamed
	CheckOpen  = checkOpen
)
