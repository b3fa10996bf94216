package rabbittest

// shareNothing: there are no modes.
func shareNothing() {}
