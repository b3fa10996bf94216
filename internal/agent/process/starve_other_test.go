//go:build unix && !linux

package process_test

func beStarved(int) {}
func beParent(int)  {}
