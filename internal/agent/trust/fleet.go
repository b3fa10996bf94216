package trust

import (
	"fmt"

	"warren/internal/wire"
)

// A fleetError says that a request was signed for another fleet than the host's.
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

// ownFleet refuses what was signed for another fleet. The namespace of a signature
// is part of what is signed, so that it needs no member of the statement. A
// namespace that is not Warren's is for verify to refuse.
func (h *Host) ownFleet(s *signer) error {
	if fleet, ok := wire.FleetOf(s.sig.Namespace); ok && fleet != h.Fleet {
		return &fleetError{signed: fleet, here: h.Fleet}
	}
	return nil
}
