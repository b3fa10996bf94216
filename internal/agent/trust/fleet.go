package trust

import (
	"fmt"

	"warren/internal/wire"
)

// A fleetError means that a request was signed for another fleet than the host's.
type fleetError struct{ signed, here string }

func (e *fleetError) Error() string {
	return fmt.Sprintf("signed for %s; this host belongs to %s (--fleet)", fleetName(e.signed), fleetName(e.here))
}

func fleetName(fleet string) string {
	if fleet == "" {
		return "no fleet"
	}
	return fmt.Sprintf("fleet %q", fleet)
}

// ownFleet refuses a signature for another fleet. The signature covers its namespace,
// so the statement needs no member for the fleet. verify refuses a namespace that is
// not Warren's.
func (h *Host) ownFleet(s *signer) error {
	if fleet, ok := wire.FleetOf(s.sig.Namespace); ok && fleet != h.Fleet {
		return &fleetError{signed: fleet, here: h.Fleet}
	}
	return nil
}
