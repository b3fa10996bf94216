package result

import (
	"warren/internal/operator/model"
	"warren/internal/wire"
)

// Account is what is known of a stream.
func Account(j *model.Job, stream string) model.Output {
	if stream == wire.Stderr {
		return j.Stderr
	}
	return j.Stdout
}

// IsWhole reports whether all that was produced is in the store.
func IsWhole(a model.Output) bool { return a.Dropped == 0 && a.Missing() == 0 }

// HasOutput reports whether there is anything to say of a stream.
func HasOutput(a model.Output) bool { return a.Kept > 0 || !IsWhole(a) }

// ShowsOutput reports whether a block of the job has more than a headline.
func (v *View) ShowsOutput(j *model.Job) bool {
	for _, stream := range v.Streams {
		if HasOutput(Account(j, stream)) {
			return true
		}
	}
	return false
}
