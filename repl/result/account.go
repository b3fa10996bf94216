package result

import (
	"warren/internal/operator/results"
	"warren/internal/wire"
)

// Account is what is known of a stream.
func Account(j *results.Job, stream string) results.Output {
	if stream == wire.Stderr {
		return j.Stderr
	}
	return j.Stdout
}

// IsWhole reports whether all that was produced is in the store.
func IsWhole(a results.Output) bool { return a.Dropped == 0 && a.Missing() == 0 }

// HasOutput reports whether there is anything to say of a stream.
func HasOutput(a results.Output) bool { return a.Kept > 0 || !IsWhole(a) }

// ShowsOutput reports whether a block of the job has more than a headline.
func (v *View) ShowsOutput(j *results.Job) bool {
	for _, stream := range v.Streams {
		if HasOutput(Account(j, stream)) {
			return true
		}
	}
	return false
}
