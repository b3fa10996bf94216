package signing

import (
	"warren/internal/acl"
	"warren/internal/hint"
)

// checkMode refuses, as ssh does, a private key of ours that others may read.
func (f *keyFile) checkMode() error {
	file, err := acl.Open(f.path)
	if err != nil {
		return err
	}
	if holder := file.ForeignHolder(acl.Read); holder != nil && file.ForeignOwner() == nil {
		return hint.Errorf(acl.Restrict(f.path, false), "key %s is readable by %s", f.path, holder.Name)
	}
	return nil
}
