//go:build !linux

package part

import "os"

// Self, Of and the others know nothing outside of Linux: times are measured
// there, use of the machine is not.
func Self() (Used, error) { return Used{}, nil }

// PeakOf is 0 here.
func PeakOf(*os.ProcessState) int64 { return 0 }

func fresh() error { return nil }

// FreshOf does nothing here.
func FreshOf(int) error { return nil }

// Of is nothing here.
func Of(int) (Used, error) { return Used{}, nil }

// Resident is 0 here.
func Resident(int) (int64, error) { return 0, nil }

// Pages is 0 here.
func Pages(int) (own, shared int64, err error) { return 0, 0, nil }

// Overflows is 0 here.
func Overflows() (int64, error) { return 0, nil }

// WakeUps is 0 here.
func WakeUps(int) (int64, error) { return 0, nil }
